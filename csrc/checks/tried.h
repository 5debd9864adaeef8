// What checks of jobs share: a hash of what was made, and which jobs were run, so that one that no check runs is seen.
#pragma once
#include <atomic>
#include <vector>

#include "../backends/job_backend.h"
#include "input.h"

namespace mesa {

inline uint64_t hash_of(const void* bytes, size_t count) {
  uint64_t h = 14695981039346656037u;  // FNV-1a
  for (size_t k = 0; k < count; ++k) h = (h ^ static_cast<const uint8_t*>(bytes)[k]) * 1099511628211u;
  return h;
}
template <class T>
uint64_t hash_of(const std::vector<T>& made) {
  return hash_of(made.data(), made.size() * sizeof(T));
}

template <class Job>
std::atomic<bool>& tried() {
  static std::atomic<bool> was{false};
  return was;
}
template <class Job>
void try_on_cpu(const Job& job, int64_t count, int threads) {
  tried<Job>() = true;
  run_on_cpu(job, count, threads);
}
// For the lists of jobs in */jobs.h.
#define MESA_REQUIRE_TRIED(Job) require(tried<Job>(), "a check runs every job: " #Job);

// An array of zeros of its own, so that a sanitizer sees the first element beyond it.
template <class T>
std::vector<T> zeros(int64_t count) {
  return std::vector<T>(static_cast<size_t>(count));
}

}  // namespace mesa
