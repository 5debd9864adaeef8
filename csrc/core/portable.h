// Which compiler is reading. The only file that knows; rules of worlds are written against MESA_HD alone.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define MESA_HD __host__ __device__ __forceinline__
#elif defined(MESA_EMULATED_CUDA) || defined(MESA_PLAIN)  // quick to compile
#define MESA_HD inline
#elif defined(__GNUC__) || defined(__clang__)
#define MESA_HD inline __attribute__((always_inline))
#else
#define MESA_HD inline
#endif

// For what happens once an episode: kept out of the loop over slots, whose registers it would take.
#if defined(__CUDACC__)
#define MESA_HD_RARE __host__ __device__ __noinline__ inline
#elif defined(__GNUC__) || defined(__clang__)
#define MESA_HD_RARE inline __attribute__((noinline))
#else
#define MESA_HD_RARE inline
#endif

// For large parts of a solver: in a kernel each is compiled once, for inlined they take nvcc a quarter of an hour; on
// the CPU they belong in the loop that calls them, whose instruction set they take on.
#if defined(__CUDACC__)
#define MESA_HD_LARGE __host__ __device__ __noinline__ inline
#else
#define MESA_HD_LARGE MESA_HD
#endif

namespace mesa {

// Whether this is the build whose CUDA runs on the CPU (csrc/emulator): all work goes there, for tests.
#if defined(MESA_EMULATED_CUDA)
constexpr bool kEmulatedCuda = true;
#else
constexpr bool kEmulatedCuda = false;
#endif

// A flag another thread of the host may raise; kernels are given none.
MESA_HD bool is_raised(const uint8_t* flag) {
#if defined(__CUDA_ARCH__)
  return false;
#else
  return flag != nullptr && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
#endif
}

// The 128-bit product of two 64-bit numbers, as (high, low).
struct Wide {
  uint64_t high, low;
};
MESA_HD Wide multiply_wide(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
}

}  // namespace mesa
