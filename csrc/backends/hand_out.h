// Instances handed out to a team of threads as they ask for them, each thread with memory of its own to work in.
#pragma once
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "../core/scratch.h"
#include "thread_pool.h"
#include "workspace.h"

namespace mesa {

// The team of the last call, kept for the next. One that is in use, or of another size, is not waited for.
class KeptTeam {
 public:
  void run(int num_threads, const std::function<void(int)>& part) {
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) {
      Team(num_threads).run(part);
      return;
    }
    if (!team_ || team_->num_threads() != num_threads) team_ = std::make_unique<Team>(num_threads);
    team_->run(part);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Team> team_;
};
inline KeptTeam& kept_team() {
  static KeptTeam* team = new KeptTeam;  // never destroyed: its threads may outlive the statics they would be joined by
  return *team;
}

// Calls body(begin, end, scratch) for ranges of at most `most` of `count` instances.
template <class Body>
void hand_out(int64_t count, int32_t num_threads, int64_t most, int64_t scratch_bytes, const Body& body) {
  if (count <= 0) return;
  const int64_t threads = std::min<int64_t>(num_threads, count);
  const int64_t fair = (count + 8 * threads - 1) / (8 * threads);
  const int64_t at_once = threads == 1 ? most : std::max<int64_t>(1, std::min(most, fair));
  std::atomic<int64_t> next{0};
  const auto part = [&](int) {
    Workspace memory(scratch_bytes);
    for (;;) {
      const int64_t begin = next.fetch_add(at_once, std::memory_order_relaxed);
      if (begin >= count) return;
      body(begin, std::min(count, begin + at_once), Scratch{memory.as<uint8_t>()});
    }
  };
  if (threads == 1) {
    part(0);
  } else {
    kept_team().run(static_cast<int>(threads), part);
  }
}

}  // namespace mesa
