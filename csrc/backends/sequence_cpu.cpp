// The jobs over sequences, compiled for the CPU.
#include "../sequence/jobs.h"
#include "cpu_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cpu<sequence::Job>(const sequence::Job&, int64_t, int32_t);
MESA_SEQUENCE_JOBS(MESA_RUN)

}  // namespace mesa
