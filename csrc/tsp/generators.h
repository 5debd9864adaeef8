// How tour problems are drawn: points of the unit square under several laws, or distances without any geometry. The
// cities' numbers say nothing about where they are. What is solved, or selected for being hard, is in other headers.
#pragma once
#include "../core/spec.h"
#include "../core/words.h"
#include "distances.h"

#define MESA_TOUR_DISTRIBUTIONS(X) \
  X(UniformPoints)                 \
  X(ClusteredPoints)               \
  X(ExplosionPoints)               \
  X(GridPoints)                    \
  X(RingPoints)                    \
  X(RandomMatrix)

namespace mesa {

// Numbers of the unit interval are the centres of 2^23 cells: odd multiples of 2^-24. They are exact in float32, and
// x → 1 - x maps them onto each other, so that the square's symmetries change no length by a bit.
constexpr double kCellsASide = 8388608.0;  // 2^23

MESA_HD double centre_of_cell(uint32_t cell) {
  return (2.0 * cell + 1.0) / (2.0 * kCellsASide);
}
MESA_HD double uniform_centre(Words& words) {
  return centre_of_cell(words.u32() >> 9);
}
// Of the cell that x lies in, 0 <= x < 1.
MESA_HD double snapped(double x) {
  return centre_of_cell(static_cast<uint32_t>(x * kCellsASide));
}

// Strictly inside (0, 1), all 53 bits.
MESA_HD double uniform_between(Words& words, double low, double high) {
  const uint32_t first = words.u32();
  return low + (high - low) * unit_interval(first, words.u32());
}
MESA_HD double normal(Words& words) {
  return normal_quantile(uniform_between(words, 0.0, 1.0));
}

// The options of every distribution; each lists those it reads.
struct TourDistribution {
  int32_t n = 0;
  int32_t kind = 0;  // its place in MESA_TOUR_DISTRIBUTIONS
  int32_t clusters = 3;
  double spread = 0.05;
  double least_radius = 0.1, most_radius = 0.4, push = 0.1;
  double jitter = 0.5;
  double radius = 0.4, width = 0.05;
};

// Writes the point if it lies in the square; else false.
MESA_HD bool place(double x, double y, double* point) {
  if (!(x >= 0.0 && x < 1.0 && y >= 0.0 && y < 1.0)) return false;
  point[0] = snapped(x);
  point[1] = snapped(y);
  return true;
}

struct UniformPoints {
  static constexpr const char* kName = "uniform";
  static constexpr const char* kHelp = "points uniform over the unit square";
  static constexpr bool kPoints = true;
  template <class Visitor>
  static void options(Visitor&, TourDistribution&) {}
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* points) {
    for (int32_t i = 0; i < 2 * o.n; ++i) points[i] = uniform_centre(words);
  }
};

struct ClusteredPoints {
  static constexpr const char* kName = "clustered";
  static constexpr const char* kHelp =
      "each point normal around one of a few uniform centres, drawn again while outside";
  static constexpr bool kPoints = true;
  static constexpr int32_t kMostClusters = 16;
  template <class Visitor>
  static void options(Visitor& v, TourDistribution& o) {
    v.integer("clusters", o.clusters, 1, kMostClusters,
              "centres, uniform over the square; each point's is any of them");
    v.real("spread", o.spread, 0.0, 0.5, "standard deviation around the centre, in either direction");
  }
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* points) {
    double centre[2 * kMostClusters];
    for (int32_t k = 0; k < 2 * o.clusters; ++k) centre[k] = uniform_centre(words);
    for (int32_t i = 0; i < o.n; ++i) {
      const double* c = centre + 2 * words.below(static_cast<uint32_t>(o.clusters));
      for (bool inside = false; !inside;) {
        const double x = c[0] + o.spread * normal(words), y = c[1] + o.spread * normal(words);
        inside = place(x, y, points + 2 * i);
      }
    }
  }
};

