// Cities of the tour worlds: points of a grid of 2^20 steps a side over the unit square, and the lengths between them
// in the same steps, rounded to the nearest (TSPLIB's EUC_2D on the grid). Every outcome is decided in whole numbers;
// what is shown is these times 2^-20. How instances for data sets are drawn is another matter.
#pragma once
#include "../../core/rng.h"
#include "../../core/spec.h"

namespace mesa {

constexpr int32_t kGridSide = 1 << 20;
static_assert(int64_t{8} * kGridSide * 1415 / 1000 < 1 << 24, "a reward, of eight edges at most, is exact in float32");

struct Point {
  int32_t x, y;  // 0 … kGridSide
};

// A sum of two squares is never within 1/4 of (k + 1/2)^2, so that the root's last bits decide nothing.
MESA_HD int32_t length_between(Point a, Point b) {
  const int64_t dx = a.x - b.x, dy = a.y - b.y;
  return static_cast<int32_t>(square_root(static_cast<double>(dx * dx + dy * dy)) + 0.5);
}
MESA_HD int64_t squared_distance(Point a, Point b) {
  const int64_t dx = a.x - b.x, dy = a.y - b.y;
  return dx * dx + dy * dy;
}
// Grid steps as a number of the unit square: exact below 2^24 steps, above that rounded once.
MESA_HD float in_units(int32_t steps) {
  return static_cast<float>(steps) * (1.0f / kGridSide);
}
// How far a length is above the optimal, as a fraction of it.
MESA_HD float gap_above(int32_t length, int32_t optimal) {
  return length == optimal ? 0.0f : static_cast<float>(static_cast<double>(length - optimal) / optimal);
}

struct CitiesConfig {
  enum Distribution : int32_t { kUniform, kClustered };
  static constexpr int32_t kMostCities = 64;

  int32_t n = 10, distribution = kUniform, clusters = 3;
  double spread = 0.05;

  template <class Visitor>
  static void options(Visitor& v, CitiesConfig& c, int32_t fewest) {
    v.integer("n", c.n, fewest, kMostCities, "number of cities");
    v.choice("distribution", c.distribution, {"uniform", "clustered"}, "of the cities over the unit square");
    v.integer("clusters", c.clusters, 1, 16, "centres drawn uniformly with distribution=clustered, each city at one");
    v.real("spread", c.spread, 0.0, 1.0,
           "standard deviation of a city around its centre, in either direction, cut off at the square's sides");
  }

  MESA_HD static int32_t near(int32_t centre, double offset) {
    const double at = centre + offset * kGridSide;
    return at < 0.0 ? 0 : at >= kGridSide ? kGridSide - 1 : static_cast<int32_t>(at);
  }
  MESA_HD void draw(const Key& key, Point* points) const {
    Rng rng(key, Purpose::kLayout);
    const auto coordinate = [&] { return static_cast<int32_t>(rng.u32() >> 12); };
    if (distribution == kUniform) {
      for (int32_t i = 0; i < n; ++i) {
        points[i].x = coordinate();
        points[i].y = coordinate();
      }
      return;
    }
    Point centre[16];
    for (int32_t k = 0; k < clusters; ++k) {
      centre[k].x = coordinate();
      centre[k].y = coordinate();
    }
    for (int32_t i = 0; i < n; ++i) {
      const Point middle = centre[rng.below(static_cast<uint32_t>(clusters))];
      points[i].x = near(middle.x, spread * rng.normal());
      points[i].y = near(middle.y, spread * rng.normal());
    }
  }
  // Drawn, or those of a level (see levels.py: int32 pairs).
  MESA_HD void lay_out(const Key& key, const uint8_t* level, Point* points) const {
    if (level) {
      memcpy(points, level, static_cast<size_t>(n) * sizeof(Point));
    } else {
      draw(key, points);
    }
  }
  bool valid(const Point* points) const {
    for (int32_t i = 0; i < n; ++i) {
      const auto outside = [](int32_t value) { return value < 0 || value > kGridSide; };
      if (outside(points[i].x) || outside(points[i].y)) return false;
    }
    return true;
  }

  Field coordinates() const { return {"coordinates", Dtype::kFloat32, {n, 2}, 0, 1, 0, "x and y of every city"}; }
  template <class Lanes>
  MESA_HD void show(const Point* points, float* out, const Lanes& lanes) const {
    for (int32_t i = lanes.lane(); i < n; i += lanes.size()) {
      out[2 * i] = in_units(points[i].x);
      out[2 * i + 1] = in_units(points[i].y);
    }
  }
  // The most a tour can be long, in units of the square.
  double longest_tour() const { return 1.4143 * n; }
};

// Seen from above: a square of tiles, cities on lines between them. Host only.
struct TourPicture {
  static constexpr int64_t kSide = 33;
  Picture picture{kSide, kSide, {'.', 245, 245, 240}};

  static int64_t tile(int32_t coordinate) { return int64_t{coordinate} * (kSide - 1) / kGridSide; }
  void mark(Point p, Tile tile_of) { picture.at(kSide - 1 - tile(p.y), tile(p.x)) = tile_of; }
  void line(Point a, Point b) {
    const int64_t steps = 2 * kSide;
    for (int64_t k = 0; k <= steps; ++k) {
      const auto between = [&](int32_t from, int32_t to) {
        return static_cast<int32_t>(from + (int64_t{to} - from) * k / steps);
      };
      mark({between(a.x, b.x), between(a.y, b.y)}, {'+', 150, 170, 200});
    }
  }
};

}  // namespace mesa
