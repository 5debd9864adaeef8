// The numbers a tour problem is solved in: distances as whole numbers, fine ones in which tours are compared and
// optimality is proved, and coarse ones, 20 bits, in which bounds are searched for. Both round down, so that a bound on
// either is a bound on the distances given.
#pragma once
#include "../core/math.h"
#include "../core/scratch.h"

namespace mesa {

constexpr int32_t kMaxCities = 256;
constexpr int32_t kFineBits =
    49;  // the longest distance is below 2^49 fine units: 16 of them add up exactly in a double
constexpr int32_t kCoarseBits = 20;  // and below 2^20 coarse ones

// How a distance follows from two points: as it is, or as TSPLIB rounds it (EUC_2D, CEIL_2D, ATT).
enum class Metric : int32_t { kEuclidean = 0, kRounded = 1, kCeiling = 2, kPseudo = 3 };

MESA_HD double power_of_two(int32_t exponent) {
  return double_of(static_cast<uint64_t>(exponent + 1023) << 52);
}

// x 2^exponent, exact (but for the subnormal) over the whole range of doubles.
MESA_HD double scaled(double x, int32_t exponent) {
  const int32_t half = exponent / 2;
  return x * power_of_two(half) * power_of_two(exponent - half);
}

// The exponent e with x < 2^e; x >= 0.
MESA_HD int32_t exponent_above(double x) {
  return static_cast<int32_t>(bits_of(x) >> 52) - 1022;
}

// Distances of one instance, as [n, stride] rows; a whole row may be read as vectors of 16.
struct Distances {
  int32_t n, stride;
  int32_t fine_exponent;  // fine = floor(distance 2^fine_exponent)
  int32_t coarse_shift;   // coarse = floor(fine 2^coarse_shift)
  int64_t resolution;     // fine: lengths closer than this count as equal; 0 for whole numbers
  const double* given;    // [n, n]
  int64_t* fine;          // [n, stride]
  int32_t* coarse;        // [n, stride]

  MESA_HD static int32_t stride_of(int32_t n) { return (n + 15) / 16 * 16; }
  MESA_HD static int64_t bytes(int32_t n) {
    const int64_t cells = int64_t{n} * stride_of(n);
    return Scratch::bytes_for<int64_t>(cells) + Scratch::bytes_for<int32_t>(cells);
  }
  MESA_HD int64_t fine_of(int32_t i, int32_t j) const { return fine[i * stride + j]; }
  MESA_HD int32_t coarse_of(int32_t i, int32_t j) const { return coarse[i * stride + j]; }

  // Where every distance is a whole number below 2^kFineBits, it is its own fine unit. The diagonal is not read.
  MESA_HD static Distances of(const double* given, int32_t n, Scratch& scratch) {
    Distances d{n, stride_of(n), 0, 0, 0, given, nullptr, nullptr};
    d.fine = scratch.take<int64_t>(int64_t{n} * d.stride);
    d.coarse = scratch.take<int32_t>(int64_t{n} * d.stride);
    double longest = 0.0;
    bool whole = true;
    for (int32_t i = 1; i < n; ++i) {
      for (int32_t j = 0; j < i; ++j) {
        const double x = given[i * n + j];
        longest = x > longest ? x : longest;
        whole = whole && x == static_cast<double>(static_cast<int64_t>(x < 1e15 ? x : 0.5));
      }
    }
    const int32_t top = longest > 0.0 ? exponent_above(longest) : 0;
    d.fine_exponent = whole && top <= kFineBits ? 0 : kFineBits - top;
    d.coarse_shift = kCoarseBits - top - d.fine_exponent;
    // Rounding of the distances themselves makes equal tours differ by a unit or so a connection (points on a line): to
    // tell them apart would be to search among rounding errors.
    d.resolution = d.fine_exponent == 0 && whole ? 0 : 2 * n;
    for (int32_t i = 0; i < n; ++i) {
      for (int32_t j = 0; j < d.stride; ++j) {
        const bool inside = j < n && j != i;
        const int64_t fine = inside ? static_cast<int64_t>(scaled(given[i * n + j], d.fine_exponent)) : 0;
        d.fine[i * d.stride + j] = fine;
        d.coarse[i * d.stride + j] = d.coarsened(fine);
      }
    }
    return d;
  }
  MESA_HD int32_t coarsened(int64_t fine) const {
    return static_cast<int32_t>(coarse_shift >= 0 ? fine << coarse_shift : fine >> -coarse_shift);
  }
  // The largest fine bound, and coarse bound, that does not yet show that no tour is shorter than `fine`.
  MESA_HD int64_t fine_threshold(int64_t fine) const { return fine - 1 - resolution; }
  MESA_HD int64_t threshold(int64_t fine) const {
    const int64_t most = fine_threshold(fine);
    return coarse_shift >= 0 ? most * (int64_t{1} << coarse_shift) : most >> -coarse_shift;
  }
  template <class Order>
  MESA_HD int64_t fine_length(const Order* order) const {
    int64_t length = fine_of(order[n - 1], order[0]);
    for (int32_t i = 1; i < n; ++i) length += fine_of(order[i - 1], order[i]);
    return length;
  }
  // A fine bound in the distances given, rounded down; 0 if it is negative.
  MESA_HD double at_most(int64_t bound) const {
    if (bound <= 0) return 0.0;
    double x = static_cast<double>(bound);
    if (static_cast<int64_t>(x) > bound) x = double_of(bits_of(x) - 1);
    return scaled(x, -fine_exponent);
  }
  // In the distances given, summed from the first city on.
  template <class Order>
  MESA_HD double length(const Order* order) const {
    double sum = 0.0;
    for (int32_t i = 0; i < n; ++i) sum += given[order[i] * n + order[i + 1 < n ? i + 1 : 0]];
    return sum;
  }
};

}  // namespace mesa
