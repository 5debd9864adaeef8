// Every CUDA call goes through CUDA_CHECK, every launch through launch().
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace mesa {

inline void cuda_check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}
#define CUDA_CHECK(call) cuda_check((call), #call)

// The thread's current device for as long as this lives; what it was, afterwards.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    CUDA_CHECK(cudaGetDevice(&before_));
    if (before_ != device) CUDA_CHECK(cudaSetDevice(device));
    changed_ = before_ != device;
  }
  ~OnDevice() {
    if (changed_) (void)cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

// Memory of the current device, for as long as this lives.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(int64_t bytes) {
    if (bytes > 0) CUDA_CHECK(cudaMalloc(&at_, static_cast<size_t>(bytes)));
  }
  DeviceMemory(DeviceMemory&& other) noexcept : at_(other.at_) { other.at_ = nullptr; }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~DeviceMemory() { (void)cudaFree(at_); }  // fails only if the context is gone, and the memory with it
  template <class T>
  T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  void* at_ = nullptr;
};

// A block's own memory, of the size it was launched with.
#if defined(__CUDACC__)
__device__ inline uint8_t* shared_memory() {
  extern __shared__ uint4 mesa_shared[];
  return reinterpret_cast<uint8_t*>(mesa_shared);
}
#else
inline uint8_t* shared_memory() {
  return emulator::current().shared;
}
#endif

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
