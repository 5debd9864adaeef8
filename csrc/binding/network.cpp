// Layers of networks, from Python: addresses of checked tensors in, tensors filled. The GIL is released while one runs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "../network/adam.h"
#include "../network/ppo_update.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

constexpr int64_t kMostUnits = int64_t{1} << 16;
constexpr int64_t kMostRows = int64_t{1} << 32;  // steps, slots

LayerShape checked_shape(int64_t steps, int64_t slots, int64_t inputs, int64_t hidden, bool lstm) {
  check_range("steps", steps, 0, kMostRows);
  check_range("slots", slots, 0, kMostRows);
  check_range("inputs", inputs, 1, kMostUnits);
  check_range("hidden", hidden, 1, kMostUnits);
  return {steps, slots, inputs, hidden, lstm};
}

PPOLossSettings checked_settings(int64_t steps, int64_t slots, int64_t chosen, int64_t actions, double clip,
                                 double value_weight, double horizon, double entropy_weight) {
  check_range("steps", steps, 1, kMostRows);
  check_range("slots", slots, 1, kMostRows);
  check_range("chosen", chosen, 1, kMostRows);
  check_range("actions", actions, 1, kMostUnits);
  if (!(clip >= 0) || !(horizon > 0)) {
    throw std::invalid_argument("clip, horizon: got " + std::to_string(clip) + ", " + std::to_string(horizon) +
                                ", allowed: at least 0, above 0");
  }
  return {steps, slots, chosen, actions, clip, value_weight, horizon, entropy_weight};
}

// The addresses in a tuple, in turn.
struct Addresses {
  const py::tuple& given;
  size_t next = 0;

  template <class T>
  T* take() {
    return reinterpret_cast<T*>(given[next++].cast<uintptr_t>());
  }
};

template <class Real>
LayerWeights<Real> weights_at(Addresses& at) {
  auto* input = at.take<const Real>();
  auto* state = at.take<const Real>();
  auto* input_bias = at.take<const Real>();
  return {input, state, input_bias, at.take<const Real>()};
}

template <class Real>
LayerRun<Real> run_at(Addresses& at, int64_t slots, const int64_t* slot) {
  auto* x = at.take<const Real>();
  auto* is_first = at.take<const uint8_t>();
  return {x, is_first, at.take<const Real>(), slots, slot};
}

template <class Real>
LayerMade<Real> made_at(Addresses& at, const LayerShape& shape) {
  auto* output = at.take<Real>();
  auto* kept = at.take<Real>();
  return {output, kept, at.take<Real>(), shape.slots};
}

template <class Real>
void forward(const LayerShape& shape, Addresses at, int32_t num_threads) {
  const auto weights = weights_at<Real>(at);
  const auto run = run_at<Real>(at, shape.slots, nullptr);
  const auto made = made_at<Real>(at, shape);
  check_threads(num_threads);
  const py::gil_scoped_release release;
  run_layer(shape, weights, run, made, num_threads);
}

template <class Real>
LayerGradients<Real> gradients_at(Addresses& at, const Real* output, const Real* cell, Real* x, Real* carry) {
  auto* input = at.take<Real>();
  auto* state = at.take<Real>();
  auto* input_bias = at.take<Real>();
  return {output, cell, x, carry, input, state, input_bias, at.take<Real>()};
}

template <class Real>
void backward(const LayerShape& shape, Addresses at, int32_t num_threads) {
  const auto weights = weights_at<Real>(at);
  const auto run = run_at<Real>(at, shape.slots, nullptr);
  const auto made = made_at<Real>(at, shape);
  auto* by_output = at.take<const Real>();
  auto* by_cell = at.take<const Real>();
  auto* by_x = at.take<Real>();
  auto* by_carry = at.take<Real>();
  const auto gradients = gradients_at<Real>(at, by_output, by_cell, by_x, by_carry);
  check_threads(num_threads);
  const py::gil_scoped_release release;
  layer_gradients(shape, weights, run, made, gradients, num_threads);
}

PPOSamples samples_at(Addresses& at) {
  auto* slot = at.take<const int64_t>();
  auto* action = at.take<const int64_t>();
  auto* log_prob = at.take<const float>();
  auto* advantage = at.take<const float>();
  return {slot, action, log_prob, advantage, at.take<const float>()};
}

