// The jobs over sequences, compiled for the GPU.
#include "../sequence/jobs.h"
#include "cuda_jobs.h"

namespace mesa {

#define MESA_RUN(Job) template void run_on_cuda<sequence::Job>(const sequence::Job&, int64_t, int32_t, void*);
MESA_SEQUENCE_JOBS(MESA_RUN)

}  // namespace mesa
