// The loops of networks, over vectors of one width. Included once for each instruction set (network_cpu.cpp), each time
// in a namespace of its own with MESA_LOOPS (the attribute every function carries: a template does not take on a
// pragma's) and MESA_VECTOR_BYTES. Compiled with contraction into FMA: a network's numbers are those of this build and
// this machine, as torch's are, whereas worlds have the same bits everywhere.

template <class Real>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float Type __attribute__((vector_size(MESA_VECTOR_BYTES)));
  typedef int32_t Whole __attribute__((vector_size(MESA_VECTOR_BYTES)));
};
template <>
struct VectorOf<double> {
  typedef double Type __attribute__((vector_size(MESA_VECTOR_BYTES)));
};
template <class Real>
using Vector = typename VectorOf<Real>::Type;
template <class Real>
constexpr int kWide = MESA_VECTOR_BYTES / static_cast<int>(sizeof(Real));

// Vectors go by reference: how they would be passed by value differs between instruction sets.
template <class Real>
MESA_LOOPS MESA_INLINE void load(Vector<Real>& into, const Real* from) {
  __builtin_memcpy(&into, from, sizeof into);
}
template <class Real>
MESA_LOOPS MESA_INLINE void store(Real* into, const Vector<Real>& from) {
  __builtin_memcpy(into, &from, sizeof from);
}

// x → e^x of -87 to 88: 2^k 2^r with |r| <= 1/2, the second by the polynomial of degree 6 of least relative error; 2
// ulp with FMA, in which r is exact.
MESA_LOOPS MESA_INLINE void exponential_within(Vector<float>& x) {
  using Whole = VectorOf<float>::Whole;
  const Vector<float> rounded = x * 1.44269504f + 12582912.0f;  // 1.5 · 2^23 leaves no fraction: k, and its bits lowest
  const Vector<float> r = x * 1.44269504f - (rounded - 12582912.0f);
  Vector<float> p = r * 1.5345812e-4f + 1.3399931e-3f;
  p = p * r + 9.6184890e-3f;
  p = p * r + 5.5503288e-2f;
  p = p * r + 2.4022647e-1f;
  p = p * r + 6.9314721e-1f;
  p = p * r + 1.0f;
  x = p * (Vector<float>)(((Whole)rounded << 23) + 0x3f800000);
}
MESA_LOOPS MESA_INLINE void exponential_within(Vector<double>& x) {  // for checks of gradients; speed is of no account
  for (int i = 0; i < kWide<double>; ++i) x[i] = std::exp(x[i]);
}
// Of any, held to those.
template <class Real>
MESA_LOOPS MESA_INLINE void exponential(Vector<Real>& x) {
  const Vector<Real> low = Vector<Real>{} - Real(87), high = Vector<Real>{} + Real(88);
  x = x < low ? low : x;
  x = x > high ? high : x;
  exponential_within(x);
}

// x → ln x of positive normal numbers, after Cephes' logf: x = 2^k m with m from √½ to √2; 1 ulp.
MESA_LOOPS MESA_INLINE void logarithm(Vector<float>& x) {
  using Whole = VectorOf<float>::Whole;
  const Whole bits = (Whole)x;
  Vector<float> k = __builtin_convertvector((bits >> 23) - 126, Vector<float>);
  Vector<float> m = (Vector<float>)((bits & 0x007fffff) | 0x3f000000);  // from ½ to 1
  const Whole small = m < 0.707106781f;
  k = small ? k - 1.0f : k;
  m = (small ? m + m : m) - 1.0f;
  Vector<float> p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const Vector<float> square = m * m;
  x = (p * m * square + k * -2.12194440e-4f - 0.5f * square) + m + k * 0.693359375f;
}

