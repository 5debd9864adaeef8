// What the binding refuses whoever calls: sizes, counts and codes for which no memory could be right. Whether an
// address leads to memory of that size it cannot know; the Python doors, which allocate it, do.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace mesa {

inline void check_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  throw std::invalid_argument(std::string(name) + ": got " + std::to_string(value) +
                              ", allowed: " + std::to_string(low) + " to " + std::to_string(high));
}

constexpr int64_t kMostInstances = int64_t{1} << 40;  // of a call
inline void check_count(int64_t count) {
  check_range("count", count, 0, kMostInstances);
}
constexpr int64_t kMostThreads = 1024;
inline void check_threads(int64_t num_threads) {
  check_range("num_threads", num_threads, 1, kMostThreads);
}

}  // namespace mesa