py::tuple as_tuple(const PPOLossTerms& sums) {
  return py::make_tuple(sums.policy, sums.value, sums.entropy, sums.clipped);
}

py::tuple update(const LayerShape& shape, const PPOLossSettings& settings, Addresses at, int32_t num_threads) {
  const auto weights = weights_at<float>(at);
  auto* policy = at.take<const float>();
  auto* policy_bias = at.take<const float>();
  auto* value = at.take<const float>();
  const HeadWeights heads{policy, policy_bias, value, at.take<const float>()};
  const auto samples = samples_at(at);
  const auto run = run_at<float>(at, settings.slots, samples.slot);
  const PPOUpdate work{shape, run, settings, samples, at.take<const uint8_t>()};
  const auto gradients = gradients_at<float>(at, nullptr, nullptr, nullptr, nullptr);
  auto* of_policy = at.take<float>();
  auto* of_policy_bias = at.take<float>();
  auto* of_value = at.take<float>();
  const HeadGradients of_heads{of_policy, of_policy_bias, of_value, at.take<float>()};
  check_threads(num_threads);
  PPOLossTerms sums;
  {
    const py::gil_scoped_release release;
    sums = ppo_update(work, weights, heads, gradients, of_heads, num_threads);
  }
  return as_tuple(sums);
}

}  // namespace

void bind_network(py::module_& m) {
  py::class_<LayerShape>(m, "LayerShape")
      .def(py::init(&checked_shape), py::arg("steps"), py::arg("slots"), py::arg("inputs"), py::arg("hidden"),
           py::arg("lstm"))
      .def("kept", &LayerShape::kept);
  py::class_<PPOLossSettings>(m, "PPOLossSettings")
      .def(py::init(&checked_settings), py::arg("steps"), py::arg("slots"), py::arg("chosen"), py::arg("actions"),
           py::arg("clip"), py::arg("value_weight"), py::arg("horizon"), py::arg("entropy_weight"));
  const auto shape = py::arg("shape"), at = py::arg("addresses"), threads = py::arg("num_threads");
  m.def(
      "run_layer",
      [](bool is_double, const LayerShape& s, const py::tuple& addresses, int32_t num_threads) {
        (is_double ? forward<double> : forward<float>)(s, {addresses}, num_threads);
      },
      py::arg("is_double"), shape, at, threads);
  m.def(
      "layer_gradients",
      [](bool is_double, const LayerShape& s, const py::tuple& addresses, int32_t num_threads) {
        (is_double ? backward<double> : backward<float>)(s, {addresses}, num_threads);
      },
      py::arg("is_double"), shape, at, threads);
  m.def(
      "ppo_loss",
      [](const PPOLossSettings& settings, const py::tuple& addresses, int32_t num_threads) {
        Addresses from{addresses};
        auto* logits = from.take<const float>();
        auto* value = from.take<const float>();
        const auto samples = samples_at(from);
        auto* by_logits = from.take<float>();
        auto* by_value = from.take<float>();
        check_threads(num_threads);
        PPOLossTerms sums;
        {
          const py::gil_scoped_release release;
          sums = ppo_loss(settings, samples, logits, value, by_logits, by_value, num_threads);
        }
        return as_tuple(sums);
      },
      py::arg("settings"), at, threads);
  m.def(
      "ppo_update",
      [](const LayerShape& s, const PPOLossSettings& settings, const py::tuple& addresses, int32_t num_threads) {
        return update(s, settings, {addresses}, num_threads);
      },
      shape, py::arg("settings"), at, threads);
  m.def(
      "clipped_adam",
      [](double rate, double first_decay, double second_decay, double eps, double most, const py::tuple& addresses,
         const std::vector<int64_t>& counts) {
        Addresses from{addresses};
        std::vector<AdamTensor> tensors;
        for (const int64_t count : counts) {
          check_range("count", count, 0, kMostRows);
          auto* weight = from.take<float>();
          auto* gradient = from.take<const float>();
          auto* mean = from.take<float>();
          auto* square = from.take<float>();
          tensors.push_back({weight, gradient, mean, square, from.take<float>(), count});
        }
        const py::gil_scoped_release release;
        clipped_adam({rate, first_decay, second_decay, eps, most}, tensors);
      },
      py::arg("rate"), py::arg("first_decay"), py::arg("second_decay"), py::arg("eps"), py::arg("most"), at,
      py::arg("counts"));
}

}  // namespace mesa
