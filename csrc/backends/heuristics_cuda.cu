// The jobs that make tours quickly, compiled for the GPU.
#include "../tsp/heuristic_jobs.h"
#include "cuda_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_HEURISTIC_JOBS(MESA_RUN)

}  // namespace mesa
