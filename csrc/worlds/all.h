// The list of worlds: an include and an X(Name) each. The only index there is.
#pragma once
#include "bandit.h"
#include "corridor.h"
#include "maze.h"
#include "tour.h"
#include "tour_edit.h"

#define MESA_WORLDS(X) \
  X(Bandit)            \
  X(Corridor)          \
  X(Maze)              \
  X(Tour)              \
  X(TourEdit)
