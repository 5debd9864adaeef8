// The loss of proximal policy optimisation over a minibatch of slots, and its gradients, in one pass: what it is, is
// written in mesasim/train/ppo_loss.py.
#pragma once
#include <algorithm>
#include <cmath>
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

// One sample, of the chosen slot `i`, from its log-odds [actions] and its value: the gradients by them of the mean over
// all.
inline void ppo_loss_sample(const PPOLossSettings& s, const PPOSamples& samples, int64_t step, int64_t i,
                            const float* logits, float value, float* slope, float* by_value, PPOLossTerms& sums) {
  const int64_t at = step * s.slots + samples.slot[i];
  const float count = static_cast<float>(s.steps * s.chosen);
  const float highest = *std::max_element(logits, logits + s.actions);
  float total = 0;
  for (int64_t a = 0; a < s.actions; ++a) {
    slope[a] = std::exp(logits[a] - highest);
    total += slope[a];
  }
  const float log_total = highest + std::log(total);
  float entropy = 0;
  for (int64_t a = 0; a < s.actions; ++a) {
    slope[a] /= total;
    entropy -= slope[a] * (logits[a] - log_total);
  }
  const int64_t taken = samples.action[at];
  if (taken < 0 || taken >= s.actions) throw std::invalid_argument("action: got one that has no logit");
  const float ratio = std::exp(logits[taken] - log_total - samples.log_prob[at]), advantage = samples.advantage[at];
  const float low = static_cast<float>(1 - s.clip), high = static_cast<float>(1 + s.clip);
  const float part = ratio * advantage, clipped = std::min(std::max(ratio, low), high) * advantage;
  const bool inside = ratio >= low && ratio <= high;
  // Where the clipped part is the less, nothing pulls.
  const float pull = inside || part < clipped ? -part / count : 0.0f;
  const float spread = static_cast<float>(s.entropy_weight) / count;
  for (int64_t a = 0; a < s.actions; ++a) {
    const float p = slope[a];
    slope[a] = spread * p * (logits[a] - log_total + entropy) - pull * p;
  }
  slope[taken] += pull;
  const float horizon = static_cast<float>(s.horizon);
  const float off = (value - samples.target[at]) / horizon;
  *by_value = static_cast<float>(s.value_weight) * off / horizon / count;
  sums.policy -= std::min(part, clipped);
  sums.value += 0.5f * off * off;
  sums.entropy += entropy;
  sums.clipped += std::abs(ratio - 1) > static_cast<float>(s.clip);
}

// Every sample: gradients [steps, chosen, actions] and [steps, chosen]; num_threads of the CPU.
PPOLossTerms ppo_loss(const PPOLossSettings& settings, const PPOSamples& samples, const float* logits,
                      const float* value, float* by_logits, float* by_value, int32_t num_threads);

}  // namespace mesa