// Bossek, Kerschke, Neumann, Wagner, Neumann and Trautmann 2019, "Evolving diverse TSP instances by means of novel and
// creative mutation operators": the explosion, once, on uniform points. Those pushed out of the square are drawn anew.
struct ExplosionPoints {
  static constexpr const char* kName = "explosion";
  static constexpr const char* kHelp =
      "uniform points, those in a disc pushed out of it by an exponential length beyond its rim (Bossek et al. 2019)";
  static constexpr bool kPoints = true;
  template <class Visitor>
  static void options(Visitor& v, TourDistribution& o) {
    v.real("least_radius", o.least_radius, 0.0, 0.5, "of the disc, whose radius is uniform and whose centre is too");
    v.real("most_radius", o.most_radius, 0.0, 0.5, "of the disc; at least least_radius");
    v.real("push", o.push, 0.0, 1.0, "mean length beyond the rim");
  }
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* points) {
    UniformPoints::draw(o, words, points);
    const double x = uniform_between(words, 0.0, 1.0), y = uniform_between(words, 0.0, 1.0);
    const double radius = uniform_between(words, o.least_radius, o.most_radius);
    for (int32_t i = 0; i < o.n; ++i) {
      double* p = points + 2 * i;
      const double dx = p[0] - x, dy = p[1] - y, from = square_root(dx * dx + dy * dy);
      if (from >= radius) continue;
      const double to = radius - o.push * portable_log(uniform_between(words, 0.0, 1.0));
      if (from > 0.0 && place(x + to * dx / from, y + to * dy / from, p)) continue;
      p[0] = uniform_centre(words);
      p[1] = uniform_centre(words);
    }
  }
};

struct GridPoints {
  static constexpr const char* kName = "grid";
  static constexpr const char* kHelp =
      "one point in each of n cells of the smallest square grid that has so many, jittered";
  static constexpr bool kPoints = true;
  template <class Visitor>
  static void options(Visitor& v, TourDistribution& o) {
    v.real("jitter", o.jitter, 0.0, 1.0,
           "side of the square around a cell's middle that its point is uniform over, in cells");
  }
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* points) {
    int32_t side = 1;
    while (side * side < o.n) ++side;
    static_assert(kMaxCities <= 256, "a cell's number does not fit a byte");
    uint8_t cell[kMaxCities];
    for (int32_t k = 0; k < side * side; ++k) cell[k] = static_cast<uint8_t>(k);
    for (int32_t i = 0; i < o.n; ++i) {
      const int32_t at = i + static_cast<int32_t>(words.below(static_cast<uint32_t>(side * side - i)));
      const int32_t chosen = cell[at];
      cell[at] = cell[i];
      const double x = chosen % side + 0.5 + o.jitter * uniform_between(words, -0.5, 0.5);
      const double y = chosen / side + 0.5 + o.jitter * uniform_between(words, -0.5, 0.5);
      place(x / side, y / side, points + 2 * i);
    }
  }
};

struct RingPoints {
  static constexpr const char* kName = "ring";
  static constexpr const char* kHelp = "points around a circle about the square's middle, drawn again while outside";
  static constexpr bool kPoints = true;
  template <class Visitor>
  static void options(Visitor& v, TourDistribution& o) {
    v.real("radius", o.radius, 0.05, 0.5, "of the circle");
    v.real("width", o.width, 0.0, 0.5, "standard deviation of a point's distance from the middle");
  }
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* points) {
    for (int32_t i = 0; i < o.n; ++i) {
      for (bool inside = false; !inside;) {
        // A uniform direction: a point uniform in the disc (Marsaglia 1972), brought to the circle.
        const double x = uniform_between(words, -1.0, 1.0), y = uniform_between(words, -1.0, 1.0),
                     square = x * x + y * y;
        if (square > 1.0 || square < 1e-6) continue;
        const double length = (o.radius + o.width * normal(words)) / square_root(square);
        inside = place(0.5 + length * x, 0.5 + length * y, points + 2 * i);
      }
    }
  }
};

struct RandomMatrix {
  static constexpr const char* kName = "random_matrix";
  static constexpr const char* kHelp = "little structure: symmetric distances, each uniform over (0, 1)";
  static constexpr bool kPoints = false;
  template <class Visitor>
  static void options(Visitor&, TourDistribution&) {}
  MESA_HD static void draw(const TourDistribution& o, Words& words, double* matrix) {
    for (int32_t i = 0; i < o.n; ++i) {
      matrix[i * o.n + i] = 0.0;
      for (int32_t j = 0; j < i; ++j) matrix[i * o.n + j] = matrix[j * o.n + i] = uniform_centre(words);
    }
  }
};

// Numbers of one instance.
MESA_HD int64_t numbers_drawn(const TourDistribution& o) {
  int32_t place = 0;
#define MESA_NUMBERS(Law) \
  if (o.kind == place++) return Law::kPoints ? 2 * o.n : int64_t{o.n} * o.n;
  MESA_TOUR_DISTRIBUTIONS(MESA_NUMBERS)
#undef MESA_NUMBERS
  return 0;
}
MESA_HD void draw_tour_problem(const TourDistribution& o, Words& words, double* out) {
  int32_t place = 0;
#define MESA_DRAW(Law) \
  if (o.kind == place++) return Law::draw(o, words, out);
  MESA_TOUR_DISTRIBUTIONS(MESA_DRAW)
#undef MESA_DRAW
}

}  // namespace mesa
