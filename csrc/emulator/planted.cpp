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
__global__ void absence(int64_t* out) {
  if (threadIdx.x == 7) return;
  out[threadIdx.x] = WarpLanes().sum(1);
}

}  // namespace

std::vector<int64_t> run_planted(const std::string& name) {
  const auto kernel = name == "sound"        ? &sound
                      : name == "race"       ? &race
                      : name == "divergence" ? &divergence
                      : name == "absence"    ? &absence
                                             : throw std::invalid_argument("name: got '" + name + "'");
  std::vector<int64_t> out(32, -1);
  CUDA_CHECK(launch(kernel, 1, 32, 32 * sizeof(int64_t), nullptr, out.data()));
  return out;
}

}  // namespace mesa
