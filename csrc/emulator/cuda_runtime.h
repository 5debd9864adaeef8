// CUDA's runtime as far as this project uses it, on the CPU: with this folder in front of the include path a C++
// compiler compiles the .cu files as they are, and a launch runs every thread of every block. So kernels, their indices
// and what lanes tell each other are tested where there is no GPU. For tests: it is as slow as it is exact
// (emulator.cpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __grid_constant__

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidDevice = 101,
  cudaErrorLaunchFailure = 719
};
using cudaStream_t = struct mesa_emulated_stream*;

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace mesa {
namespace emulator {

// What lanes of a warp, or threads of a block, wait for together.
enum class Meeting : int32_t { kNone, kBlock, kWarp, kShuffle };

// A line of the source.
struct Site {
  const char* file = "";
  int line = 0;
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};
// What a thread waits for and where. Those that meet must all be at the same: on a GPU, lanes that shuffle at different
// places do not exchange anything, whatever each of them does there.
struct Wait {
  Meeting meeting = Meeting::kNone;
  const char* call = "";
  int operand = 0;  // what all must give alike, as the mask of a xor
  Site at;
};

struct Thread {
  dim3 thread_idx, block_idx, block_dim, grid_dim;
  uint8_t* shared;
};
Thread& current();
// Hands this lane's word to the others of its warp and returns that of `lane`. Lanes wait until all are here.
uint64_t exchange(uint64_t word, unsigned lane, const Wait& wait);
void meet(const Wait& wait);
cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);
const char* last_error();

template <class T>
T shuffle(T value, unsigned lane, const char* call, int operand, Site at) {
  static_assert(sizeof(T) <= 8);
  uint64_t word = 0;
  memcpy(&word, &value, sizeof value);
  word = exchange(word, lane, {Meeting::kShuffle, call, operand, at});
  memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace emulator
}  // namespace mesa

// threadIdx.x and the like: whatever the thread now running is.
template <dim3 mesa::emulator::Thread::* kWhich>
struct EmulatedIndex {
  struct {
    operator unsigned() const { return (mesa::emulator::current().*kWhich).x; }
  } x;
};
inline constexpr EmulatedIndex<&mesa::emulator::Thread::thread_idx> threadIdx{};
inline constexpr EmulatedIndex<&mesa::emulator::Thread::block_idx> blockIdx{};
inline constexpr EmulatedIndex<&mesa::emulator::Thread::block_dim> blockDim{};
inline constexpr EmulatedIndex<&mesa::emulator::Thread::grid_dim> gridDim{};

inline void __syncthreads(mesa::emulator::Site at = mesa::emulator::Site::here()) {
  mesa::emulator::meet({mesa::emulator::Meeting::kBlock, "__syncthreads", 0, at});
}
inline void __syncwarp(unsigned, mesa::emulator::Site at = mesa::emulator::Site::here()) {
  mesa::emulator::meet({mesa::emulator::Meeting::kWarp, "__syncwarp", 0, at});
}
inline void __threadfence_system() {}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask, mesa::emulator::Site at = mesa::emulator::Site::here()) {
  const unsigned from = (threadIdx.x & 31u) ^ static_cast<unsigned>(mask);
  return mesa::emulator::shuffle(value, from, "__shfl_xor_sync", mask, at);
}
template <class T>
T __shfl_sync(unsigned, T value, int lane, mesa::emulator::Site at = mesa::emulator::Site::here()) {
  return mesa::emulator::shuffle(value, static_cast<unsigned>(lane), "__shfl_sync", 0, at);
}

inline int __any_sync(unsigned, int predicate, mesa::emulator::Site at = mesa::emulator::Site::here()) {
  for (unsigned step = 16; step > 0; step /= 2)
    predicate |=
        mesa::emulator::shuffle(predicate, (threadIdx.x & 31u) ^ step, "__any_sync", static_cast<int>(step), at);
  return predicate;
}

// Launches of several host threads may share memory, as on a GPU.
template <class T>
T atomicAdd(T* at, T add) {
  return __atomic_fetch_add(at, add, __ATOMIC_SEQ_CST);
}
inline int atomicCAS(int* at, int expected, int desired) {
  __atomic_compare_exchange_n(at, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... given) {
  const std::tuple<Parameters...> kept(std::forward<Arguments>(given)...);
  return mesa::emulator::launch(config->gridDim, config->blockDim, config->dynamicSmemBytes,
                                [&] { std::apply(kernel, kept); });  // each thread has copies of its own
}

constexpr unsigned cudaHostAllocPortable = 1, cudaHostAllocMapped = 2;
struct cudaDeviceProp {
  char name[256];
};

// Memory starts as bytes that are not zero, as on a GPU it may.
inline cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = malloc(bytes > 0 ? bytes : 1);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  memset(*memory, 0xA5, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  free(memory);
  return cudaSuccess;
}
inline cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return cudaMalloc(memory, bytes);
}
inline cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  return cudaFree(memory);
}
inline cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return cudaMalloc(memory, bytes);
}
inline cudaError_t cudaFreeHost(void* memory) {
  return cudaFree(memory);
}
inline cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
  memset(memory, value, bytes);
  return cudaSuccess;
}
// Devices are alike but for their number; each host thread begins at the first.
constexpr int kEmulatedDevices = 2;
inline thread_local int emulated_device = 0;
inline cudaError_t cudaGetDevice(int* device) {
  *device = emulated_device;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kEmulatedDevices) return cudaErrorInvalidDevice;
  emulated_device = device;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = kEmulatedDevices;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  strcpy(properties->name, "emulated on the CPU");
  return cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure      ? mesa::emulator::last_error()
         : error == cudaErrorInvalidValue     ? "invalid argument"
         : error == cudaErrorInvalidDevice    ? "invalid device ordinal"
         : error == cudaErrorMemoryAllocation ? "out of memory"
                                              : "no error";
}

enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
inline cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 2;
  return cudaSuccess;
}
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, size_t) {
  *blocks = 2;
  return cudaSuccess;
}
inline cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}
