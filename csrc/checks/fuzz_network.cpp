// Sizes, steps, starts of episodes and numbers from a stranger, for recurrent layers and the update of proximal policy
// optimisation. Moderate numbers must give what plain loops give, in double precision; whatever the numbers, each
// instruction set reads and writes its own memory only, and two threads make the bits that one makes.
#include <algorithm>
#include <cmath>

#include "../backends/backend.h"
#include "../network/ppo_update.h"
#include "input.h"
#include "plain_network.h"

using namespace mesa;

namespace {

// Numbers of the size asked for, some of them replaced by what the stranger sends.
struct Numbers {
  Input& input;
  uint32_t state;
  double size;

  template <class Real>
  std::vector<Real> draw(int64_t count) {
    std::vector<Real> made(static_cast<size_t>(count));
    for (Real& number : made) {
      state = state * 1664525u + 1013904223u;  // Numerical Recipes
      number = static_cast<Real>(size * (static_cast<double>(state >> 8) / (1 << 23) - 1.0));
    }
    return made;
  }
};

template <class Real>
void require_close(const std::vector<Real>& made, const std::vector<double>& plain, double tolerance, const char* what,
                   double most = 1) {
  for (const double number : plain) most = std::max(most, std::abs(number));
  for (size_t k = 0; k < made.size(); ++k)
    require(std::abs(static_cast<double>(made[k]) - plain[k]) <= tolerance * most, what);
}

template <class Real>
bool same_bits(const std::vector<Real>& a, const std::vector<Real>& b) {
  return a.size() == b.size() && (a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(Real)) == 0);
}

// A layer's arrays, each of its own and of no number more than asked for.
template <class Real>
struct Layer {
  LayerShape shape;
  std::vector<Real> input, state, input_bias, state_bias, x, carry;
  std::vector<uint8_t> is_first;
  std::vector<Real> by_output, by_cell;

  Layer(const LayerShape& s, Numbers numbers, double weight, uint8_t starts)
      : shape(s), is_first(static_cast<size_t>(s.steps * s.slots)) {
    x = numbers.draw<Real>(s.steps * s.slots * s.inputs);
    carry = numbers.draw<Real>(s.slots * s.carry());
    by_output = numbers.draw<Real>(s.steps * s.slots * s.hidden);
    by_cell = numbers.draw<Real>(s.slots * s.hidden);
    numbers.size = weight;
    input = numbers.draw<Real>(s.gates() * s.hidden * s.inputs);
    state = numbers.draw<Real>(s.gates() * s.hidden * s.hidden);
    input_bias = numbers.draw<Real>(s.gates() * s.hidden);
    state_bias = numbers.draw<Real>(s.gates() * s.hidden);
    for (size_t k = 0; k < is_first.size(); ++k) is_first[k] = starts != 0 && k * 37 % 256 < starts;
  }
  LayerWeights<Real> weights() const { return {input.data(), state.data(), input_bias.data(), state_bias.data()}; }
  LayerRun<Real> run() const { return {x.data(), is_first.data(), carry.data(), shape.slots, nullptr}; }
};

template <class Real>
struct Made {
  std::vector<Real> output, kept, cell, x, carry, input, state, input_bias, state_bias;

  Made(const Layer<Real>& layer, bool of_x, bool of_carry, int32_t threads) {
    const LayerShape& s = layer.shape;
    const auto of = [](int64_t count) { return std::vector<Real>(static_cast<size_t>(count)); };
    output = of(s.steps * s.slots * s.hidden);
    kept = of(s.steps * s.slots * s.kept());
    cell = of(s.lstm ? s.slots * s.hidden : 0);
    x = of(of_x ? s.steps * s.slots * s.inputs : 0);
    carry = of(of_carry ? s.slots * s.carry() : 0);
    input = of(s.gates() * s.hidden * s.inputs);
    state = of(s.gates() * s.hidden * s.hidden);
    input_bias = state_bias = of(s.gates() * s.hidden);
    const LayerMade<Real> made{output.data(), kept.data(), s.lstm ? cell.data() : nullptr, s.slots};
    run_layer(s, layer.weights(), layer.run(), made, threads);
    const LayerGradients<Real> gradients{layer.by_output.data(),
                                         s.lstm ? layer.by_cell.data() : nullptr,
                                         of_x ? x.data() : nullptr,
                                         of_carry ? carry.data() : nullptr,
                                         input.data(),
                                         state.data(),
                                         input_bias.data(),
                                         state_bias.data()};
    layer_gradients(s, layer.weights(), layer.run(), made, gradients, threads);
  }
  bool operator==(const Made& other) const {
    return same_bits(output, other.output) && same_bits(kept, other.kept) && same_bits(cell, other.cell) &&
           same_bits(x, other.x) && same_bits(carry, other.carry) && same_bits(input, other.input) &&
           same_bits(state, other.state) && same_bits(input_bias, other.input_bias) &&
           same_bits(state_bias, other.state_bias);
  }
};

