// The list of worlds: an include and an X(Name) each. The only index there is.
#pragma once
#include "bandit.h"
#include "corridor.h"
#include "maze.h"

#define MESA_WORLDS(X) \
  X(Bandit)            \
  X(Corridor)          \
  X(Maze)
