// Every CUDA call goes through CUDA_CHECK, every launch through launch().
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace mesa {

inline void cuda_check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}
#define CUDA_CHECK(call) cuda_check((call), #call)

// Blocks that cover `threads`; grids are loops, so that more than a launch may have are done all the same.
inline unsigned blocks_for(int64_t threads, int threads_per_block) {
  const int64_t blocks = (threads + threads_per_block - 1) / threads_per_block, most = (int64_t{1} << 31) - 1;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), unsigned blocks, int threads_per_block, int64_t shared_bytes,
                   cudaStream_t stream, const std::common_type_t<Parameters>&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(static_cast<unsigned>(threads_per_block));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace mesa
