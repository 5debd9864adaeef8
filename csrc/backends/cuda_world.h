// The GPU's loops over one world's slots: one kernel a verb, a slot a thread, on the caller's stream. Nothing is
// allocated or waited for after construction, so a step can be captured in a CUDA graph. No rules here. The build makes
// a file of each world in worlds/all.h (cuda_world.cu.in).
#pragma once
#include <cuda_runtime.h>

#include "bound.h"
#include "cuda_launch.h"
#include "cuda_worlds.h"

namespace mesa {

// Written by kernels, read by the host without waiting: it lives in host memory that both can reach.
struct SharedFault {
  int32_t fault;
  int32_t action;
  int64_t slot;
};

constexpr int kThreadsPerBlock = 128;

template <class W>
__global__ void __launch_bounds__(kThreadsPerBlock) step_kernel(Batch<W> batch, SharedFault* shared) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t slot = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; slot < batch.num_slots; slot += stride) {
    const Fault fault = step_slot(batch, batch, slot);
    if (fault == Fault::kNone) continue;
    if (atomicCAS_system(&shared->fault, 0, static_cast<int32_t>(fault)) == 0) {
      shared->action = batch.memory.action[slot];
      shared->slot = slot;
      __threadfence_system();
    }
  }
}

template <class W>
__global__ void __launch_bounds__(kThreadsPerBlock) reset_kernel(Batch<W> batch, ResetRequest request) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t slot = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; slot < batch.num_slots; slot += stride) {
    reset_if_asked(batch, request, slot);
  }
}

template <class W>
class CudaBackend final : public Bound<W> {
 public:
  CudaBackend(const Options& options, const Settings& settings, int device)
      : Bound<W>(options, settings), device_(device) {
    CUDA_CHECK(cudaSetDevice(device_));
    CUDA_CHECK(cudaHostAlloc(reinterpret_cast<void**>(&shared_), sizeof *shared_,
                             cudaHostAllocPortable | cudaHostAllocMapped));
    *shared_ = SharedFault{};
    grid_ = blocks_for(settings.num_envs, kThreadsPerBlock);
  }
  ~CudaBackend() override { (void)cudaFreeHost(shared_); }  // fails only if the context is gone, and the memory with it

  void reset(const ResetRequest& request, void* stream) override {
    CUDA_CHECK(cudaSetDevice(device_));
    *shared_ = SharedFault{};
    CUDA_CHECK(launch(&reset_kernel<W>, grid_, kThreadsPerBlock, 0, static_cast<cudaStream_t>(stream), this->batch_,
                      request));
  }

  FaultReport step(void* stream) override {
    CUDA_CHECK(cudaSetDevice(device_));
    CUDA_CHECK(launch(&step_kernel<W>, grid_, kThreadsPerBlock, 0, static_cast<cudaStream_t>(stream), this->batch_,
                      shared_));
    const volatile SharedFault* seen = shared_;
    if (seen->fault == 0) return {};
    CUDA_CHECK(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
    const FaultReport report{static_cast<Fault>(seen->fault), seen->slot, seen->action};
    *shared_ = SharedFault{};
    return report;
  }

 private:
  int device_;
  unsigned grid_ = 1;
  SharedFault* shared_ = nullptr;
};

template <class W>
std::unique_ptr<Backend> make_cuda_world(const Options& options, const Settings& settings, int device) {
  return std::make_unique<CudaBackend<W>>(options, settings, device);
}

#define MESA_CUDA_WORLD(World) const CudaWorld cuda_##World{World::kId, &make_cuda_world<World>};

}  // namespace mesa
