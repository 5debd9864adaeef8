// The CPU's loop over instances of a family of jobs, which a file of its own compiles. No rules here.
#pragma once
#include "hand_out.h"
#include "job_backend.h"

namespace mesa {

constexpr int kLanesOfCpu = 4;  // instances in turn in one thread, where a job can (docs/log.md)

template <class Job>
void run_on_cpu(const Job& job, int64_t count, int32_t num_threads) {
  hand_out(count, num_threads, Job::kMostAtOnce, job.scratch_bytes(kLanesOfCpu),
           [&](int64_t begin, int64_t end, Scratch scratch) { job.template run<kLanesOfCpu>(begin, end, scratch); });
}

}  // namespace mesa