template <class Real>
void try_layer(const Layer<Real>& layer, bool moderate, uint8_t asked) {
  const LayerShape& s = layer.shape;
  const bool of_x = asked & 1, of_carry = asked & 2;
  const Made<Real> made(layer, of_x, of_carry, 1);
  require(made == Made<Real>(layer, of_x, of_carry, 2), "a layer's bits do not depend on threads");
  if (!moderate) return;
  const PlainLayer plain(s, layer.weights(), layer.run(), layer.by_output.data(),
                         s.lstm ? layer.by_cell.data() : nullptr);
  const double tolerance = sizeof(Real) == 8 ? 1e-9 : 2e-3;
  require_close(made.output, plain.output, tolerance, "states are those of plain loops");
  require_close(made.cell, plain.cell, tolerance, "cells are those of plain loops");
  require_close(made.x, plain.of_x, tolerance, "gradients by the input are those of plain loops");
  require_close(made.carry, plain.of_carry, tolerance, "gradients by the carry are those of plain loops");
  require_close(made.input, plain.of_input, tolerance, "gradients by input weights are those of plain loops");
  require_close(made.state, plain.of_state, tolerance, "gradients by state weights are those of plain loops");
  require_close(made.input_bias, plain.of_input_bias, tolerance, "gradients by biases are those of plain loops");
  require_close(made.state_bias, plain.of_state_bias, tolerance, "gradients by biases are those of plain loops");
}

struct Updated {
  std::vector<float> input, state, input_bias, state_bias, policy, policy_bias, value, value_bias;
  PPOLossTerms terms;
};

