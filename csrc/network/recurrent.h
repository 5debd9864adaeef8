// A recurrent layer along the steps of a rollout, and its gradients, as jobs over groups of slots. The cells are those
// of cuDNN and torch. GRU (Cho et al. 2014):
//   r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = n + z (h - n);
// LSTM (Hochreiter and Schmidhuber 1997, with Gers' forget gate):
//   i, f, o = σ(W x + b + W h + b), g = tanh(the same), c' = f c + i g, h' = o tanh(c').
// h and c are cleared before a step that is an episode's first. Groups are cut the same whatever the threads, and what
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

struct LayerShape {
  int64_t steps, slots, inputs, hidden;
  bool lstm;

  int64_t state() const { return padded(hidden); }         // numbers of a padded state
  int64_t columns() const { return hidden + inputs + 1; }  // of state, input and a one, whose slopes are the biases'
  // Of a row of them, in which every vector read from a state's begin ends.
  int64_t row() const { return std::max(padded(columns()), state()); }
  int64_t carry() const { return lstm ? 2 * hidden : hidden; }  // numbers: h, then c
  int64_t gates() const { return lstm ? 4 : 3; }                // of the weights
  // Gates that read state and input as one; of a GRU's the third reads them apart.
  int64_t joint() const { return lstm ? 4 : 2; }
  // Numbers a forward pass keeps of a step for the gradients: r, z, n, W_hn h + b_hn; or i, f, g, o, c'.
  int64_t kept() const { return (lstm ? 5 : 4) * state(); }
  int64_t tiles() const { return (slots + kSlotsAtOnce - 1) / kSlotsAtOnce; }
};

// As torch has them: gates in the order r, z, n; or i, f, g, o.
template <class Real>
struct LayerWeights {
  const Real* input;       // [gates hidden, inputs]
  const Real* state;       // [gates hidden, hidden]
  const Real* input_bias;  // [gates hidden]
  const Real* state_bias;  // [gates hidden]
};

// The same laid out for the loops, padded with zeros: for the forward pass or for the gradients.
template <class Real>
struct PackedLayer {
  LayerShape shape;
  std::unique_ptr<Real[]> memory;
  // Transposed: [hidden + inputs, joint state]; of a GRU's n: [hidden, state] and [inputs, state].
  Real *both, *new_state, *new_input;
  Real* bias;                 // [4 state]: of a GRU r, z, of n's state, of n's input
  Real *by_state, *by_input;  // rows as they are: [gates state, state], [gates state, padded(inputs)]

  PackedLayer(const LayerShape& s, const LayerWeights<Real>& w, bool for_gradients) : shape(s) {
    const int64_t h = s.state(), x = padded(s.inputs), wide = s.joint() * h;
    const int64_t forward = (s.hidden + s.inputs) * (wide + h) + 4 * h;
    memory.reset(new Real[for_gradients ? s.gates() * h * (h + x) : forward]());
    both = by_state = memory.get();
    by_input = by_state + s.gates() * h * h;
    new_state = both + (s.hidden + s.inputs) * wide;
    new_input = new_state + s.hidden * h;
    bias = new_input + s.inputs * h;
    for (int64_t unit = 0; unit < s.hidden; ++unit) {
      for (int64_t gate = 0; gate < s.gates(); ++gate) {
        const int64_t from = gate * s.hidden + unit;
        if (for_gradients) {
          std::copy_n(w.state + from * s.hidden, s.hidden, by_state + (gate * h + unit) * h);
          std::copy_n(w.input + from * s.inputs, s.inputs, by_input + (gate * h + unit) * x);
          continue;
        }
        const bool joint = gate < s.joint();
        Real* to_state = joint ? both + gate * h + unit : new_state + unit;
        Real* to_input = joint ? both + s.hidden * wide + gate * h + unit : new_input + unit;
        const int64_t by = joint ? wide : h;
        for (int64_t k = 0; k < s.hidden; ++k) to_state[k * by] = w.state[from * s.hidden + k];
        for (int64_t k = 0; k < s.inputs; ++k) to_input[k * by] = w.input[from * s.inputs + k];
        bias[gate * h + unit] = w.state_bias[from] + (joint ? w.input_bias[from] : Real(0));
        if (!joint) bias[3 * h + unit] = w.input_bias[from];
      }
    }
  }
};

// What a pass reads, [steps, slots, …] each, a carry [slots, carry].
template <class Real>
struct LayerRun {
  const Real* x;
  const uint8_t* is_first;
  const Real* carry;
  int64_t slots;        // in a row of theirs
  const int64_t* slot;  // [shape.slots]: which of them; null: all, in order
};

// What becomes of it, [steps, by_step, …] each; a tile's begins at its first slot.
template <class Real>
struct LayerMade {
  Real* output;  // the states after each step
  Real* kept;    // […, kept]; null where no gradients will be asked for
  Real* cell;    // [by_step, hidden]: an LSTM's c after the last step; null where not asked for
  int64_t by_step;

  LayerMade of_tile(const LayerShape& s, int64_t first) const {
    return {output + first * s.hidden, kept == nullptr ? nullptr : kept + first * s.kept(),
            cell == nullptr ? nullptr : cell + first * s.hidden, by_step};
  }
};

template <class Real>
struct LayerGradients {
  const Real* output;  // of the loss by each state, as in LayerMade, given
  const Real* cell;    // by an LSTM's last c, given; null for none
  Real* x;             // null where not asked for
  Real* carry;         // null where not asked for
  Real* input;         // the weights', as in LayerWeights
  Real* state;
  Real* input_bias;
  Real* state_bias;
};

// In the order of a group's own sums, laid out as the forward pass has the weights: of the joint gates by state, input
// and one [columns, joint state]; of a GRU's n by state and one [hidden + 1, state], by input and one [inputs + 1,
// state].
inline int64_t gradient_numbers(const LayerShape& s) {
  return s.columns() * s.joint() * s.state() + (s.lstm ? 0 : (s.columns() + 1) * s.state());
}

// Forward along every step; num_threads of the CPU.
template <class Real>
void run_layer(const LayerShape& shape, const LayerWeights<Real>& weights, const LayerRun<Real>& run,
               const LayerMade<Real>& made, int32_t num_threads);
// The gradients of a forward pass that kept what they need.
template <class Real>
void layer_gradients(const LayerShape& shape, const LayerWeights<Real>& weights, const LayerRun<Real>& run,
                     const LayerMade<Real>& made, const LayerGradients<Real>& gradients, int32_t num_threads);

}  // namespace mesa
