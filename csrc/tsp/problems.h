// A batch of tour problems of one size: points, or the distances themselves.
#pragma once
#include "distances.h"

namespace mesa {

struct TourProblems {
  const double* points;  // [count, n, 2], or null
  const double* given;   // [count, n, n], or null
  int32_t n;
  Metric metric;

  MESA_HD int64_t bytes() const { return Scratch::bytes_for<double>(int64_t{n} * n) + Distances::bytes(n); }

  MESA_HD Distances distances(int64_t i, Scratch& scratch) const {
    if (given != nullptr) return Distances::of(given + i * n * n, n, scratch);
    const double* p = points + i * n * 2;
    double* between = scratch.take<double>(int64_t{n} * n);
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t b = 0; b < n; ++b) between[a * n + b] = distance(p + 2 * a, p + 2 * b);
    }
    return Distances::of(between, n, scratch);
  }

 private:
  // Reinelt 1995, "TSPLIB 95", for the rounded ones.
  MESA_HD double distance(const double* a, const double* b) const {
    const double dx = a[0] - b[0], dy = a[1] - b[1], square = dx * dx + dy * dy;
    if (metric == Metric::kPseudo) {
      const double exact = square_root(square / 10.0), rounded = floor(exact + 0.5);
      return rounded < exact ? rounded + 1.0 : rounded;
    }
    const double exact = square_root(square);
    if (metric == Metric::kRounded) return floor(exact + 0.5);
    return metric == Metric::kCeiling ? ceil(exact) : exact;
  }
};

}  // namespace mesa
