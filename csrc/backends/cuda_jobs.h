// The GPU's loop over instances of a family of jobs, which a file of its own compiles: an instance a thread, on the
// caller's stream, each thread with scratch of its own in global memory. No rules here.
#pragma once
#include <algorithm>

#include "cuda_launch.h"
#include "job_backend.h"

namespace mesa {
namespace {

constexpr int kThreadsPerBlock = 64;
constexpr int64_t kMostScratch = int64_t{2} << 30;  // bytes

template <class Job>
__global__ void __launch_bounds__(kThreadsPerBlock)
    job_kernel(const __grid_constant__ Job job, int64_t count, uint8_t* scratch, int64_t bytes) {
  const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t threads = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = thread; i < count; i += threads) job.template run<1>(i, i + 1, Scratch{scratch + thread * bytes});
}

}  // namespace

template <class Job>
void run_on_cuda(const Job& job, int64_t count, int32_t device, void* stream) {
  const OnDevice here(device);
  const auto on = static_cast<cudaStream_t>(stream);
  const int64_t bytes = std::max<int64_t>(16, (job.scratch_bytes(1) + 15) / 16 * 16);  // a job may need none
  const int64_t resident = resident_blocks(&job_kernel<Job>, kThreadsPerBlock) * kThreadsPerBlock;
  const int64_t threads = std::min({count, resident, std::max<int64_t>(kThreadsPerBlock, kMostScratch / bytes)});
  const int64_t blocks = (threads + kThreadsPerBlock - 1) / kThreadsPerBlock;
  void* scratch = nullptr;
  CUDA_CHECK(cudaMallocAsync(&scratch, static_cast<size_t>(blocks * kThreadsPerBlock * bytes), on));
  const cudaError_t launched = launch(&job_kernel<Job>, static_cast<unsigned>(blocks), kThreadsPerBlock, 0, on, job,
                                      count, static_cast<uint8_t*>(scratch), bytes);
  CUDA_CHECK(cudaFreeAsync(scratch, on));
  CUDA_CHECK(launched);
}

}  // namespace mesa
