// The jobs over tours, compiled for the CPU and each of its instruction sets.
#include "../tsp/jobs.h"
#include "hand_out.h"
#include "instruction_sets.h"
#include "job_backend.h"

namespace mesa {
namespace {

#define MESA_TOUR_RANGE(Job, suffix, target)                                               \
  target void range##suffix(const Job& job, int64_t begin, int64_t end, Scratch scratch) { \
    for (int64_t i = begin; i < end; ++i) job.one(OneLane{}, i, scratch);                  \
  }
#if MESA_X86 && \
    !defined(MESA_PLAIN)  // with sanitizers gcc takes a minute for each set of the whole solver in one piece
#define MESA_TOUR_SETS 1
#define MESA_TOUR_BASELINE(Job) MESA_TOUR_RANGE(Job, _baseline, MESA_BASELINE)
#else
#define MESA_TOUR_SETS 0
#define MESA_TOUR_BASELINE(Job) MESA_TOUR_RANGE(Job, _baseline, )
#endif
MESA_TOUR_JOBS(MESA_TOUR_BASELINE)
#if MESA_TOUR_SETS
#define MESA_TOUR_AVX2(Job) MESA_TOUR_RANGE(Job, _avx2, MESA_AVX2)
#define MESA_TOUR_AVX512(Job) MESA_TOUR_RANGE(Job, _avx512, MESA_AVX512)
MESA_TOUR_JOBS(MESA_TOUR_AVX2)
MESA_TOUR_JOBS(MESA_TOUR_AVX512)
#endif

template <class Job>
using Range = void (*)(const Job&, int64_t, int64_t, Scratch);

template <class Job>
Range<Job> range_for(InstructionSet set) {
#if MESA_TOUR_SETS
  if (set == kAvx512) return range_avx512;
  if (set == kAvx2) return range_avx2;
#endif
  (void)set;
  return range_baseline;
}

}  // namespace

template <class Job>
void run_on_cpu(const Job& job, int64_t count, int32_t num_threads) {
  const Range<Job> range = range_for<Job>(set_for_solvers());
  hand_out(count, num_threads, job.most_at_once(), job.scratch_bytes(1),
           [&](int64_t begin, int64_t end, Scratch scratch) { range(job, begin, end, scratch); });
}

#define MESA_RUN(Job) template void run_on_cpu<Job>(const Job&, int64_t, int32_t);
MESA_TOUR_JOBS(MESA_RUN)

}  // namespace mesa
