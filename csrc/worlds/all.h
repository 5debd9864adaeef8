// The list of worlds, the only index there is: X(Name) a line, whose rules are in worlds/<name in snake case>.h. The
// build reads it too, and compiles each world's loops apart.
#pragma once

#define MESA_WORLDS(X) \
  X(Bandit)            \
  X(Corridor)          \
  X(Deception)         \
  X(LinearRegression)  \
  X(Maze)              \
  X(OneWay)            \
  X(Sequence)          \
  X(TabularMDP)        \
  X(Tour)              \
  X(TourEdit)          \
  X(TwoStep)
