// Tours, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the GIL is released while a job
// runs, and a CPU job that may take long hears an interrupt or its time limit through a flag.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "../backends/job_backend.h"
#include "../tsp/jobs.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

using Addresses = std::vector<uintptr_t>;

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

TourProblems problems_at(uintptr_t points, uintptr_t given, int32_t n, int32_t metric) {
  check_range("n", n, 3, kMaxCities);
  check_range("metric", metric, 0, static_cast<int64_t>(Metric::kPseudo));
  return {pointer<const double>(points), pointer<const double>(given), n, static_cast<Metric>(metric)};
}

constexpr int64_t kQuickCount =
    4096;  // dynamic programmes of 12 cities at most: a tenth of a second, not worth a thread

// Runs a job that reads `stop` beside this thread, which waits, looks for interrupts and watches the clock. True: the
// time was up. An interrupt is raised once the job has ended.
template <class Job>
bool run_stoppable(Job& job, int64_t count, const Machine& machine, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  uint8_t stop = 0;
  job.stop = &stop;
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false, late = false, interrupted = false;
  std::exception_ptr error;
  std::thread worker([&] {
    try {
      run_job(job, count, machine);
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    done = true;
    ended.notify_one();
  });
  {
    std::unique_lock<std::mutex> lock(mutex);
    while (!ended.wait_for(lock, std::chrono::milliseconds(20), [&] { return done; })) {
      lock.unlock();
      late = late || std::chrono::duration<double>(Clock::now() - begun).count() > seconds;
      if (!interrupted) {
        const py::gil_scoped_acquire gil;
        interrupted = PyErr_CheckSignals() != 0;
      }
      if (late || interrupted) __atomic_store_n(&stop, uint8_t{1}, __ATOMIC_RELAXED);
      lock.lock();
    }
  }
  worker.join();
  if (interrupted) {
    const py::gil_scoped_acquire gil;
    throw py::error_already_set();
  }
  if (error) std::rethrow_exception(error);
  return late;
}

}  // namespace

void bind_tours(py::module_& m) {
  m.attr("MAX_CITIES") = kMaxCities;
  m.attr("MAX_CITIES_HELD_KARP") = kMostForHeldKarp;
  m.def(
      "solve_tours",
      [](uintptr_t points, uintptr_t given, int32_t n, int32_t metric, int32_t method, int64_t node_limit,
         double seconds, uint64_t seed, int64_t count, const Addresses& found, const Addresses& trace, int64_t events,
         const Machine& machine) {
        check_count(count);
        check_range("method", method, 0, static_cast<int64_t>(TourMethod::kBranchAndCut));
        if (method == static_cast<int32_t>(TourMethod::kHeldKarp)) check_range("n", n, 3, kMostForHeldKarp);
        check_range("events", events, 0, kMostInstances);
        SolveTours job{};
        if (!trace.empty()) job.trace = {pointer<TraceEvent>(trace.at(0)), events, pointer<int64_t>(trace.at(1))};
        job.problems = problems_at(points, given, n, metric);
        job.found = {pointer<int32_t>(found.at(0)), pointer<double>(found.at(1)),  pointer<double>(found.at(2)),
                     pointer<uint8_t>(found.at(3)), pointer<int64_t>(found.at(4)), pointer<int64_t>(found.at(5)),
                     pointer<int64_t>(found.at(6)), pointer<int32_t>(found.at(7))};
        job.method = static_cast<TourMethod>(method);
        job.node_limit = node_limit;
        job.seed = seed;
        job.beyond = machine.is_cpu() ? &branch_and_cut : nullptr;
        const py::gil_scoped_release release;
        const bool quick = n <= kHeldKarpUpTo && count <= kQuickCount && job.route() == TourMethod::kHeldKarp;
        if (!machine.is_cpu() || quick) {
          run_job(job, count, machine);
          return false;
        }
        return run_stoppable(job, count, machine, seconds);
      },
      py::kw_only(), py::arg("points"), py::arg("given"), py::arg("n"), py::arg("metric"), py::arg("method"),
      py::arg("node_limit"), py::arg("seconds"), py::arg("seed"), py::arg("count"), py::arg("found"), py::arg("trace"),
      py::arg("events"), py::arg("machine"), "Fills the arrays of found; true: the time was up first.");
}

}  // namespace mesa