// An update of some slots, in any order and any of them more than once.
void try_update(Layer<float>& layer, Input& input, Numbers numbers, bool moderate) {
  const LayerShape& all = layer.shape;
  if (all.steps == 0) return;
  LayerShape chosen = all;
  chosen.slots = 1 + input.below(all.slots);
  const int64_t actions = 1 + input.below(21), samples = all.steps * all.slots;
  std::vector<int64_t> slot(static_cast<size_t>(chosen.slots)), action(static_cast<size_t>(samples));
  for (int64_t& which : slot) which = input.below(all.slots);
  for (size_t k = 0; k < action.size(); ++k) action[k] = static_cast<int64_t>(k * 7 + 3) % actions;
  const double size = numbers.size;
  numbers.size = moderate ? 1 : size;
  const auto policy = numbers.draw<float>(actions * all.hidden), policy_bias = numbers.draw<float>(actions);
  const auto value = numbers.draw<float>(all.hidden), value_bias = numbers.draw<float>(1);
  const auto old = numbers.draw<float>(samples), advantage = numbers.draw<float>(samples);
  const auto target = numbers.draw<float>(samples);
  std::vector<uint8_t> mask;
  const uint8_t masked = input.byte();
  if (masked & 1) {
    mask.resize(static_cast<size_t>(samples * actions));
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = (k * 11 + masked) % 3 != 0;
    // What was done was allowed, where anything is.
    for (int64_t k = 0; k < samples; ++k) mask[static_cast<size_t>(k * actions + action[static_cast<size_t>(k)])] = 1;
    if (masked & 2) std::fill_n(mask.begin(), actions, uint8_t{0});
  }
  PPOUpdate work{chosen,
                 layer.run(),
                 {all.steps, all.slots, chosen.slots, actions, 0.2, 0.5, 2.0, 0.01},
                 {slot.data(), action.data(), old.data(), advantage.data(), target.data()},
                 mask.empty() ? nullptr : mask.data()};
  work.run.slot = slot.data();
  const HeadWeights heads{policy.data(), policy_bias.data(), value.data(), value_bias.data()};
  const auto update = [&](int32_t threads) {
    Updated u{layer.input, layer.state, layer.input_bias, layer.state_bias, policy, policy_bias, value, value_bias, {}};
    const LayerGradients<float> gradients{
        nullptr, nullptr, nullptr, nullptr, u.input.data(), u.state.data(), u.input_bias.data(), u.state_bias.data()};
    u.terms = ppo_update(work, layer.weights(), heads, gradients,
                         {u.policy.data(), u.policy_bias.data(), u.value.data(), u.value_bias.data()}, threads);
    return u;
  };
  const Updated made = update(1), again = update(2);
  require(same_bits(made.input, again.input) && same_bits(made.state, again.state) &&
              same_bits(made.input_bias, again.input_bias) && same_bits(made.state_bias, again.state_bias) &&
              same_bits(made.policy, again.policy) && same_bits(made.policy_bias, again.policy_bias) &&
              same_bits(made.value, again.value) && same_bits(made.value_bias, again.value_bias),
          "an update's bits do not depend on threads");
  if (!moderate) return;
  const PlainUpdate plain(work, layer.weights(), heads);
  if (plain.near_a_corner) return;  // of the clipped loss, where the last digit decides which way the gradient goes
  constexpr double kTolerance = 2e-3;
  const PlainLayer& layer_of = *plain.layer;
  const std::vector<double> of_value_bias{plain.of_value_bias};
  double most = 1e-6;  // gradients of a mean are small, and held to the largest of them
  for (const auto* some : {&plain.of_policy, &plain.of_policy_bias, &plain.of_value, &of_value_bias, &layer_of.of_input,
                           &layer_of.of_state, &layer_of.of_input_bias, &layer_of.of_state_bias})
    for (const double number : *some) most = std::max(most, std::abs(number));
  const auto close = [&](const std::vector<float>& found, const std::vector<double>& right, const char* what) {
    require_close(found, right, kTolerance, what, most);
  };
  close(made.policy, plain.of_policy, "gradients by the policy are those of plain loops");
  close(made.policy_bias, plain.of_policy_bias, "gradients by its biases are");
  close(made.value, plain.of_value, "gradients by the values are");
  close(made.value_bias, of_value_bias, "the gradient by their bias is");
  close(made.input, layer_of.of_input, "gradients of an update by input weights are");
  close(made.state, layer_of.of_state, "gradients of an update by state weights are");
  close(made.input_bias, layer_of.of_input_bias, "gradients of an update by input biases are");
  close(made.state_bias, layer_of.of_state_bias, "gradients of an update by state biases are");
  const double count = static_cast<double>(all.steps * chosen.slots);
  require(std::abs(made.terms.policy / count - plain.policy) <= kTolerance * (1 + std::abs(plain.policy)) &&
              std::abs(made.terms.value / count - plain.value_loss) <= kTolerance * (1 + plain.value_loss) &&
              std::abs(made.terms.entropy / count - plain.entropy) <= kTolerance * (1 + plain.entropy),
          "the loss is that of plain loops");
}

template <class Real>
void overwrite(std::vector<Real>& numbers, Input& input) {
  for (int64_t k = input.below(8); k > 0 && !numbers.empty(); --k)
    numbers[input.take<uint16_t>() % numbers.size()] = input.take<Real>();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, data + size};
  static const auto sets = instruction_sets();
  use_instruction_set(sets[static_cast<size_t>(input.byte()) % sets.size()]);
  const uint8_t how = input.byte();
  const LayerShape shape{input.below(8), 1 + input.below(110), 1 + input.below(40), 1 + input.below(40),
                         (how & 1) != 0};
  constexpr double kSizes[] = {1, 1, 0.01, 3, 1e3, 1e15, 1e38, 1e-40};
  const size_t which = how >> 1 & 7;
  const bool overwrites = how & 16;
  const bool moderate = which < 4 && !overwrites;
  const Numbers numbers{input, input.take<uint32_t>(), kSizes[which]};
  // Weights of moderate layers are small as trained ones are: what a state does to the next is then no explosion of
  // rounding.
  const double weight = moderate ? 1 / std::sqrt(static_cast<double>(shape.hidden)) : kSizes[which];
  const uint8_t starts = input.byte();
  if (how & 32) {
    Layer<double> layer(shape, numbers, weight, starts);
    if (overwrites) overwrite(layer.x, input), overwrite(layer.state, input), overwrite(layer.carry, input);
    try_layer(layer, moderate, how >> 6);
  } else {
    Layer<float> layer(shape, numbers, weight, starts);
    if (overwrites) overwrite(layer.x, input), overwrite(layer.state, input), overwrite(layer.carry, input);
    try_layer(layer, moderate, how >> 6);
    try_update(layer, input, numbers, moderate);
  }
  return 0;
}
