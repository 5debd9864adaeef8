// The jobs that data sets of tours are made with, compiled for the CPU.
#include "../tsp/data_jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_TOUR_DATA_JOBS(MESA_RUN)

}  // namespace mesa
