// The jobs over mazes, compiled for the CPU.
#include "../maze/jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_MAZE_JOBS(MESA_RUN)

}  // namespace mesa
