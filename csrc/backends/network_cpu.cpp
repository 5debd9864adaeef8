// Layers of networks on the CPU: the loops for each instruction set, and how slots are shared among threads.
#include <cmath>
#include <cstring>
#include <vector>

#include "../network/adam.h"
#include "../network/ppo_update.h"
#include "../network/recurrent.h"
#include "hand_out.h"
#include "instruction_sets.h"

#define MESA_INLINE inline __attribute__((always_inline))

namespace mesa {

#define MESA_VECTOR_BYTES 16
#define MESA_LOOPS
namespace baseline {
#include "../network/loops.h"
//
#include "../network/recurrent_loops.h"
//
#include "../network/ppo_loss_loops.h"
//
#include "../network/ppo_update_loops.h"
//
#include "../network/adam_loops.h"
}  // namespace baseline
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS

#if MESA_X86
#define MESA_VECTOR_BYTES 32
#define MESA_LOOPS __attribute__((target("avx2,fma")))
namespace avx2 {
#include "../network/loops.h"
//
#include "../network/recurrent_loops.h"
//
#include "../network/ppo_loss_loops.h"
//
#include "../network/ppo_update_loops.h"
//
#include "../network/adam_loops.h"
}  // namespace avx2
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS

#define MESA_VECTOR_BYTES 64
#define MESA_LOOPS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
namespace avx512 {
#include "../network/loops.h"
//
#include "../network/recurrent_loops.h"
//
#include "../network/ppo_loss_loops.h"
//
#include "../network/ppo_update_loops.h"
//
#include "../network/adam_loops.h"
}  // namespace avx512
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS
#endif

namespace {

// One instruction set's loops.
template <class Real>
struct Loops {
  decltype(&baseline::forward_numbers<Real>) forward_numbers;
  decltype(&baseline::forward_tile<Real>) forward;
  decltype(&baseline::backward_numbers<Real>) backward_numbers;
  decltype(&baseline::backward_tile<Real>) backward;
  decltype(&baseline::ppo_loss_rows) loss;
  decltype(&baseline::update_numbers) update_numbers;
  decltype(&baseline::update_tile) update;
  decltype(&baseline::sum_of_squares) sum_of_squares;
  decltype(&baseline::adam_step) adam_step;
};

#define MESA_LOOPS_OF(set)                                                                                      \
  Loops<Real> {                                                                                                 \
    set::forward_numbers<Real>, set::forward_tile<Real>, set::backward_numbers<Real>, set::backward_tile<Real>, \
        set::ppo_loss_rows, set::update_numbers, set::update_tile, set::sum_of_squares, set::adam_step          \
  }

template <class Real>
Loops<Real> loops() {
#if MESA_X86
  switch (set_for_solvers()) {
    case kAvx512:
      return MESA_LOOPS_OF(avx512);
    case kAvx2:
      return MESA_LOOPS_OF(avx2);
    default:
      break;
  }
#endif
  return MESA_LOOPS_OF(baseline);
}

// Calls body(first, count, group, memory) for every tile of slots, each with `numbers` to work in. Tiles of a group
// come in order, on one thread.
template <class Real, class Body>
void by_tiles(int64_t slots, int64_t groups, int64_t numbers, int32_t num_threads, const Body& body) {
  const int64_t tiles = (slots + kSlotsAtOnce - 1) / kSlotsAtOnce;
  hand_out(groups, num_threads, 1, numbers * static_cast<int64_t>(sizeof(Real)),
           [&](int64_t begin, int64_t end, Scratch scratch) {
             for (int64_t group = begin; group < end; ++group) {
               for (int64_t tile = group * tiles / groups; tile < (group + 1) * tiles / groups; ++tile) {
                 const int64_t first = tile * kSlotsAtOnce;
                 body(first, std::min(kSlotsAtOnce, slots - first), group, reinterpret_cast<Real*>(scratch.at));
               }
             }
           });
}

template <class Real>
void clear(const LayerShape& s, const LayerGradients<Real>& to) {
  std::fill_n(to.input, s.gates() * s.hidden * s.inputs, Real(0));
  std::fill_n(to.state, s.gates() * s.hidden * s.hidden, Real(0));
  std::fill_n(to.input_bias, s.gates() * s.hidden, Real(0));
  std::fill_n(to.state_bias, s.gates() * s.hidden, Real(0));
}

// Groups' sums, one after the other, added up in the first.
template <class Real>
void add_groups(Real* sums, int64_t groups, int64_t size) {
  for (int64_t group = 1; group < groups; ++group) {
    const Real* more = sums + group * size;
    for (int64_t k = 0; k < size; ++k) sums[k] += more[k];
  }
}

// The weights' gradients as torch has them, from sums of the order of gradient_numbers.
template <class Real>
void hand_over(const LayerShape& s, const Real* sums, const LayerGradients<Real>& to) {
  const int64_t h = s.state(), wide = s.joint() * h;
  const Real *new_state = sums + s.columns() * wide, *new_input = new_state + (s.hidden + 1) * h;
  for (int64_t gate = 0; gate < s.gates(); ++gate) {
    const bool joint = gate < s.joint();
    const int64_t by = joint ? wide : h;
    const Real* state = joint ? sums + gate * h : new_state;
    const Real* input = joint ? state + s.hidden * by : new_input;
    const Real *input_bias = input + s.inputs * by, *state_bias = joint ? input_bias : new_state + s.hidden * h;
    for (int64_t unit = 0; unit < s.hidden; ++unit) {
      const int64_t row = gate * s.hidden + unit;
      for (int64_t k = 0; k < s.hidden; ++k) to.state[row * s.hidden + k] = state[k * by + unit];
      for (int64_t k = 0; k < s.inputs; ++k) to.input[row * s.inputs + k] = input[k * by + unit];
      to.state_bias[row] = state_bias[unit];
      to.input_bias[row] = input_bias[unit];
    }
  }
}

}  // namespace

template <class Real>
void run_layer(const LayerShape& shape, const LayerWeights<Real>& weights, const LayerRun<Real>& run,
               const LayerMade<Real>& made, int32_t num_threads) {
  if (shape.slots == 0) return;
  if (shape.steps == 0) {  // an LSTM's c is what it was
    for (int64_t i = 0; made.cell != nullptr && i < shape.slots; ++i)
      std::copy_n(run.carry + i * shape.carry() + shape.hidden, shape.hidden, made.cell + i * shape.hidden);
    return;
  }
  const PackedLayer<Real> packed(shape, weights, false);
  const Loops<Real> loop = loops<Real>();
  by_tiles<Real>(shape.slots, shape.tiles(), loop.forward_numbers(shape), num_threads,
                 [&](int64_t first, int64_t count, int64_t, Real* memory) {
                   loop.forward(packed, run, made.of_tile(shape, first), first, count, memory);
                 });
}

template <class Real>
void layer_gradients(const LayerShape& shape, const LayerWeights<Real>& weights, const LayerRun<Real>& run,
                     const LayerMade<Real>& made, const LayerGradients<Real>& gradients, int32_t num_threads) {
  clear(shape, gradients);
  if (gradients.carry != nullptr) std::fill_n(gradients.carry, shape.slots * shape.carry(), Real(0));
  if (shape.slots == 0) return;
  if (shape.steps == 0) {
    const bool asked = gradients.cell != nullptr && gradients.carry != nullptr;
    for (int64_t i = 0; asked && i < shape.slots; ++i)
      std::copy_n(gradients.cell + i * shape.hidden, shape.hidden, gradients.carry + i * shape.carry() + shape.hidden);
    return;
  }
  const PackedLayer<Real> packed(shape, weights, true);
  const Loops<Real> loop = loops<Real>();
  const int64_t groups = std::min(kMostGroups, shape.tiles()), size = gradient_numbers(shape);
  Workspace room(groups * size * static_cast<int64_t>(sizeof(Real)));
  Real* sums = room.as<Real>();
  std::fill_n(sums, groups * size, Real(0));
  by_tiles<Real>(shape.slots, groups, loop.backward_numbers(shape), num_threads,
                 [&](int64_t first, int64_t count, int64_t group, Real* memory) {
                   LayerGradients<Real> of_tile = gradients;
                   of_tile.output += first * shape.hidden;
                   if (of_tile.cell != nullptr) of_tile.cell += first * shape.hidden;
                   loop.backward(packed, run, made.of_tile(shape, first), of_tile, first, count, memory,
                                 sums + group * size);
                 });
  add_groups(sums, groups, size);
  hand_over(shape, sums, gradients);
}

#define MESA_LAYER_OF(Real)                                                                                \
  template void run_layer<Real>(const LayerShape&, const LayerWeights<Real>&, const LayerRun<Real>&,       \
                                const LayerMade<Real>&, int32_t);                                          \
  template void layer_gradients<Real>(const LayerShape&, const LayerWeights<Real>&, const LayerRun<Real>&, \
                                      const LayerMade<Real>&, const LayerGradients<Real>&, int32_t);
MESA_LAYER_OF(float)
MESA_LAYER_OF(double)

PPOLossTerms ppo_loss(const PPOLossSettings& settings, const PPOSamples& samples, const float* logits,
                      const float* value, float* by_logits, float* by_value, int32_t num_threads) {
  check_slots(settings, samples);
  constexpr int64_t kSamplesAtOnce = 512;  // added up in groups that are the same whatever the threads
  const int64_t count = settings.steps * settings.chosen, groups = (count + kSamplesAtOnce - 1) / kSamplesAtOnce;
  std::vector<PPOLossTerms> sums(static_cast<size_t>(groups));
  const Loops<float> loop = loops<float>();
  const int64_t memory = baseline::loss_numbers(settings.actions) * static_cast<int64_t>(sizeof(float));
  hand_out(groups, num_threads, 1, memory, [&](int64_t begin, int64_t end, Scratch scratch) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * kSamplesAtOnce, at = first * settings.actions;
      const PPOAnswers answers{logits + at, value + first, by_logits + at, by_value + first, settings.actions, 1};
      loop.loss(settings, samples, {first, settings.chosen, 0}, std::min(kSamplesAtOnce, count - first), answers,
                reinterpret_cast<float*>(scratch.at), sums[static_cast<size_t>(group)]);
    }
  });
  PPOLossTerms all;
  for (const PPOLossTerms& sum : sums) all.add(sum);
  return all;
}

