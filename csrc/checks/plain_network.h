// Recurrent layers and the update of proximal policy optimisation in plain loops and double precision, step by step
// from their equations (network/recurrent.h, mesasim/train/ppo_loss.py), for comparison.
#pragma once
#include <cmath>
#include <memory>
#include <vector>

#include "../network/ppo_update.h"

namespace mesa {

inline double plain_sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
inline std::vector<double> doubles(int64_t count) {
  return std::vector<double>(static_cast<size_t>(count));
}

// States and, from the slopes by them, gradients of a layer's slots, one after the other.
struct PlainLayer {
  std::vector<double> output, cell;  // [steps, slots, hidden], [slots, hidden]
  std::vector<double> of_x, of_carry, of_input, of_state, of_input_bias, of_state_bias;

  // `by_output` [steps, slots, hidden]; with run.slot, of those chosen.
  template <class Real, class Slope>
  PlainLayer(const LayerShape& s, const LayerWeights<Real>& w, const LayerRun<Real>& run, const Slope* by_output,
             const Slope* by_cell)
      : output(doubles(s.steps * s.slots * s.hidden)),
        cell(doubles(s.slots * s.hidden)),
        of_x(doubles(s.steps * run.slots * s.inputs)),
        of_carry(doubles(run.slots * s.carry())),
        of_input(doubles(s.gates() * s.hidden * s.inputs)),
        of_state(doubles(s.gates() * s.hidden * s.hidden)),
        of_input_bias(doubles(s.gates() * s.hidden)),
        of_state_bias(of_input_bias) {
    for (int64_t i = 0; i < s.slots; ++i) one_slot(s, w, run, by_output, by_cell, i);
  }

 private:
  struct Step {
    std::vector<double> before, cell_before, by_x, by_h, gate, cell;  // by_x, by_h: [gates hidden], before the gates
  };

  template <class Real, class Slope>
  void one_slot(const LayerShape& s, const LayerWeights<Real>& w, const LayerRun<Real>& run, const Slope* by_output,
                const Slope* by_cell, int64_t i) {
    const int64_t h = s.hidden, at = run.slot == nullptr ? i : run.slot[i], gates = s.gates();
    std::vector<Step> steps(static_cast<size_t>(s.steps));
    std::vector<double> state(run.carry + at * s.carry(), run.carry + at * s.carry() + h), c = doubles(h);
    if (s.lstm) c.assign(run.carry + at * s.carry() + h, run.carry + (at + 1) * s.carry());
    for (int64_t t = 0; t < s.steps; ++t) {
      Step& step = steps[static_cast<size_t>(t)];
      const Real* x = run.x + (t * run.slots + at) * s.inputs;
      if (run.is_first[t * run.slots + at]) state = c = doubles(h);
      step.before = state;
      step.cell_before = c;
      step.by_x = step.by_h = step.gate = doubles(gates * h);
      for (int64_t row = 0; row < gates * h; ++row) {
        double of_x_row = w.input_bias[row], of_h_row = w.state_bias[row];
        for (int64_t k = 0; k < s.inputs; ++k) of_x_row += double{w.input[row * s.inputs + k]} * x[k];
        for (int64_t k = 0; k < h; ++k) of_h_row += double{w.state[row * h + k]} * state[k];
        step.by_x[row] = of_x_row;
        step.by_h[row] = of_h_row;
      }
      for (int64_t k = 0; k < h; ++k) {
        double* gate = step.gate.data() + k;
        const auto sum = [&](int64_t g) { return step.by_x[g * h + k] + step.by_h[g * h + k]; };
        if (s.lstm) {
          for (int64_t g = 0; g < 4; ++g) gate[g * h] = g == 2 ? std::tanh(sum(g)) : plain_sigmoid(sum(g));
          c[k] = gate[h] * c[k] + gate[0] * gate[2 * h];
          state[k] = gate[3 * h] * std::tanh(c[k]);
        } else {
          gate[0] = plain_sigmoid(sum(0));
          gate[h] = plain_sigmoid(sum(1));
          gate[2 * h] = std::tanh(step.by_x[2 * h + k] + gate[0] * step.by_h[2 * h + k]);
          state[k] = (1 - gate[h]) * gate[2 * h] + gate[h] * step.before[k];
        }
      }
      step.cell = c;
      for (int64_t k = 0; k < h; ++k) output[(t * s.slots + i) * h + k] = state[k];
    }
    for (int64_t k = 0; k < h; ++k) cell[i * h + k] = c[k];
    back(s, w, run, by_output, by_cell, i, at, steps);
  }

