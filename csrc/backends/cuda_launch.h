// Every CUDA call goes through CUDA_CHECK, every launch through launch().
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
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

// Memory of the host that kernels can reach, for as long as this lives.
class HostMemory {
 public:
  HostMemory() = default;
  explicit HostMemory(int64_t bytes) {
    CUDA_CHECK(cudaHostAlloc(&at_, static_cast<size_t>(bytes), cudaHostAllocPortable | cudaHostAllocMapped));
  }
  HostMemory(HostMemory&& other) noexcept : at_(other.at_) { other.at_ = nullptr; }
  HostMemory& operator=(HostMemory&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~HostMemory() { (void)cudaFreeHost(at_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  void* at_ = nullptr;
};

// Whether what is launched on a stream is recorded, not run: then nothing may be waited for.
inline bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CUDA_CHECK(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

// Blocks of a kernel that the current device runs at once.
template <class Kernel>
int64_t resident_blocks(Kernel kernel, int threads_per_block) {
  int device = 0, multiprocessors = 0, each = 0;
  CUDA_CHECK(cudaGetDevice(&device));
  CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads_per_block, 0));
  return std::max<int64_t>(1, int64_t{each} * multiprocessors);
}

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

// A kernel's parameters, each taken for as long as its padding may make it, have 4 KiB on every driver.
template <class... Parameters>
constexpr bool parameters_fit = (size_t{0} + ... + ((sizeof(Parameters) + 15) / 16 * 16)) <= 4096;

template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), unsigned blocks, int threads_per_block, int64_t shared_bytes,
                   cudaStream_t stream, const std::common_type_t<Parameters>&... arguments) {
  static_assert(parameters_fit<Parameters...>, "a kernel's parameters have 4096 bytes");
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(static_cast<unsigned>(threads_per_block));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace mesa
