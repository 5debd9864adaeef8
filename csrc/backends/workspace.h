// Memory to work in during a call, kept by its thread for the next one: pages new from the system cost more than the
// loops that would fill them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace mesa {

class Workspace {
 public:
  explicit Workspace(int64_t bytes) {
    const int64_t words = (bytes + 7) / 8;
    std::vector<Block>& free = kept();
    const auto fits = std::find_if(free.begin(), free.end(), [&](const Block& block) { return block.words >= words; });
    if (fits != free.end()) {
      block_ = std::move(*fits);
      free.erase(fits);
    } else {
      block_ = {std::unique_ptr<uint64_t[]>(new uint64_t[static_cast<size_t>(words)]), words};
    }
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  // Kept before all others; those that then are too many are let go.
  ~Workspace() {
    std::vector<Block>& free = kept();
    free.insert(free.begin(), std::move(block_));
    int64_t words = 0;
    size_t stay = 0;
    while (stay < free.size() && (words += free[stay].words) <= kMostKept) ++stay;
    free.resize(std::min(stay, kMostBlocks));
  }

  // Of no particular content.
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(block_.memory.get());
  }

 private:
  struct Block {
    std::unique_ptr<uint64_t[]> memory;
    int64_t words = 0;
  };
  static constexpr int64_t kMostKept = 1 << 20;  // words: 8 MiB a thread
#if defined(MESA_PLAIN)
  static constexpr size_t kMostBlocks = 0;  // a sanitizer sees the end of what was asked for
#else
  static constexpr size_t kMostBlocks = 4;
#endif

  static std::vector<Block>& kept() {
    thread_local std::vector<Block> blocks = [] {
      std::vector<Block> none;
      none.reserve(kMostBlocks + 1);  // so that giving back cannot fail
      return none;
    }();
    return blocks;
  }

  Block block_;
};

}  // namespace mesa