  template <class Real, class Slope>
  void back(const LayerShape& s, const LayerWeights<Real>& w, const LayerRun<Real>& run, const Slope* by_output,
            const Slope* by_cell, int64_t i, int64_t at, const std::vector<Step>& steps) {
    const int64_t h = s.hidden, gates = s.gates();
    std::vector<double> by_state = doubles(h), by_c = doubles(h);
    for (int64_t k = 0; by_cell != nullptr && k < h; ++k) by_c[k] = by_cell[i * h + k];
    for (int64_t t = s.steps - 1; t >= 0; --t) {
      const Step& step = steps[static_cast<size_t>(t)];
      const Real* x = run.x + (t * run.slots + at) * s.inputs;
      std::vector<double> slope_x = doubles(gates * h), slope_h = slope_x, before = doubles(h);
      for (int64_t k = 0; k < h; ++k) {
        const double d = by_state[k] + by_output[(t * s.slots + i) * h + k];
        const double* gate = step.gate.data() + k;
        if (s.lstm) {
          const double in = gate[0], f = gate[h], g = gate[2 * h], o = gate[3 * h], tanh_c = std::tanh(step.cell[k]);
          const double dc = by_c[k] + d * o * (1 - tanh_c * tanh_c);
          const double slopes[] = {dc * g * in * (1 - in), dc * step.cell_before[k] * f * (1 - f),
                                   dc * in * (1 - g * g), d * tanh_c * o * (1 - o)};
          for (int64_t q = 0; q < 4; ++q) slope_x[q * h + k] = slope_h[q * h + k] = slopes[q];
          by_c[k] = dc * f;
        } else {
          const double r = gate[0], z = gate[h], n = gate[2 * h], of_n = d * (1 - z) * (1 - n * n);
          slope_x[k] = slope_h[k] = of_n * step.by_h[2 * h + k] * r * (1 - r);
          slope_x[h + k] = slope_h[h + k] = d * (step.before[k] - n) * z * (1 - z);
          slope_x[2 * h + k] = of_n;
          slope_h[2 * h + k] = of_n * r;
          before[k] = d * z;
        }
      }
      for (int64_t row = 0; row < gates * h; ++row) {
        of_input_bias[row] += slope_x[row];
        of_state_bias[row] += slope_h[row];
        for (int64_t k = 0; k < s.inputs; ++k) {
          of_input[row * s.inputs + k] += slope_x[row] * x[k];
          of_x[(t * run.slots + at) * s.inputs + k] += slope_x[row] * w.input[row * s.inputs + k];
        }
        for (int64_t k = 0; k < h; ++k) {
          of_state[row * h + k] += slope_h[row] * step.before[k];
          before[k] += slope_h[row] * w.state[row * h + k];
        }
      }
      by_state = before;
      if (run.is_first[t * run.slots + at]) by_state = by_c = doubles(h);
    }
    for (int64_t k = 0; k < h; ++k) {
      of_carry[at * s.carry() + k] = by_state[k];
      if (s.lstm) of_carry[at * s.carry() + h + k] = by_c[k];
    }
  }
};

struct PlainUpdate {
  double policy = 0, value_loss = 0, entropy = 0;  // means over samples
  std::vector<double> of_policy, of_policy_bias, of_value;
  double of_value_bias = 0;
  std::unique_ptr<PlainLayer> layer;
  bool near_a_corner = false;

