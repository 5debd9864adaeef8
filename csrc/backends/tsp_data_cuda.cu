// The jobs that draw tour problems, compiled for the GPU.
#include "../tsp/data_jobs.h"
#include "cuda_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_TOUR_DATA_JOBS_OF_CUDA(MESA_RUN)

}  // namespace mesa
