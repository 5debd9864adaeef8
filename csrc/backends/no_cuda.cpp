// Compiled instead of cuda.cu where no CUDA compiler was found.
#include "../maze/jobs.h"
#include "../regression/jobs.h"
#include "../sequence/jobs.h"
#include "../tsp/data_jobs.h"
#include "../tsp/heuristic_jobs.h"
#include "../tsp/jobs.h"
#include "backend.h"
#include "job_backend.h"

namespace mesa {

CudaStatus cuda_status() {
  return {false, {}, "mesasim was built without CUDA (no nvcc was found, or MESASIM_CUDA=OFF)"};
}

std::unique_ptr<Backend> make_cuda(const std::string&, const Options&, const Settings&, int) {
  throw std::runtime_error(cuda_status().reason);
}

template <class Job>
void run_on_cuda(const Job&, int64_t, int32_t, void*) {
  throw std::runtime_error(cuda_status().reason);
}
#define MESA_RUN(Job) template void run_on_cuda<Job>(const Job&, int64_t, int32_t, void*);
MESA_MAZE_JOBS(MESA_RUN)
MESA_TOUR_JOBS(MESA_RUN)
MESA_HEURISTIC_JOBS(MESA_RUN)
MESA_TOUR_DATA_JOBS_OF_CUDA(MESA_RUN)
template void run_on_cuda<sequence::GenerateSequences>(const sequence::GenerateSequences&, int64_t, int32_t, void*);
MESA_REGRESSION_JOBS(MESA_RUN)

}  // namespace mesa