PPOLossTerms ppo_update(const PPOUpdate& update, const LayerWeights<float>& weights, const HeadWeights& head_weights,
                        const LayerGradients<float>& gradients, const HeadGradients& of_heads, int32_t num_threads) {
  check_slots(update.settings, update.samples);
  const LayerShape& shape = update.shape;
  const int64_t actions = update.settings.actions, h = shape.state();
  const PackedLayer<float> forward(shape, weights, false), back(shape, weights, true);
  const PackedHeads heads(shape, actions, head_weights);
  const Loops<float> loop = loops<float>();
  const int64_t groups = std::min(kMostGroups, shape.tiles()), layer = gradient_numbers(shape);
  const int64_t size = layer + head_numbers(shape, actions);
  Workspace room(groups * size * static_cast<int64_t>(sizeof(float)));
  float* sums = room.as<float>();
  std::fill_n(sums, groups * size, 0.0f);
  std::vector<PPOLossTerms> terms(static_cast<size_t>(groups));
  by_tiles<float>(shape.slots, groups, loop.update_numbers(shape, actions), num_threads,
                  [&](int64_t first, int64_t count, int64_t group, float* memory) {
                    loop.update(update, forward, back, heads, first, count, memory, sums + group * size,
                                terms[static_cast<size_t>(group)]);
                  });
  add_groups(sums, groups, size);
  hand_over(shape, sums, gradients);
  const float *rows = sums + layer, *biases = rows + (actions + 1) * h;
  for (int64_t a = 0; a <= actions; ++a) {
    std::copy_n(rows + a * h, shape.hidden, a < actions ? of_heads.policy + a * shape.hidden : of_heads.value);
    (a < actions ? of_heads.policy_bias[a] : *of_heads.value_bias) = biases[a];
  }
  PPOLossTerms all;
  for (const PPOLossTerms& of_group : terms) all.add(of_group);
  return all;
}

void clipped_adam(const AdamSettings& settings, const std::vector<AdamTensor>& tensors) {
  const Loops<float> loop = loops<float>();
  double squares = 0;
  for (const AdamTensor& tensor : tensors) squares += loop.sum_of_squares(tensor.gradient, tensor.count);
  const double scale = settings.most / (std::sqrt(squares) + 1e-6);
  for (const AdamTensor& tensor : tensors) loop.adam_step(settings, tensor, scale > 1 ? 1.0 : scale);  // NaN stays
}

}  // namespace mesa