// 1 + e^-x, of x held to -40, where float takes 1 over it for 0, so that a product of two is finite.
template <class Real>
MESA_LOOPS MESA_INLINE void one_and_exponential(Vector<Real>& x) {
  const Vector<Real> low = Vector<Real>{} - Real(87), high = Vector<Real>{} + Real(40);
  x = -x;
  x = x < low ? low : x;
  x = x > high ? high : x;
  exponential_within(x);
  x += Real(1);
}
template <class Real>
MESA_LOOPS MESA_INLINE void sigmoid(Vector<Real>& x) {
  one_and_exponential<Real>(x);
  x = Real(1) / x;
}
// Both for one division: 1/a = b/(a b).
template <class Real>
MESA_LOOPS MESA_INLINE void sigmoids(Vector<Real>& x, Vector<Real>& y) {
  one_and_exponential<Real>(x);
  one_and_exponential<Real>(y);
  const Vector<Real> share = Real(1) / (x * y), of_x = y * share;
  y = x * share;
  x = of_x;
}
template <class Real>
MESA_LOOPS MESA_INLINE void hyperbolic_tangent(Vector<Real>& x) {
  x = x * Real(2);
  sigmoid<Real>(x);
  x = x * Real(2) - Real(1);
}

// A matrix whose element (row, k) is at[row * by_row + k * by_k]: itself or its transpose.
template <class Real>
struct Matrix {
  const Real* at;
  int64_t by_row, by_k;
};

// kRows × kVectors of c += a · b, sums in registers over all k; `start`: what c begins with, by_start apart from row to
// row (0: a bias).
template <class Real, int kRows, int kVectors>
MESA_LOOPS inline void multiply_block(int64_t depth, const Matrix<Real>& a, const Real* b, int64_t by_b,
                                      const Real* start, int64_t by_start, Real* c, int64_t by_c) {
  constexpr int kW = kWide<Real>;
  Vector<Real> sum[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) load<Real>(sum[r][v], start + r * by_start + v * kW);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector<Real> right[kVectors];
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) load<Real>(right[v], b + k * by_b + v * kW);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Real left = a.at[r * a.by_row + k * a.by_k];
#pragma GCC unroll 12
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) store<Real>(c + r * by_c + v * kW, sum[r][v]);
  }
}

// c [rows, kVectors · kWide] = start + a · b, in blocks of kRows rows, then of half as many.
template <class Real, int kRows, int kVectors>
MESA_LOOPS inline void multiply_columns(int64_t rows, int64_t depth, Matrix<Real> a, const Real* b, int64_t by_b,
                                        const Real* start, int64_t by_start, Real* c, int64_t by_c) {
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) {
    multiply_block<Real, kRows, kVectors>(depth, a, b, by_b, start, by_start, c, by_c);
    a.at += kRows * a.by_row;
    start += kRows * by_start;
    c += kRows * by_c;
  }
  if constexpr (kRows > 1) {
    multiply_columns<Real, kRows / 2, kVectors>(rows - row, depth, a, b, by_b, start, by_start, c, by_c);
  }
}

// c [rows, width] = start + a [rows, depth] · b [depth, width]; width is a multiple of kWide.
template <class Real>
MESA_LOOPS inline void multiply(int64_t rows, int64_t width, int64_t depth, const Matrix<Real>& a, const Real* b,
                                int64_t by_b, const Real* start, int64_t by_start, Real* c, int64_t by_c) {
  constexpr int kW = kWide<Real>;
  constexpr bool kManyRegisters =
      MESA_VECTOR_BYTES == 64;  // 32, not 16: sums, a row of b and a number of a fit in them
  int64_t column = 0;
  for (; column + 4 * kW <= width; column += 4 * kW) {
    multiply_columns<Real, kManyRegisters ? 6 : 3, 4>(rows, depth, a, b + column, by_b, start + column, by_start,
                                                      c + column, by_c);
  }
  for (; column < width; column += kW) {
    multiply_columns<Real, kManyRegisters ? 12 : 6, 1>(rows, depth, a, b + column, by_b, start + column, by_start,
                                                       c + column, by_c);
  }
}
