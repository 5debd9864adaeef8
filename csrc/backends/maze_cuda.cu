// The jobs over mazes, compiled for the GPU.
#include "../maze/jobs.h"
#include "cuda_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_MAZE_JOBS(MESA_RUN)

}  // namespace mesa
