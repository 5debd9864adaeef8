// The jobs that draw regressions, compiled for the CPU.
#include "../regression/jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_REGRESSION_JOBS(MESA_RUN)

}  // namespace mesa
