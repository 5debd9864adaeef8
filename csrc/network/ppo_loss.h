// The loss of proximal policy optimisation over a minibatch of slots, and its gradients, in one pass: what it is, is
// written in mesasim/train/ppo_loss.py.
#pragma once
#include <algorithm>
#include <cstdint>
#include <stdexcept>

namespace mesa {

struct PPOLossSettings {
  int64_t steps, slots, chosen, actions;  // slots of the rollout; those chosen for the minibatch
  double clip, value_weight, horizon, entropy_weight;
};

// Of a rollout, [steps, slots].
struct PPOSamples {
  const int64_t* slot;  // [chosen]
  const int64_t* action;
  const float* log_prob;
  const float* advantage;
  const float* target;
};

struct PPOLossTerms {
  double policy = 0, value = 0, entropy = 0, clipped = 0;  // sums over samples

  void add(const PPOLossTerms& other) {
    policy += other.policy;
    value += other.value;
    entropy += other.entropy;
    clipped += other.clipped;
  }
};

inline void check_slots(const PPOLossSettings& s, const PPOSamples& samples) {
  for (int64_t i = 0; i < s.chosen; ++i) {
    if (samples.slot[i] < 0 || samples.slot[i] >= s.slots) {
      throw std::invalid_argument("slots: got one that the rollout does not have");
    }
  }
}

// Which samples a row of answers is of: row r of step (first + r) / by_step and the slot chosen as first_slot + (first
// + r) % by_step.
struct PPORows {
  int64_t first, by_step, first_slot;
};

// What a network answered for rows of samples, and the gradients by it of the mean loss over all samples of the
// minibatch.
struct PPOAnswers {
  const float* logits;  // [rows, actions], by_logits_row apart
  const float* value;   // [rows], by_value_row apart
  float *by_logits, *by_value;
  int64_t by_logits_row, by_value_row;
};

// Every sample: gradients [steps, chosen, actions] and [steps, chosen]; num_threads of the CPU.
PPOLossTerms ppo_loss(const PPOLossSettings& settings, const PPOSamples& samples, const float* logits,
                      const float* value, float* by_logits, float* by_value, int32_t num_threads);

}  // namespace mesa
