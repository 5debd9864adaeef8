// The jobs over the curriculum's families of problems, compiled for the CPU.
#include "../curriculum/jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_CURRICULUM_JOBS(MESA_RUN)

}  // namespace mesa
