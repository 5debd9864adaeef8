// The jobs that make tours quickly, compiled for the CPU.
#include "../tsp/heuristic_jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_HEURISTIC_JOBS(MESA_RUN)

}  // namespace mesa
