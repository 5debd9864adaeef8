// The GPU's loop over tour problems: a warp a problem, handed out by a counter so that a hard one holds nobody up, each
// warp with scratch of its own in global memory. No rules here.
#include <algorithm>

#include "../tsp/jobs.h"
#include "cuda_launch.h"
#include "job_backend.h"

namespace mesa {
namespace {

constexpr int kWarpsPerBlock = 4;
constexpr int64_t kMostScratch = int64_t{4} << 30;  // bytes

template <class Job>
__global__ void __launch_bounds__(32 * kWarpsPerBlock)
    job_kernel(const __grid_constant__ Job job, int64_t count, uint8_t* scratch, int64_t bytes,
               unsigned long long* next) {
  const WarpLanes lanes;
  const int64_t warp = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  for (;;) {
    const int64_t i = lanes.once([&] { return static_cast<int64_t>(atomicAdd(next, 1ull)); });
    if (i >= count) return;
    job.one(lanes, i, Scratch{scratch + warp * bytes});
  }
}

}  // namespace

template <class Job>
void run_on_cuda(const Job& job, int64_t count, int32_t device, void* stream) {
  const OnDevice here(device);
  const auto on = static_cast<cudaStream_t>(stream);
  const int64_t bytes = std::max<int64_t>(16, (job.scratch_bytes(1) + 15) / 16 * 16);
  const int64_t resident = resident_blocks(&job_kernel<Job>, 32 * kWarpsPerBlock) * kWarpsPerBlock;
  const int64_t warps = std::min({count, resident, std::max<int64_t>(kWarpsPerBlock, kMostScratch / bytes)});
  const int64_t blocks = (warps + kWarpsPerBlock - 1) / kWarpsPerBlock;
  void* memory = nullptr;  // the counter, then the scratch
  CUDA_CHECK(cudaMallocAsync(&memory, static_cast<size_t>(16 + blocks * kWarpsPerBlock * bytes), on));
  cudaError_t launched = cudaMemsetAsync(memory, 0, 16, on);
  if (launched == cudaSuccess) {
    launched = launch(&job_kernel<Job>, static_cast<unsigned>(blocks), 32 * kWarpsPerBlock, 0, on, job, count,
                      static_cast<uint8_t*>(memory) + 16, bytes, static_cast<unsigned long long*>(memory));
  }
  CUDA_CHECK(cudaFreeAsync(memory, on));
  CUDA_CHECK(launched);
}

#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_TOUR_JOBS(MESA_RUN)

}  // namespace mesa
