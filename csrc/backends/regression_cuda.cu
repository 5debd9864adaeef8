// The jobs that draw regressions, compiled for the GPU.
#include "../regression/jobs.h"
#include "cuda_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_REGRESSION_JOBS(MESA_RUN)

}  // namespace mesa
