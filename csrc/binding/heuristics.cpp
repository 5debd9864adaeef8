// Tours made quickly and improved, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the GIL
// is released while a job runs.
#include <pybind11/pybind11.h>

#include "../backends/job_backend.h"
#include "../tsp/heuristic_jobs.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

template <class Job>
Job job_over(uintptr_t points, uintptr_t given, int32_t n, int32_t metric, uint64_t seed, uintptr_t number,
             uintptr_t order, uintptr_t length) {
  check_range("n", n, 3, kMaxCities);
  check_range("metric", metric, 0, static_cast<int64_t>(Metric::kPseudo));
  Job job{};
  job.problems = {pointer<const double>(points), pointer<const double>(given), n, static_cast<Metric>(metric)};
  job.found = {pointer<int32_t>(order), pointer<double>(length)};
  job.number = pointer<const int64_t>(number);
  job.seed = seed;
  return job;
}

}  // namespace

void bind_heuristics(py::module_& m) {
  m.attr("MAX_NEIGHBOURS") = kMaxCities - 1;
  m.attr("MAX_NEIGHBOURS_LOCAL_SEARCH") = kMostNeighbours;
  py::dict starts;
  starts["usual"] = kUsualStart;
  starts["all"] = kEveryStart;
  starts["random"] = kRandomStart;
  m.attr("TOUR_STARTS") = starts;
  m.def(
      "construct_tours",
      [](uintptr_t points, uintptr_t given, int32_t n, int32_t metric, uint64_t seed, uintptr_t number, uintptr_t order,
         uintptr_t length, int64_t count, int32_t method, int32_t start, const Machine& machine) {
        auto job = job_over<ConstructTours>(points, given, n, metric, seed, number, order, length);
        check_count(count);
        check_range("method", method, 0, static_cast<int64_t>(Construction::kRandom));
        check_range("start", start, kRandomStart, n - 1);
        job.method = static_cast<Construction>(method);
        job.start = start;
        const py::gil_scoped_release release;
        run_job(job, count, machine);
      },
      py::kw_only(), py::arg("points"), py::arg("given"), py::arg("n"), py::arg("metric"), py::arg("seed"),
      py::arg("number"), py::arg("order"), py::arg("length"), py::arg("count"), py::arg("method"), py::arg("start"),
      py::arg("machine"));
  m.def(
      "improve_tours",
      [](uintptr_t points, uintptr_t given, int32_t n, int32_t metric, uint64_t seed, uintptr_t number, uintptr_t order,
         uintptr_t length, int64_t count, int32_t method, uintptr_t begun, int32_t neighbours, int32_t kicks,
         int64_t sweeps, int32_t cooling, double first_temperature, double last_temperature, bool keep_best,
         const Machine& machine) {
        auto job = job_over<ImproveTours>(points, given, n, metric, seed, number, order, length);
        check_count(count);
        check_range("method", method, 0, static_cast<int64_t>(Improvement::kAnnealing));
        const bool of_chains = method == static_cast<int32_t>(Improvement::kLocalSearch);
        check_range("neighbours", neighbours, of_chains ? 1 : 0, of_chains ? kMostNeighbours : kMaxCities - 1);
        job.method = static_cast<Improvement>(method);
        job.from = pointer<const int32_t>(begun);
        job.neighbours = neighbours;
        job.kicks = kicks;
        job.schedule = {sweeps, static_cast<Cooling>(cooling), first_temperature, last_temperature};
        job.keep_best = keep_best;
        const py::gil_scoped_release release;
        run_job(job, count, machine);
      },
      py::kw_only(), py::arg("points"), py::arg("given"), py::arg("n"), py::arg("metric"), py::arg("seed"),
      py::arg("number"), py::arg("order"), py::arg("length"), py::arg("count"), py::arg("method"), py::arg("begun"),
      py::arg("neighbours"), py::arg("kicks"), py::arg("sweeps"), py::arg("cooling"), py::arg("first_temperature"),
      py::arg("last_temperature"), py::arg("keep_best"), py::arg("machine"));
}

}  // namespace mesa
