// Kernels with a known fault, and one without, so that tests see the emulator tell them apart.
#include "planted.h"

#include <string>

#include "../backends/cuda_launch.h"
#include "../core/lanes.h"

namespace mesa {
namespace {

// Each lane's sum over the warp of its own number: 496.
__global__ void sound(int64_t* out) {
  const WarpLanes lanes;
  out[lanes.lane()] = lanes.sum(lanes.lane());
}
// A lane reads what another writes without waiting for it.
__global__ void race(int64_t* out) {
  const WarpLanes lanes;
  int64_t* words = reinterpret_cast<int64_t*>(shared_memory());
  words[lanes.lane()] = 0;
  lanes.sync();
  words[lanes.lane()] = lanes.lane();
  out[lanes.lane()] = words[(lanes.lane() + 1) % 32];
}
__global__ void divergence(int64_t* out) {
  if (threadIdx.x % 2 == 0) {
    __syncwarp(WarpLanes::kAll);
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 0;
}
// The same call, but not the same place.
__global__ void places(int64_t* out) {
  int64_t word = threadIdx.x;
  if (threadIdx.x % 2 == 0) {
    word = __shfl_xor_sync(WarpLanes::kAll, word, 1);
  } else {
    word = __shfl_xor_sync(WarpLanes::kAll, word, 1);
  }
  out[threadIdx.x] = word;
}
// The same place, but not the same mask.
__global__ void masks(int64_t* out) {
  out[threadIdx.x] = __shfl_xor_sync(WarpLanes::kAll, int64_t{threadIdx.x}, threadIdx.x < 16 ? 1 : 2);
}
__global__ void absence(int64_t* out) {
  if (threadIdx.x == 7) return;
  out[threadIdx.x] = WarpLanes().sum(1);
}
// Of a block's barrier: one lane, and a whole warp.
__global__ void lane_gone(int64_t* out) {
  if (threadIdx.x == 7) return;
  __syncthreads();
  out[threadIdx.x % 32] = 0;
}
__global__ void warp_gone(int64_t* out) {
  if (threadIdx.x >= 32) return;
  __syncthreads();
  out[threadIdx.x] = 0;
}
__global__ void barriers(int64_t* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x % 32] = 0;
}

// Two sums, of half a warp each.
__global__ void sums(int64_t* out) {
  const WarpLanes lanes;
  if (threadIdx.x % 2 == 0) {
    out[threadIdx.x] = lanes.sum(1);
  } else {
    out[threadIdx.x] = lanes.sum(2);
  }
}

struct Planted {
  const char* name;
  void (*kernel)(int64_t*);
  int threads;
  int64_t shared_bytes;
};
constexpr int64_t kWords = 32 * sizeof(int64_t), kMostShared = int64_t{48} << 10;
constexpr Planted kPlanted[] = {
    {"sound", &sound, 32, 0},         {"roomy", &sound, 32, kMostShared}, {"too_roomy", &sound, 32, kMostShared + 1},
    {"sums", &sums, 32, 0},           {"race", &race, 32, kWords},        {"divergence", &divergence, 32, 0},
    {"places", &places, 32, 0},       {"masks", &masks, 32, 0},           {"absence", &absence, 32, 0},
    {"lane_gone", &lane_gone, 64, 0}, {"warp_gone", &warp_gone, 64, 0},   {"barriers", &barriers, 64, 0},
};

}  // namespace

std::vector<int64_t> run_planted(const std::string& name) {
  for (const Planted& planted : kPlanted) {
    if (name != planted.name) continue;
    std::vector<int64_t> out(32, -1);
    CUDA_CHECK(launch(planted.kernel, 1, planted.threads, planted.shared_bytes, nullptr, out.data()));
    return out;
  }
  throw std::invalid_argument("name: got '" + name + "'");
}

int current_device() {
  int device = 0;
  CUDA_CHECK(cudaGetDevice(&device));
  return device;
}

void use_device(int device) {
  CUDA_CHECK(cudaSetDevice(device));
}

}  // namespace mesa
