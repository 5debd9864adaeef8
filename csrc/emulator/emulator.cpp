// Runs the threads of a launch, each a fibre of the calling thread: block after block, and in a block one thread after
// another up to where it waits for others. Everything happens in one order, so a run repeats itself; the variable
// MESASIM_EMULATED_ORDER (ascending, descending) turns that order round, and what comes out must not change: code that
// reads what another lane wrote without waiting for it does change. Lanes that wait for different things, for a lane
// that is gone, or for ever, fail the launch with a message.
#include <ucontext.h>

#include <algorithm>
#include <csetjmp>
#include <memory>
#include <string>
#include <vector>

#include "cuda_runtime.h"

namespace mesa {
namespace emulator {
namespace {

constexpr unsigned kWarp = 32;
constexpr size_t kStackBytes = size_t{512} << 10;

struct Fibre : Thread {
  jmp_buf here;
  Meeting waits_for = Meeting::kNone;
  bool started = false, ended = false;
  uint64_t word = 0, received = 0;
  unsigned from = 0;
};

class Block {
 public:
  explicit Block(unsigned threads) : fibres_(threads), stacks_(new uint8_t[threads * kStackBytes]) {}

  // False: the launch failed (last_error).
  bool run(const Thread& place, const std::function<void()>& kernel, bool descending) {
    kernel_ = &kernel;
    const unsigned count = static_cast<unsigned>(fibres_.size());
    for (unsigned t = 0; t < count; ++t) {
      static_cast<Thread&>(fibres_[t]) = place;
      fibres_[t].thread_idx = dim3(t);
      fibres_[t].started = fibres_[t].ended = false;
      fibres_[t].waits_for = Meeting::kNone;
    }
    const unsigned warps = (count + kWarp - 1) / kWarp;
    for (;;) {
      for (unsigned w = 0; w < warps; ++w) {
        const unsigned warp = descending ? warps - 1 - w : w;
        if (!run_warp(warp * kWarp, std::min(count, (warp + 1) * kWarp), descending)) return false;
      }
      unsigned waiting = 0;
      for (const Fibre& fibre : fibres_) waiting += !fibre.ended;
      if (waiting == 0) return true;
      for (Fibre& fibre : fibres_) fibre.waits_for = Meeting::kNone;  // all that are left are at the block's barrier
    }
  }
  Fibre& current() { return *current_; }
  void wait(Meeting meeting) {
    current_->waits_for = meeting;
    if (_setjmp(current_->here) == 0) _longjmp(scheduler_, 1);
  }

 private:
  // Until every lane of the warp has ended or waits for the block.
  bool run_warp(unsigned begin, unsigned end, bool descending) {
    for (;;) {
      for (unsigned k = begin; k < end; ++k) {
        Fibre& fibre = fibres_[descending ? end - 1 - (k - begin) : k];
        if (!fibre.ended && fibre.waits_for == Meeting::kNone) resume(fibre);
      }
      Meeting meeting = Meeting::kNone;
      unsigned here = 0;
      for (unsigned t = begin; t < end; ++t) {
        if (fibres_[t].ended) continue;
        ++here;
        if (meeting != Meeting::kNone && fibres_[t].waits_for != meeting)
          return fail("lanes of a warp wait for different things", t);
        meeting = fibres_[t].waits_for;
      }
      if (here == 0 || meeting == Meeting::kBlock) return true;
      if (here != end - begin) return fail("a lane waits for one that has ended", begin);
      for (unsigned t = begin; t < end && meeting == Meeting::kShuffle; ++t) {
        if (begin + fibres_[t].from >= end) return fail("a lane reads from one that is not there", t);
        fibres_[t].received = fibres_[begin + fibres_[t].from].word;
      }
      for (unsigned t = begin; t < end; ++t) fibres_[t].waits_for = Meeting::kNone;
    }
  }
  void resume(Fibre& fibre) {
    current_ = &fibre;
    if (_setjmp(scheduler_) != 0) return;
    if (fibre.started) _longjmp(fibre.here, 1);
    fibre.started = true;
    ucontext_t context, unused;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks_.get() + static_cast<size_t>(&fibre - fibres_.data()) * kStackBytes;
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, &Block::enter, 0);
    swapcontext(&unused, &context);  // from here on by longjmp, which leaves the signal mask alone
  }
  static void enter();
  bool fail(const char* what, unsigned thread);

  std::vector<Fibre> fibres_;
  std::unique_ptr<uint8_t[]> stacks_;
  const std::function<void()>* kernel_ = nullptr;
  Fibre* current_ = nullptr;
  jmp_buf scheduler_;
};

thread_local Block* running = nullptr;
thread_local std::string error;

void Block::enter() {
  (*running->kernel_)();
  running->current_->ended = true;
  _longjmp(running->scheduler_, 1);
}

bool Block::fail(const char* what, unsigned thread) {
  error = std::string(what) + " (thread " + std::to_string(thread) + " of block " +
          std::to_string(fibres_[thread].block_idx.x) + ")";
  return false;
}

}  // namespace

Thread& current() {
  return running->current();
}

void meet(Meeting meeting) {
  running->wait(meeting);
}

uint64_t exchange(uint64_t word, unsigned lane) {
  Fibre& fibre = running->current();
  fibre.word = word;
  fibre.from = lane;
  running->wait(Meeting::kShuffle);
  return fibre.received;
}

const char* last_error() {
  return error.c_str();
}

cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  if (grid.x == 0 || block.x == 0 || block.x > 1024) return cudaErrorInvalidValue;
  const char* order = getenv("MESASIM_EMULATED_ORDER");
  const bool descending = order != nullptr && strcmp(order, "descending") == 0;
  Block fibres(block.x);
  const std::unique_ptr<uint64_t[]> shared(new uint64_t[shared_bytes / 8 + 1]);
  running = &fibres;
  bool whole = true;
  for (unsigned b = 0; b < grid.x && whole; ++b) {
    Thread place;
    place.block_idx = dim3(descending ? grid.x - 1 - b : b);
    place.block_dim = block;
    place.grid_dim = grid;
    place.shared = reinterpret_cast<uint8_t*>(shared.get());
    memset(place.shared, 0xA5, shared_bytes);
    whole = fibres.run(place, kernel, descending);
  }
  running = nullptr;
  return whole ? cudaSuccess : cudaErrorLaunchFailure;
}

}  // namespace emulator
}  // namespace mesa
