// The exact solvers, from Python: arrays in, arrays out, the GIL released while they work.
#include <pybind11/numpy.h>

#include "../bandit/bayes_optimal.h"
#include "../bandit/gittins.h"
#include "parts.h"

namespace py = pybind11;

namespace mesa {
namespace {

using Counts = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;

py::array_t<double> gittins_indices(int64_t pulls, double alpha, double beta) {
  std::vector<double> indices;
  {
    py::gil_scoped_release release;
    indices = GittinsTable(pulls, alpha, beta).indices();
  }
  return py::array_t<double>(static_cast<py::ssize_t>(indices.size()), indices.data());
}

py::array_t<double> action_values(const BayesOptimalBandit& bandit, const Counts& successes, const Counts& failures) {
  for (const auto& [name, counts] :
       {std::pair<const char*, const Counts&>{"successes", successes}, {"failures", failures}})
    if (counts.ndim() != 2 || counts.shape(1) != bandit.arms() || counts.shape(0) != successes.shape(0))
      throw std::invalid_argument(std::string(name) + ": got another shape, allowed: [rows, " +
                                  std::to_string(bandit.arms()) + "], the same for both");
  py::array_t<double> result({successes.shape(0), successes.shape(1)});
  const int64_t rows = successes.shape(0), *s = successes.data(), *f = failures.data();
  double* out = result.mutable_data();
  py::gil_scoped_release release;
  bandit.action_values(s, f, rows, out);
  return result;
}

void bind_bandit(py::module_& m) {
  m.def("gittins_indices", &gittins_indices, py::arg("pulls"), py::arg("alpha") = 1.0, py::arg("beta") = 1.0,
        "Finite-horizon Gittins indices of a Bernoulli arm, float64, by s + f + m (1 to pulls), then s + f, then s.");
  m.def("bayes_optimal_states", &BayesOptimalBandit::states, py::arg("arms"), py::arg("pulls"),
        "States BayesOptimalBandit would hold (a lower bound where even two arms do not fit).");
  py::class_<BayesOptimalBandit>(m, "BayesOptimalBandit",
                                 "Exact optimum of a Beta-Bernoulli bandit; ValueError where it does not fit.")
      .def(py::init<int64_t, int64_t, double, double>(), py::arg("arms"), py::arg("pulls"), py::arg("alpha") = 1.0,
           py::arg("beta") = 1.0, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly_static("max_states", [](const py::object&) { return BayesOptimalBandit::kMaxStates; })
      .def_property_readonly("value", &BayesOptimalBandit::value, "Expected total reward of the optimal policy.")
      .def("action_values", &action_values, py::arg("successes"), py::arg("failures"),
           "Expected reward to come of each arm, float64 [rows, arms], from counts [rows, arms].");
}

}  // namespace

void bind_solvers(py::module_& m) {
  bind_bandit(m);
}

}  // namespace mesa
