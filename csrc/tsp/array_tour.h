// A tour as an array of cities and the place of each in it: neighbours in constant time, changes by reversing paths.
// The order it is written in for others, too.
#pragma once
#include "../core/scratch.h"

namespace mesa {

// The one order a closed tour is written in: city 0 first, and of its neighbours the one with the smaller number next.
template <class To>
MESA_HD void write_canonical(int32_t n, const uint8_t* tour, To* to) {
  int32_t start = 0;
  while (tour[start] != 0) ++start;
  const bool forwards = tour[(start + 1) % n] < tour[(start + n - 1) % n];
  for (int32_t k = 0; k < n; ++k) to[k] = tour[forwards ? (start + k) % n : (start + n - k) % n];
}

struct ArrayTour {
  int32_t n;
  uint8_t *order, *position;

  MESA_HD static int64_t bytes(int32_t n) { return 2 * Scratch::bytes_for<uint8_t>(n); }
  MESA_HD ArrayTour(int32_t cities, Scratch& scratch) : n(cities) {
    order = scratch.take<uint8_t>(n);
    position = scratch.take<uint8_t>(n);
  }
  MESA_HD void set(const uint8_t* tour) {
    for (int32_t i = 0; i < n; ++i) {
      order[i] = tour[i];
      position[tour[i]] = static_cast<uint8_t>(i);
    }
  }
  // The city after a, going forward, or before it.
  MESA_HD int32_t beside(int32_t a, bool forward) const {
    const int32_t i = position[a];
    return forward ? order[i + 1 < n ? i + 1 : 0] : order[i > 0 ? i - 1 : n - 1];
  }
  // How many steps from a to b.
  MESA_HD int32_t steps(int32_t a, int32_t b, bool forward) const {
    const int32_t steps = forward ? position[b] - position[a] : position[a] - position[b];
    return steps < 0 ? steps + n : steps;
  }
  // Reverses the path from a forward to b, or, where that is shorter, the rest of the tour: the same tour.
  MESA_HD_LARGE void reverse(int32_t a, int32_t b) {
    int32_t i = position[a], j = position[b], length = steps(a, b, true) + 1;
    if (2 * length > n) {
      const int32_t first = i;
      i = j + 1 < n ? j + 1 : 0;
      j = first > 0 ? first - 1 : n - 1;
      length = n - length;
    }
    for (int32_t k = length / 2; k > 0; --k) {
      const uint8_t x = order[i], y = order[j];
      order[i] = y;
      position[y] = static_cast<uint8_t>(i);
      order[j] = x;
      position[x] = static_cast<uint8_t>(j);
      i = i + 1 < n ? i + 1 : 0;
      j = j > 0 ? j - 1 : n - 1;
    }
  }
  // The 2-opt move: of the tour a b … c d, either way round, makes a c … b d.
  MESA_HD void exchange(int32_t a, int32_t b, int32_t c) {
    if (beside(a, true) == b) {
      reverse(b, c);
    } else {
      reverse(c, b);
    }
  }
  // The Or-opt move: takes the path s … e from between p and q and puts it between the neighbours c and f, s next to c.
  MESA_HD void move(int32_t p, int32_t s, int32_t e, int32_t q, int32_t c, int32_t f) {
    const bool forward = beside(p, true) == s;
    const bool c_first = beside(c, forward) == f;  // p s … e q … c f: going on from s, c is met before f
    const int32_t x = c_first ? c : f;
    exchange(p, s, x);  // p x … q e … s y
    exchange(p, x, q);  // p q … x e … s y
    if (c_first) exchange(x, e, s);
  }
};

}  // namespace mesa
