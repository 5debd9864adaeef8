// Points in the order in which Sierpinski's closed curve meets them (Platzman and Bartholdi 1989, "Spacefilling curves
// and the planar travelling salesman problem"): about a quarter longer than the shortest tour.
#pragma once
#include "../core/math.h"
#include "../core/scratch.h"

namespace mesa {

struct SierpinskiCurve {
  static constexpr int32_t kBits = 26;  // of a coordinate: the grid that points are put on
  static constexpr int64_t kSide = (int64_t{1} << kBits);

  // Where on the curve the grid's (x, y) lies, as 2 kBits + 1 bits. The square's diagonal parts it in two right-angled
  // triangles; the curve goes along the long side a … c of each, and through its halves a … b, b … c, b the right
  // angle.
  MESA_HD static uint64_t along(int64_t x, int64_t y) {
    const bool below = x > y;
    int64_t a[2] = {0, 0}, b[2] = {0, kSide}, c[2] = {kSide, kSide};
    if (below) {
      a[0] = a[1] = b[0] = kSide;
      b[1] = c[0] = c[1] = 0;
    }
    uint64_t key = below;
    for (int32_t k = 0; k < 2 * kBits; ++k) {
      const int64_t side = (2 * x - a[0] - c[0]) * (c[0] - a[0]) + (2 * y - a[1] - c[1]) * (c[1] - a[1]);
      const bool second = side > 0;  // nearer to c than to a
      for (int32_t axis = 0; axis < 2; ++axis) {
        const int64_t middle = (a[axis] + c[axis]) / 2;
        if (second) {
          a[axis] = b[axis];
        } else {
          c[axis] = b[axis];
        }
        b[axis] = middle;
      }
      key = 2 * key + second;
    }
    return key;
  }

  MESA_HD static int64_t bytes(int32_t n) { return Scratch::bytes_for<uint64_t>(n); }
  // points [n, 2]; equal keys by number.
  MESA_HD static void run(const double* points, int32_t n, uint8_t* tour, Scratch& scratch) {
    uint64_t* key = scratch.take<uint64_t>(n);
    double low[2] = {points[0], points[1]}, extent = 0.0;
    for (int32_t i = 0; i < 2 * n; ++i) low[i % 2] = points[i] < low[i % 2] ? points[i] : low[i % 2];
    for (int32_t i = 0; i < 2 * n; ++i) extent = points[i] - low[i % 2] > extent ? points[i] - low[i % 2] : extent;
    for (int32_t i = 0; i < n; ++i) {
      const double x = points[2 * i] - low[0], y = points[2 * i + 1] - low[1];
      key[i] = extent > 0.0 ? along(cell(x / extent), cell(y / extent)) : 0;
      int32_t at = i;
      for (; at > 0 && key[tour[at - 1]] > key[i]; --at) tour[at] = tour[at - 1];
      tour[at] = static_cast<uint8_t>(i);
    }
  }

 private:
  MESA_HD static int64_t cell(double x) { return static_cast<int64_t>(x * static_cast<double>(kSide)); }
};

}  // namespace mesa
