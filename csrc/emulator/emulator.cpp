// Runs the threads of a launch, each a fibre of the calling thread: block after block, and in a block one thread after
// another up to where it waits for others. Everything happens in one order, so a run repeats itself; the variable
// MESASIM_EMULATED_ORDER (ascending, descending) turns that order round, and what comes out must not change: code that
// reads what another lane wrote without waiting for it does change. Lanes that wait for different things or at
// different places, and threads that wait for one that is gone, fail the launch with a message.
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
constexpr size_t kMostSharedBytes = size_t{48} << 10;  // what a kernel has without asking for more (CUDA C++ guide)

struct Fibre : Thread {
  jmp_buf here;
  Wait waits_for;
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
      fibres_[t].waits_for = Wait{};
    }
    const unsigned warps = (count + kWarp - 1) / kWarp;
    for (;;) {
      for (unsigned w = 0; w < warps; ++w) {
        const unsigned warp = descending ? warps - 1 - w : w;
        if (!run_warp(warp * kWarp, std::min(count, (warp + 1) * kWarp), descending)) return false;
      }
      // Whoever has not ended is at the block's barrier now.
      const auto waits = std::find_if(fibres_.begin(), fibres_.end(), [](const Fibre& f) { return !f.ended; });
      if (waits == fibres_.end()) return true;
      for (Fibre& fibre : fibres_) {
        if (fibre.ended) return fail("a thread waits at the block's barrier for one that has ended", *waits, fibre);
        if (!same(fibre.waits_for, waits->waits_for))
          return fail("threads of a block wait at different barriers", *waits, fibre);
      }
      for (Fibre& fibre : fibres_) fibre.waits_for = Wait{};
    }
  }
  Fibre& current() { return *current_; }
  void wait(const Wait& wait) {
    current_->waits_for = wait;
    if (_setjmp(current_->here) == 0) _longjmp(scheduler_, 1);
  }

 private:
  // Until every lane of the warp has ended or waits for the block.
  bool run_warp(unsigned begin, unsigned end, bool descending) {
    for (;;) {
      for (unsigned k = begin; k < end; ++k) {
        Fibre& fibre = fibres_[descending ? end - 1 - (k - begin) : k];
        if (!fibre.ended && fibre.waits_for.meeting == Meeting::kNone) resume(fibre);
      }
      const Fibre *waits = nullptr, *gone = nullptr;
      for (unsigned t = begin; t < end; ++t) {
        const Fibre& fibre = fibres_[t];
        if (fibre.ended) {
          gone = &fibre;
        } else if (waits == nullptr) {
          waits = &fibre;
        } else if (!same(fibre.waits_for, waits->waits_for)) {
          return fail("lanes of a warp wait for different things", *waits, fibre);
        }
      }
      if (waits == nullptr || waits->waits_for.meeting == Meeting::kBlock) return true;
      if (gone != nullptr) return fail("a lane waits for one that has ended", *waits, *gone);
      for (unsigned t = begin; t < end && waits->waits_for.meeting == Meeting::kShuffle; ++t) {
        if (begin + fibres_[t].from >= end) return fail("a lane reads from one that is not there", fibres_[t], *waits);
        fibres_[t].received = fibres_[begin + fibres_[t].from].word;
      }
      for (unsigned t = begin; t < end; ++t) fibres_[t].waits_for = Wait{};
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
  static bool same(const Wait& a, const Wait& b) {
    return a.meeting == b.meeting && a.operand == b.operand && a.at.line == b.at.line && !strcmp(a.call, b.call) &&
           !strcmp(a.at.file, b.at.file);
  }
  bool fail(const char* what, const Fibre& one, const Fibre& other);  // false

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

bool Block::fail(const char* what, const Fibre& one, const Fibre& other) {
  const auto told = [](const Fibre& fibre) {
    const Wait& wait = fibre.waits_for;
    const std::string name = wait.at.file, thread = "thread " + std::to_string(fibre.thread_idx.x);
    if (fibre.ended) return thread + " has ended";
    return thread + " at " + wait.call + ", " + name.substr(name.rfind('/') + 1) + ":" + std::to_string(wait.at.line);
  };
  error =
      std::string(what) + " (block " + std::to_string(one.block_idx.x) + ": " + told(one) + "; " + told(other) + ")";
  return false;
}

}  // namespace

Thread& current() {
  return running->current();
}

void meet(const Wait& wait) {
  running->wait(wait);
}

uint64_t exchange(uint64_t word, unsigned lane, const Wait& wait) {
  Fibre& fibre = running->current();
  fibre.word = word;
  fibre.from = lane;
  running->wait(wait);
  return fibre.received;
}

const char* last_error() {
  return error.c_str();
}

cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  if (grid.x == 0 || block.x == 0 || block.x > 1024 || shared_bytes > kMostSharedBytes) return cudaErrorInvalidValue;
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
