// Every CUDA call and launch goes through CUDA_CHECK.
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace mesa {

inline void cuda_check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}
#define CUDA_CHECK(call) cuda_check((call), #call)

}  // namespace mesa
