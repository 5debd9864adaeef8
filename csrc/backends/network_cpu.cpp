// Layers of networks on the CPU: the loops for each instruction set, and how slots are shared among threads.
#include <cmath>
#include <cstring>
#include <vector>

#include "../network/gru.h"
#include "hand_out.h"
#include "instruction_sets.h"

#define MESA_INLINE inline __attribute__((always_inline))

namespace mesa {

#define MESA_VECTOR_BYTES 16
#define MESA_LOOPS
namespace baseline {
#include "../network/loops.h"
//
#include "../network/gru_loops.h"
}  // namespace baseline
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS

#if MESA_X86
#define MESA_VECTOR_BYTES 32
#define MESA_LOOPS __attribute__((target("avx2,fma")))
namespace avx2 {
#include "../network/loops.h"
//
#include "../network/gru_loops.h"
}  // namespace avx2
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS

#define MESA_VECTOR_BYTES 64
#define MESA_LOOPS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
namespace avx512 {
#include "../network/loops.h"
//
#include "../network/gru_loops.h"
}  // namespace avx512
#undef MESA_VECTOR_BYTES
#undef MESA_LOOPS
#endif

namespace {

// One instruction set's loops.
template <class Real>
struct Loops {
  int64_t (*forward_numbers)(const GruShape&);
  void (*forward)(const PackedGru<Real>&, const GruRun<Real>&, int64_t, int64_t, Real*);
  int64_t (*backward_numbers)(const GruShape&);
  void (*backward)(
      const PackedGru<Real>&, const GruRun<Real>&, const GruGradients<Real>&, int64_t, int64_t, Real*, Real*);
};

#define MESA_LOOPS_OF(set) \
  Loops<Real> { set::forward_numbers<Real>, set::forward_tile<Real>, set::backward_numbers<Real>, set::backward_tile<Real> }

template <class Real>
Loops<Real> loops() {
#if MESA_X86
  switch (set_for_solvers()) {
    case kAvx512: return MESA_LOOPS_OF(avx512);
    case kAvx2: return MESA_LOOPS_OF(avx2);
    default: break;
  }
#endif
  return MESA_LOOPS_OF(baseline);
}

// A group's sums without their padding, added to the weights' gradients.
template <class Real>
void add_sums(const GruShape& s, const Real* sums, const GruGradients<Real>& to) {
  const int64_t h = s.state(), x = padded(s.inputs), columns = s.columns();
  const Real *new_state = sums + 2 * h * columns, *new_input = new_state + h * h, *biases = new_input + h * x;
  for (int64_t gate = 0; gate < 3; ++gate) {
    for (int64_t unit = 0; unit < s.hidden; ++unit) {
      const Real* both = sums + (gate * h + unit) * columns;
      const Real* by_state = gate < 2 ? both : new_state + unit * h;
      const Real* by_input = gate < 2 ? both + s.hidden : new_input + unit * x;
      const int64_t row = gate * s.hidden + unit;
      for (int64_t k = 0; k < s.hidden; ++k) to.state[row * s.hidden + k] += by_state[k];
      for (int64_t k = 0; k < s.inputs; ++k) to.input[row * s.inputs + k] += by_input[k];
      to.state_bias[row] += biases[gate * h + unit];
      to.input_bias[row] += biases[(gate < 2 ? gate : 3) * h + unit];
    }
  }
}

}  // namespace

template <class Real>
void run_gru(const GruShape& shape, const GruWeights<Real>& weights, const GruRun<Real>& run, int32_t num_threads) {
  if (shape.slots == 0 || shape.steps == 0) return;
  const PackedGru<Real> packed(shape, weights, false);
  const Loops<Real> loop = loops<Real>();
  const int64_t bytes = loop.forward_numbers(shape) * static_cast<int64_t>(sizeof(Real));
  hand_out(shape.tiles(), num_threads, 1, bytes, [&](int64_t begin, int64_t end, Scratch scratch) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kSlotsAtOnce;
      const int64_t count = std::min(kSlotsAtOnce, shape.slots - first);
      loop.forward(packed, run, first, count, reinterpret_cast<Real*>(scratch.at));
    }
  });
}

template <class Real>
void gru_gradients(
    const GruShape& shape, const GruWeights<Real>& weights, const GruRun<Real>& run, const GruGradients<Real>& gradients,
    int32_t num_threads) {
  const int64_t rows = 3 * shape.hidden, size = gradient_numbers(shape);
  std::fill_n(gradients.input, rows * shape.inputs, Real(0));
  std::fill_n(gradients.state, rows * shape.hidden, Real(0));
  std::fill_n(gradients.input_bias, rows, Real(0));
  std::fill_n(gradients.state_bias, rows, Real(0));
  if (gradients.carry != nullptr) std::fill_n(gradients.carry, shape.slots * shape.hidden, Real(0));
  if (shape.slots == 0 || shape.steps == 0) return;
  const PackedGru<Real> packed(shape, weights, true);
  const Loops<Real> loop = loops<Real>();
  const int64_t groups = std::min(kMostGroups, shape.tiles());
  std::vector<Real> sums(static_cast<size_t>(groups * size));
  const int64_t bytes = loop.backward_numbers(shape) * static_cast<int64_t>(sizeof(Real));
  hand_out(groups, num_threads, 1, bytes, [&](int64_t begin, int64_t end, Scratch scratch) {
    for (int64_t group = begin; group < end; ++group) {
      for (int64_t tile = group * shape.tiles() / groups; tile < (group + 1) * shape.tiles() / groups; ++tile) {
        const int64_t first = tile * kSlotsAtOnce;
        const int64_t count = std::min(kSlotsAtOnce, shape.slots - first);
        loop.backward(
            packed, run, gradients, first, count, reinterpret_cast<Real*>(scratch.at), sums.data() + group * size);
      }
    }
  });
  for (int64_t group = 0; group < groups; ++group) add_sums(shape, sums.data() + group * size, gradients);
}

#define MESA_GRU_OF(Real)                                                                                   \
  template void run_gru<Real>(const GruShape&, const GruWeights<Real>&, const GruRun<Real>&, int32_t);      \
  template void gru_gradients<Real>(                                                                        \
      const GruShape&, const GruWeights<Real>&, const GruRun<Real>&, const GruGradients<Real>&, int32_t);
MESA_GRU_OF(float)
MESA_GRU_OF(double)

}  // namespace mesa
