// Who works on one instance together: one thread of the CPU, or the 32 of a warp. Code written over a group of lanes
// shares its loops (lane(), size()), agrees through min() and sum(), and leaves the serial parts to once().
#pragma once
#include <cstdint>

#include "portable.h"
#if defined(MESA_EMULATED_CUDA)
#include <cuda_runtime.h>
#endif

namespace mesa {

struct OneLane {
  MESA_HD int32_t lane() const { return 0; }
  MESA_HD int32_t size() const { return 1; }
  MESA_HD bool leads() const { return true; }
  MESA_HD void sync() const {}
  template <class T>
  MESA_HD T min(T x) const {
    return x;
  }
  MESA_HD int64_t sum(int64_t x) const { return x; }
  MESA_HD bool any(bool x) const { return x; }
  template <class T>
  MESA_HD T from(int32_t, T x) const {  // what the given lane has
    return x;
  }
  // What the leader's call returned, known to every lane; memory it wrote is seen by all.
  template <class F>
  MESA_HD auto once(const F& f) const {
    return f();
  }
};

#if defined(__CUDACC__) || defined(MESA_EMULATED_CUDA)
// Where lanes are called from, which the emulator compares (csrc/emulator); on a GPU nothing.
#if defined(MESA_EMULATED_CUDA)
using emulator::Site;
#define MESA_AT , at
#else
struct Site {
  __device__ static constexpr Site here() { return {}; }
};
#define MESA_AT
#endif
struct WarpLanes {
  static constexpr unsigned kAll = 0xffffffffu;
  __device__ int32_t lane() const { return static_cast<int32_t>(threadIdx.x & 31u); }
  __device__ int32_t size() const { return 32; }
  __device__ bool leads() const { return lane() == 0; }
  __device__ void sync(Site at = Site::here()) const { __syncwarp(kAll MESA_AT); }
  template <class T>
  __device__ T min(T x, Site at = Site::here()) const {
    for (int step = 16; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(kAll, x, step MESA_AT);
      x = other < x ? other : x;
    }
    return x;
  }
  __device__ int64_t sum(int64_t x, Site at = Site::here()) const {
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(kAll, x, step MESA_AT);
    return x;
  }
  __device__ bool any(bool x, Site at = Site::here()) const { return __any_sync(kAll, x MESA_AT) != 0; }
  template <class T>
  __device__ T from(int32_t lane, T x, Site at = Site::here()) const {
    return __shfl_sync(kAll, x, lane MESA_AT);
  }
  template <class F>
  __device__ auto once(const F& f, Site at = Site::here()) const {
    using Result = decltype(f());
    constexpr int kWords = (sizeof(Result) + 3) / 4;
    union {
      uint32_t word[kWords];
      Result result;
    } told{{}};
    __syncwarp(kAll MESA_AT);
    if (leads()) told.result = f();
    __syncwarp(kAll MESA_AT);
    for (int i = 0; i < kWords; ++i) told.word[i] = __shfl_sync(kAll, told.word[i], 0 MESA_AT);
    return told.result;
  }
};
#endif

}  // namespace mesa
