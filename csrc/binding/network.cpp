// Layers of networks, from Python: addresses of checked tensors in, tensors filled. The GIL is released while one runs.
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "../network/gru.h"
#include "parts.h"

namespace py = pybind11;

namespace mesa {
namespace {

constexpr int64_t kMostUnits = int64_t{1} << 16;

GruShape checked_shape(int64_t steps, int64_t slots, int64_t inputs, int64_t hidden) {
  const struct {
    const char* name;
    int64_t value, low, high;
  } limits[] = {
      {"steps", steps, 0, int64_t{1} << 32},
      {"slots", slots, 0, int64_t{1} << 32},
      {"inputs", inputs, 1, kMostUnits},
      {"hidden", hidden, 1, kMostUnits}};
  for (const auto& l : limits) {
    if (l.value < l.low || l.value > l.high) {
      throw std::invalid_argument(
          std::string(l.name) + ": got " + std::to_string(l.value) + ", allowed: " + std::to_string(l.low) + " to " +
          std::to_string(l.high));
    }
  }
  return {steps, slots, inputs, hidden};
}

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

template <class Real>
GruWeights<Real> weights_at(const py::tuple& at) {
  const auto one = [&](int i) { return pointer<const Real>(at[static_cast<size_t>(i)].cast<uintptr_t>()); };
  return {one(0), one(1), one(2), one(3)};
}

template <class Real>
GruRun<Real> run_at(const py::tuple& at) {
  const auto one = [&](int i) { return at[static_cast<size_t>(i)].cast<uintptr_t>(); };
  return {pointer<const Real>(one(0)), pointer<const uint8_t>(one(1)), pointer<const Real>(one(2)),
          pointer<Real>(one(3)), pointer<Real>(one(4))};
}

template <class Real>
void forward(const GruShape& shape, const py::tuple& weights, const py::tuple& run, int32_t num_threads) {
  const auto w = weights_at<Real>(weights);
  const auto r = run_at<Real>(run);
  const py::gil_scoped_release release;
  run_gru(shape, w, r, num_threads);
}

template <class Real>
void backward(
    const GruShape& shape, const py::tuple& weights, const py::tuple& run, const py::tuple& gradients,
    int32_t num_threads) {
  const auto w = weights_at<Real>(weights);
  const auto r = run_at<Real>(run);
  const auto one = [&](int i) { return gradients[static_cast<size_t>(i)].cast<uintptr_t>(); };
  const GruGradients<Real> g{pointer<const Real>(one(0)), pointer<Real>(one(1)), pointer<Real>(one(2)),
                             pointer<Real>(one(3)),       pointer<Real>(one(4)), pointer<Real>(one(5)),
                             pointer<Real>(one(6))};
  const py::gil_scoped_release release;
  gru_gradients(shape, w, r, g, num_threads);
}

}  // namespace

void bind_network(py::module_& m) {
  m.def("gru_kept", [](int64_t hidden) { return checked_shape(0, 0, 1, hidden).kept(); }, py::arg("hidden"));
  m.def(
      "run_gru",
      [](bool is_double, int64_t steps, int64_t slots, int64_t inputs, int64_t hidden, const py::tuple& weights,
         const py::tuple& run, int32_t num_threads) {
        const GruShape shape = checked_shape(steps, slots, inputs, hidden);
        (is_double ? forward<double> : forward<float>)(shape, weights, run, num_threads);
      },
      py::arg("is_double"), py::arg("steps"), py::arg("slots"), py::arg("inputs"), py::arg("hidden"),
      py::arg("weights"), py::arg("run"), py::arg("num_threads"));
  m.def(
      "gru_gradients",
      [](bool is_double, int64_t steps, int64_t slots, int64_t inputs, int64_t hidden, const py::tuple& weights,
         const py::tuple& run, const py::tuple& gradients, int32_t num_threads) {
        const GruShape shape = checked_shape(steps, slots, inputs, hidden);
        (is_double ? backward<double> : backward<float>)(shape, weights, run, gradients, num_threads);
      },
      py::arg("is_double"), py::arg("steps"), py::arg("slots"), py::arg("inputs"), py::arg("hidden"),
      py::arg("weights"), py::arg("run"), py::arg("gradients"), py::arg("num_threads"));
}

}  // namespace mesa
