// A layer of a network and an update of proximal policy optimisation: what they make, as a number.
#pragma once
#include "../network/ppo_update.h"
#include "tried.h"

namespace mesa {

// A layer forward and back, and a minibatch of PPO, of sizes that fill no vector.
inline uint64_t network_jobs(int threads, int64_t slots, bool lstm) {
  const LayerShape shape{5, slots, 7, 11, lstm};
  const int64_t actions = 3, samples = shape.steps * slots, gates = shape.gates() * shape.hidden;
  uint32_t state = 1;
  const auto drawn = [&](int64_t count) {
    std::vector<float> numbers(static_cast<size_t>(count));
    for (float& number : numbers) {
      state = state * 1664525u + 1013904223u;
      number = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
    }
    return numbers;
  };
  const auto input = drawn(gates * shape.inputs), by_state = drawn(gates * shape.hidden), bias = drawn(gates);
  const auto x = drawn(samples * shape.inputs), carry = drawn(slots * shape.carry());
  const auto by_output = drawn(samples * shape.hidden), by_cell = drawn(slots * shape.hidden);
  std::vector<uint8_t> is_first(static_cast<size_t>(samples));
  for (size_t k = 0; k < is_first.size(); ++k) is_first[k] = k % 7 == 0;
  const LayerWeights<float> weights{input.data(), by_state.data(), bias.data(), bias.data()};
  const LayerRun<float> run{x.data(), is_first.data(), carry.data(), slots, nullptr};
  auto output = by_output, kept = drawn(samples * shape.kept()), cell = by_cell;
  const LayerMade<float> made{output.data(), kept.data(), lstm ? cell.data() : nullptr, slots};
  run_layer(shape, weights, run, made, threads);
  auto of_x = x, of_carry = carry, of_input = input, of_state = by_state, of_bias = bias, of_other = bias;
  const LayerGradients<float> gradients{by_output.data(), lstm ? by_cell.data() : nullptr,
                                        of_x.data(),      of_carry.data(),
                                        of_input.data(),  of_state.data(),
                                        of_bias.data(),   of_other.data()};
  layer_gradients(shape, weights, run, made, gradients, threads);
  uint64_t hash = hash_of(output) + hash_of(of_x) + hash_of(of_carry) + hash_of(of_input) + hash_of(of_state);

  LayerShape half = shape;
  half.slots = slots / 2;
  std::vector<int64_t> slot(static_cast<size_t>(half.slots)), action(static_cast<size_t>(samples));
  for (size_t k = 0; k < slot.size(); ++k) slot[k] = static_cast<int64_t>(2 * k);
  for (size_t k = 0; k < action.size(); ++k) action[k] = static_cast<int64_t>(k % 3);
  const auto log_prob = drawn(samples), advantage = drawn(samples), target = drawn(samples);
  const auto policy = drawn(actions * shape.hidden), value = drawn(shape.hidden), policy_bias = drawn(actions);
  PPOUpdate update{half,
                   run,
                   {shape.steps, slots, half.slots, actions, 0.2, 0.5, 1.0, 0.01},
                   {slot.data(), action.data(), log_prob.data(), advantage.data(), target.data()},
                   nullptr};
  update.run.slot = slot.data();
  auto of_policy = policy, of_policy_bias = policy_bias, of_value = value, of_value_bias = drawn(1);
  ppo_update(update, weights, {policy.data(), policy_bias.data(), value.data(), policy_bias.data()}, gradients,
             {of_policy.data(), of_policy_bias.data(), of_value.data(), of_value_bias.data()}, threads);
  return hash * 31 + hash_of(of_input) + hash_of(of_policy) + hash_of(of_value);
}

}  // namespace mesa
