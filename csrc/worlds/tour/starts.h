// First tours to edit: at random, by the nearest neighbour, along a space-filling curve, or given. Small and plain, for
// 64 cities inside a reset; heuristics for data sets are another matter.
#pragma once
#include "cities.h"

namespace mesa {

struct TourStarts {
  enum Kind : int32_t { kRandom, kNearest, kCurve };

  int32_t n;
  const Point* points;

  // `given`: int32 [n], or null, or -1 where there is none.
  MESA_HD void make(const uint8_t* given, int32_t kind, const Key& key, uint8_t* tour) const {
    int32_t first = -1;
    if (given) memcpy(&first, given, sizeof first);
    if (first >= 0) {
      for (int32_t i = 0; i < n; ++i) {
        int32_t city;
        memcpy(&city, given + i * static_cast<int32_t>(sizeof city), sizeof city);
        tour[i] = static_cast<uint8_t>(city);
      }
      return;
    }
    for (int32_t i = 0; i < n; ++i) tour[i] = static_cast<uint8_t>(i);
    if (kind == kRandom) shuffle(key, tour);
    if (kind == kNearest) follow_nearest(tour);
    if (kind == kCurve) follow_curve(tour);
  }

  MESA_HD static void swap(uint8_t* tour, int32_t a, int32_t b) {
    const uint8_t city = tour[a];
    tour[a] = tour[b];
    tour[b] = city;
  }
  MESA_HD void shuffle(const Key& key, uint8_t* tour) const {
    Rng rng(key, Purpose::kPlacement);
    for (int32_t i = n - 1; i > 0; --i) swap(tour, i, static_cast<int32_t>(rng.below(static_cast<uint32_t>(i) + 1)));
  }
  // From city 0 to the nearest not yet visited, the lowest number among equals.
  MESA_HD void follow_nearest(uint8_t* tour) const {
    for (int32_t i = 1; i < n; ++i) {
      int32_t found = i;
      for (int32_t j = i + 1; j < n; ++j) {
        const int64_t away = squared_distance(points[tour[i - 1]], points[tour[j]]);
        const int64_t least = squared_distance(points[tour[i - 1]], points[tour[found]]);
        if (away < least || (away == least && tour[j] < tour[found])) found = j;
      }
      swap(tour, i, found);
    }
  }
  // By Hilbert's curve over the square (Hilbert 1891), the lowest number among equals.
  MESA_HD void follow_curve(uint8_t* tour) const {
    uint64_t along[CitiesConfig::kMostCities];
    for (int32_t i = 0; i < n; ++i) {
      const uint64_t place = curve_position(points[i]);
      int32_t j = i;
      for (; j > 0 && along[j - 1] > place; --j) {
        along[j] = along[j - 1];
        tour[j] = tour[j - 1];
      }
      along[j] = place;
      tour[j] = static_cast<uint8_t>(i);
    }
  }
  // How far along the curve of order 20 a point lies: quadrant by quadrant, turning as the curve does.
  MESA_HD static uint64_t curve_position(Point p) {
    constexpr int32_t kLast = kGridSide - 1;
    int32_t x = p.x < kLast ? p.x : kLast, y = p.y < kLast ? p.y : kLast;
    uint64_t position = 0;
    for (int32_t side = kGridSide / 2; side > 0; side /= 2) {
      const int32_t right = (x & side) != 0, up = (y & side) != 0;
      position = position << 2 | static_cast<uint64_t>(3 * right ^ up);
      if (up) continue;
      if (right) {
        x = kLast - x;
        y = kLast - y;
      }
      const int32_t kept = x;
      x = y;
      y = kept;
    }
    return position;
  }
};

}  // namespace mesa
