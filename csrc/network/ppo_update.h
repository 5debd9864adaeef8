// The gradients of a minibatch's loss by every weight of a recurrent network: a recurrent layer, and on its states one
// of log-odds and one of values. Forward, loss and back, a tile of slots at a time, so that what is kept between stays
// in the cache.
#pragma once
#include "ppo_loss.h"
#include "recurrent.h"

namespace mesa {

struct HeadWeights {
  const float* policy;       // [actions, hidden]
  const float* policy_bias;  // [actions]
  const float* value;        // [1, hidden]
  const float* value_bias;   // [1]
};

struct HeadGradients {
  float *policy, *policy_bias, *value, *value_bias;
};

// Both heads as one matrix whose last column is the value's, padded with zeros.
struct PackedHeads {
  int64_t actions, width;  // width: padded(actions + 1)
  std::unique_ptr<float[]> memory;
  float *forward, *bias, *back;  // [hidden, width], [width], [actions + 1, state]

  PackedHeads(const LayerShape& s, int64_t num_actions, const HeadWeights& w)
      : actions(num_actions),
        width(padded(num_actions + 1)),
        memory(new float[s.hidden * width + width + (num_actions + 1) * s.state()]()) {
    forward = memory.get();
    bias = forward + s.hidden * width;
    back = bias + width;
    for (int64_t a = 0; a <= actions; ++a) {
      const float* from = a < actions ? w.policy + a * s.hidden : w.value;
      bias[a] = a < actions ? w.policy_bias[a] : *w.value_bias;
      for (int64_t k = 0; k < s.hidden; ++k) forward[k * width + a] = back[a * s.state() + k] = from[k];
    }
  }
};

// In the order of a group's own sums, after the layer's (gradient_numbers): by the heads' rows [actions + 1, state],
// biases.
inline int64_t head_numbers(const LayerShape& s, int64_t actions) {
  return (actions + 1) * s.state() + padded(actions + 1);
}

struct PPOUpdate {
  LayerShape shape;  // slots: those chosen
  LayerRun<float> run;
  PPOLossSettings settings;
  PPOSamples samples;
  const uint8_t* mask;  // [steps, slots, actions]: what is allowed; null: everything
};

// Fills the gradients; returns the loss's terms.
PPOLossTerms ppo_update(const PPOUpdate& update, const LayerWeights<float>& weights, const HeadWeights& heads,
                        const LayerGradients<float>& gradients, const HeadGradients& of_heads, int32_t num_threads);

}  // namespace mesa