  PlainUpdate(const PPOUpdate& u, const LayerWeights<float>& w, const HeadWeights& heads)
      : of_policy(doubles(u.settings.actions * u.shape.hidden)),
        of_policy_bias(doubles(u.settings.actions)),
        of_value(doubles(u.shape.hidden)) {
    const LayerShape& s = u.shape;
    std::vector<double> slopes = doubles(s.steps * s.slots * s.hidden);
    const PlainLayer forward(s, w, u.run, slopes.data(), static_cast<const double*>(nullptr));
    for (int64_t t = 0; t < s.steps; ++t) {
      for (int64_t i = 0; i < s.slots; ++i) {
        const int64_t row = (t * s.slots + i) * s.hidden;
        one_sample(u, heads, t, i, forward.output.data() + row, slopes.data() + row);
      }
    }
    layer = std::make_unique<PlainLayer>(s, w, u.run, slopes.data(), static_cast<const double*>(nullptr));
  }

 private:
  void one_sample(const PPOUpdate& u, const HeadWeights& heads, int64_t t, int64_t i, const double* state,
                  double* slope) {
    const PPOLossSettings& set = u.settings;
    const int64_t h = u.shape.hidden, actions = set.actions, at = t * set.slots + u.samples.slot[i];
    const double count = static_cast<double>(set.steps * set.chosen);
    std::vector<double> odds = doubles(actions), p = odds;
    bool any = false;
    for (int64_t a = 0; a < actions; ++a) {
      odds[a] = heads.policy_bias[a];
      for (int64_t k = 0; k < h; ++k) odds[a] += double{heads.policy[a * h + k]} * state[k];
      any |= u.mask != nullptr && u.mask[at * actions + a];
    }
    for (int64_t a = 0; any && a < actions; ++a) {
      if (!u.mask[at * actions + a]) odds[a] = -1e9;
    }
    double total = 0, most = -INFINITY, value = heads.value_bias[0], entropy_here = 0;
    for (const double odd : odds) most = std::max(most, odd);
    for (const double odd : odds) total += std::exp(odd - most);
    for (int64_t k = 0; k < h; ++k) value += double{heads.value[k]} * state[k];
    for (int64_t a = 0; a < actions; ++a) {
      odds[a] -= most + std::log(total);
      p[a] = std::exp(odds[a]);
      entropy_here -= p[a] * odds[a];
    }
    const int64_t taken = u.samples.action[at];
    const double ratio = std::exp(odds[taken] - u.samples.log_prob[at]), advantage = u.samples.advantage[at];
    const double kept = std::min(std::max(ratio, 1 - set.clip), 1 + set.clip);
    near_a_corner |= std::min(std::abs(ratio - 1 + set.clip), std::abs(ratio - 1 - set.clip)) < 1e-3;
    const bool pulls = ratio * advantage <= kept * advantage;
    const double off = (value - u.samples.target[at]) / set.horizon;
    policy -= std::min(ratio * advantage, kept * advantage) / count;
    value_loss += 0.5 * off * off / count;
    entropy += entropy_here / count;
    const double by_value = set.value_weight * off / set.horizon / count;
    for (int64_t a = 0; a < actions; ++a) {
      const double by_log = pulls ? -ratio * advantage / count : 0;
      const double by_odd =
          by_log * ((a == taken ? 1 : 0) - p[a]) + set.entropy_weight / count * p[a] * (odds[a] + entropy_here);
      of_policy_bias[a] += by_odd;
      for (int64_t k = 0; k < h; ++k) {
        of_policy[a * h + k] += by_odd * state[k];
        slope[k] += by_odd * heads.policy[a * h + k];
      }
    }
    of_value_bias += by_value;
    for (int64_t k = 0; k < h; ++k) {
      of_value[k] += by_value * state[k];
      slope[k] += by_value * heads.value[k];
    }
  }
};

}  // namespace mesa
