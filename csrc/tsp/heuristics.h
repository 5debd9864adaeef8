// Tours made quickly, none promised to be short: the baselines exact tours are compared with, and where searches begin.
// Those that need more than a few lines have headers of their own.
#pragma once
#include "../core/words.h"
#include "distances.h"

namespace mesa {

// From `start`, always on to the nearest city not yet visited; of equally near ones the smallest number.
MESA_HD void nearest_neighbour(const Distances& d, int32_t start, uint8_t* tour) {
  for (int32_t i = 0; i < d.n; ++i) tour[i] = static_cast<uint8_t>(i);
  tour[0] = static_cast<uint8_t>(start);
  tour[start] = 0;
  for (int32_t i = 1; i < d.n; ++i) {
    const int64_t* row = d.fine + int64_t{tour[i - 1]} * d.stride;
    int32_t next = i;
    for (int32_t j = i + 1; j < d.n; ++j) {
      const bool nearer = row[tour[j]] < row[tour[next]] || (row[tour[j]] == row[tour[next]] && tour[j] < tour[next]);
      next = nearer ? j : next;
    }
    const uint8_t city = tour[next];
    tour[next] = tour[i];
    tour[i] = city;
  }
}

// Every order of the cities is equally likely (Fisher and Yates 1938).
MESA_HD void random_tour(int32_t n, Words& words, uint8_t* tour) {
  for (int32_t i = 0; i < n; ++i) {
    const uint32_t j = words.below(static_cast<uint32_t>(i) + 1);
    tour[i] = tour[j];
    tour[j] = static_cast<uint8_t>(i);
  }
}

}  // namespace mesa
