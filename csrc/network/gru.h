// A layer of gated recurrent units (Cho et al. 2014, in the form of cuDNN and torch.nn.GRU) along the steps of a
// rollout, and its gradients, as jobs over groups of slots:
//   r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = n + z (h - n),
// where h is cleared before a step that is an episode's first. Groups are cut the same whatever the threads, and what
// they add to gradients is summed in their order, so that the bits do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>

namespace mesa {

constexpr int64_t kPad = 16;          // numbers; a multiple of every vector's width
constexpr int64_t kSlotsAtOnce = 48;  // whose state stays in the first-level cache from step to step
constexpr int64_t kMostGroups = 16;   // that add to gradients of their own

inline int64_t padded(int64_t count) {
  return (count + kPad - 1) / kPad * kPad;
}

struct GruShape {
  int64_t steps, slots, inputs, hidden;

  int64_t state() const { return padded(hidden); }             // numbers of a padded state
  int64_t columns() const { return padded(hidden + inputs); }  // of state and input side by side
  // Of a row of them, in which every vector read from a state's or an input's begin ends.
  int64_t row() const { return std::max({columns(), hidden + padded(inputs), state()}); }
  int64_t kept() const { return 4 * state(); }  // numbers a forward pass keeps of a step for the gradients
  int64_t tiles() const { return (slots + kSlotsAtOnce - 1) / kSlotsAtOnce; }
};

// As torch.nn.GRU has them: gates in the order r, z, n.
template <class Real>
struct GruWeights {
  const Real* input;       // [3 hidden, inputs]
  const Real* state;       // [3 hidden, hidden]
  const Real* input_bias;  // [3 hidden]
  const Real* state_bias;  // [3 hidden]
};

// The same laid out for the loops, padded with zeros.
template <class Real>
struct PackedGru {
  GruShape shape;
  std::unique_ptr<Real[]> memory;
  Real *both, *new_state, *new_input;  // transposed: [hidden + inputs, 2 state], [hidden, state], [inputs, state]
  Real* bias;                          // [4 state]: r, z, of n's state, of n's input
  Real *by_state, *by_input;           // rows as they are: [3 state, state], [3 state, padded(inputs)]

  PackedGru(const GruShape& s, const GruWeights<Real>& w, bool for_gradients) : shape(s) {
    const int64_t h = s.state(), x = padded(s.inputs);
    const int64_t forward = (s.hidden + s.inputs) * 2 * h + s.hidden * h + s.inputs * h + 4 * h;
    memory.reset(new Real[forward + (for_gradients ? 3 * h * (h + x) : 0)]());
    both = memory.get();
    new_state = both + (s.hidden + s.inputs) * 2 * h;
    new_input = new_state + s.hidden * h;
    bias = new_input + s.inputs * h;
    by_state = bias + 4 * h;
    by_input = by_state + 3 * h * h;
    for (int64_t unit = 0; unit < s.hidden; ++unit) {
      for (int64_t gate = 0; gate < 3; ++gate) {
        const int64_t from = gate * s.hidden + unit;
        if (for_gradients) {
          std::copy_n(w.state + from * s.hidden, s.hidden, by_state + (gate * h + unit) * h);
          std::copy_n(w.input + from * s.inputs, s.inputs, by_input + (gate * h + unit) * x);
          continue;
        }
        Real* to_state = gate < 2 ? both + gate * h + unit : new_state + unit;
        Real* to_input = gate < 2 ? both + s.hidden * 2 * h + gate * h + unit : new_input + unit;
        const int64_t by = gate < 2 ? 2 * h : h;
        for (int64_t k = 0; k < s.hidden; ++k) to_state[k * by] = w.state[from * s.hidden + k];
        for (int64_t k = 0; k < s.inputs; ++k) to_input[k * by] = w.input[from * s.inputs + k];
        bias[gate * h + unit] = gate < 2 ? w.input_bias[from] + w.state_bias[from] : w.state_bias[from];
        if (gate == 2) bias[3 * h + unit] = w.input_bias[from];
      }
    }
  }
};

// What a pass reads, [steps, slots, …] each, a carry [slots, hidden].
template <class Real>
struct GruRun {
  const Real* x;
  const uint8_t* is_first;
  const Real* carry;
  int64_t slots;        // in a row of theirs
  const int64_t* slot;  // [shape.slots]: which of them; null: all, in order
};

// What becomes of it, [steps, by_step, …] each; a tile's begins at its first slot.
template <class Real>
struct GruMade {
  Real* output;  // the states after each step
  Real* kept;    // […, 4 state]: r, z, n, W_hn h + b_hn; null where no gradients will be asked for
  int64_t by_step;

  GruMade of_tile(const GruShape& s, int64_t first) const {
    return {output + first * s.hidden, kept == nullptr ? nullptr : kept + first * s.kept(), by_step};
  }
};

template <class Real>
struct GruGradients {
  const Real* output;  // of the loss by each state, as in GruMade, given
  Real* x;             // null where not asked for
  Real* carry;         // null where not asked for
  Real* input;         // the weights', as in GruWeights
  Real* state;
  Real* input_bias;
  Real* state_bias;
};

// In the order of a group's own sums: the gates r and z by state and input, n's by state, n's by input, biases.
inline int64_t gradient_numbers(const GruShape& s) {
  return 2 * s.state() * s.columns() + s.state() * s.state() + s.state() * padded(s.inputs) + 4 * s.state();
}

// Forward along every step; num_threads of the CPU.
template <class Real>
void run_gru(const GruShape& shape, const GruWeights<Real>& weights, const GruRun<Real>& run, const GruMade<Real>& made,
             int32_t num_threads);
// The gradients of a forward pass that kept what they need.
template <class Real>
void gru_gradients(const GruShape& shape, const GruWeights<Real>& weights, const GruRun<Real>& run,
                   const GruMade<Real>& made, const GruGradients<Real>& gradients, int32_t num_threads);

}  // namespace mesa
