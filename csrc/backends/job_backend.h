// Runs a job over a batch of instances (mazes, problems) on some machine. Memory is the caller's, on that machine. A
// job says what it works in (scratch_bytes(lanes)), how many instances are handed out at a time at most (kMostAtOnce)
// and does instances begin … end-1 in run<kLanes>(begin, end, scratch).
#pragma once
#include <algorithm>
#include <cstdint>

#include "../core/portable.h"

namespace mesa {

struct Machine {
  int32_t num_threads = 1;  // of the CPU
  int32_t cuda_device = -1;
  void* stream = nullptr;  // of CUDA; launches do not wait

  bool is_cpu() const { return cuda_device < 0 && !kEmulatedCuda; }
};

template <class Job>
void run_on_cpu(const Job& job, int64_t count, int32_t num_threads);
template <class Job>
void run_on_cuda(const Job& job, int64_t count, int32_t device, void* stream);

template <class Job>
void run_job(const Job& job, int64_t count, const Machine& machine) {
  if (count == 0) return;
  if (machine.is_cpu()) {
    run_on_cpu(job, count, machine.num_threads);
  } else {
    run_on_cuda(job, count, std::max(machine.cuda_device, 0), machine.stream);
  }
}

}  // namespace mesa
