#include "thread_pool.h"

#include <unistd.h>

#include <chrono>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mesa {
namespace {

// Spinning beyond this costs others more than a wake-up (some 5 to 50 us) costs us.
constexpr auto kSpin = std::chrono::microseconds(50);

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// True once ready() holds; false if it has not within kSpin.
template <class Ready>
bool spin_until(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_briefly();
    }
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  try {
    for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (...) {  // the system gives no more threads: those begun are ended before the caller hears of it
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::call(int index) {
  try {
    (*part_)(index);
  } catch (...) {
    std::lock_guard<std::mutex> lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::work(int index) {
  uint64_t done = 0;
  for (;;) {
    const auto ready = [&] { return job_.load(std::memory_order_acquire) != done || stop_.load(); };
    if (!spin_until(ready)) {
      std::unique_lock<std::mutex> lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, ready);
      --sleeping_;
    }
    if (stop_) return;
    done = job_.load(std::memory_order_acquire);
    call(index);
    running_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void ThreadPool::run(const std::function<void(int)>& part) {
  part_ = &part;
  error_ = nullptr;
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  {
    // Under the lock, so that a worker about to sleep either sees the job or is counted as sleeping.
    std::lock_guard<std::mutex> lock(mutex_);
    job_.fetch_add(1, std::memory_order_release);
  }
  if (sleeping_.load() > 0) wake_.notify_all();
  call(0);
  const auto finished = [&] { return running_.load(std::memory_order_acquire) == 0; };
  while (!spin_until(finished)) std::this_thread::yield();
  if (error_) std::rethrow_exception(error_);
}

void Team::let_go_after_fork() {
  if (pool_ && owner_ != getpid()) (void)pool_.release();
}

void Team::run(const std::function<void(int)>& part) {
  let_go_after_fork();
  if (!pool_) {
    pool_ = std::make_unique<ThreadPool>(num_threads_);
    owner_ = getpid();
  }
  pool_->run(part);
}

}  // namespace mesa
