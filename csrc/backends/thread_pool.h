// A fixed team of threads that runs one function over equal parts of a range, the caller's thread among them. Between
// jobs the others spin for some microseconds (a step of a batch is tens of them) and then sleep.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mesa {

class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Calls part(k) for k = 0 … num_threads()-1, each on its own thread, and waits; the first exception is rethrown.
  void run(const std::function<void(int)>& part);

 private:
  void stop();
  void work(int index);
  void call(int index);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> job_{0};  // counts jobs; a worker runs when it sees a number it has not run
  std::atomic<int> running_{0};   // workers not yet finished with the job
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(int)>* part_ = nullptr;
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

// A pool begun at its first use, and begun again in the child of a fork, where the parent's threads do not exist: the
// child lets go of them, for to join them would wait for ever.
class Team {
 public:
  explicit Team(int num_threads) : num_threads_(num_threads) {}
  ~Team() { let_go_after_fork(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int num_threads() const { return num_threads_; }
  void run(const std::function<void(int)>& part);

 private:
  void let_go_after_fork();

  int num_threads_;
  std::unique_ptr<ThreadPool> pool_;
  int owner_ = 0;
};

}  // namespace mesa
