// Regressions drawn, from Python: addresses of checked arrays in, arrays filled. Holds no rule; the GIL is released
// while a job runs.
#include <pybind11/pybind11.h>

#include "../backends/job_backend.h"
#include "../regression/jobs.h"
#include "../worlds/linear_regression.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

// The world's own options, names and ranges: what a data set and a world can be asked for is one list.
RegressionLaw law_of(const py::dict& given) {
  const Options options = options_from(given);
  LinearRegression::Config config;
  ReadOptions reader{options};
  LinearRegression::options(reader, config);
  return config.law();
}

}  // namespace

void bind_regression(py::module_& m) {
  m.attr("MAX_TASKS_IN_ORACLE") = LinearRegression::kMostInOracle;
  m.def(
      "draw_regressions",
      [](const py::dict& options, uint64_t seed, uint64_t first, int64_t count, uintptr_t task, uintptr_t w,
         uintptr_t x, uintptr_t y, const Machine& machine) {
        check_count(count);
        const DrawRegressions job{
            law_of(options),  seed, first, pointer<int32_t>(task), pointer<float>(w), pointer<float>(x),
            pointer<float>(y)};
        const py::gil_scoped_release release;
        run_job(job, count, machine);
      },
      py::kw_only(), py::arg("options"), py::arg("seed"), py::arg("first"), py::arg("count"), py::arg("task"),
      py::arg("w"), py::arg("x"), py::arg("y"), py::arg("machine"));
  m.def(
      "draw_regression_tasks",
      [](const py::dict& options, uintptr_t w, const Machine& machine) {
        const RegressionLaw law = law_of(options);
        const DrawRegressionTasks job{law, pointer<float>(w)};
        const py::gil_scoped_release release;
        run_job(job, law.num_tasks, machine);
      },
      py::kw_only(), py::arg("options"), py::arg("w"), py::arg("machine"));
}

}  // namespace mesa
