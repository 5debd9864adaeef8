// A tile of slots along all steps of a recurrent layer, forward and back: see recurrent.h for what, loops.h for how it
// is included.

// Where slot `i` of a tile that begins at `first` is read at a step.
template <class Real>
MESA_LOOPS MESA_INLINE int64_t read_at(const LayerRun<Real>& run, int64_t step, int64_t i) {
  return step * run.slots + (run.slot == nullptr ? i : run.slot[i]);
}

// [state | input] of the tile's slots at a step, cleared where an episode starts.
template <class Real>
MESA_LOOPS inline void gather(const LayerShape& s, const LayerRun<Real>& run, const LayerMade<Real>& made, int64_t step,
                              int64_t first, int64_t count, Real* rows) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = read_at(run, step, first + i);
    Real* row = rows + i * s.row();
    const Real* before = step == 0 ? run.carry + read_at(run, 0, first + i) * s.carry()
                                   : made.output + ((step - 1) * made.by_step + i) * s.hidden;
    if (run.is_first[at]) {
      for (int64_t k = 0; k < s.hidden; ++k) row[k] = 0;
    } else {
      for (int64_t k = 0; k < s.hidden; ++k) row[k] = before[k];
    }
    const Real* x = run.x + at * s.inputs;
    for (int64_t k = 0; k < s.inputs; ++k) row[s.hidden + k] = x[k];
  }
}

// One slot's state [h] after a step from its gates [4 h] and its state before.
template <class Real>
MESA_LOOPS inline void gru_step(int64_t h, const Real* gate, const Real* before, Real* after, Real* kept) {
  for (int64_t k = 0; k < h; k += kWide<Real>) {
    Vector<Real> r, z, n, by_state, was;
    load<Real>(r, gate + k);
    load<Real>(z, gate + h + k);
    load<Real>(by_state, gate + 2 * h + k);
    load<Real>(n, gate + 3 * h + k);
    load<Real>(was, before + k);
    sigmoids<Real>(r, z);
    n += r * by_state;
    hyperbolic_tangent<Real>(n);
    store<Real>(after + k, n + z * (was - n));
    if (kept == nullptr) continue;
    store<Real>(kept + k, r);
    store<Real>(kept + h + k, z);
    store<Real>(kept + 2 * h + k, n);
    store<Real>(kept + 3 * h + k, by_state);
  }
}

// The same, and its c [h].
template <class Real>
MESA_LOOPS inline void lstm_step(int64_t h, const Real* gate, Real* cell, Real* after, Real* kept) {
  for (int64_t k = 0; k < h; k += kWide<Real>) {
    Vector<Real> i, f, g, o, c;
    load<Real>(i, gate + k);
    load<Real>(f, gate + h + k);
    load<Real>(g, gate + 2 * h + k);
    load<Real>(o, gate + 3 * h + k);
    load<Real>(c, cell + k);
    sigmoids<Real>(i, f);
    g *= Real(2);
    sigmoids<Real>(o, g);
    g = g * Real(2) - Real(1);  // tanh
    c = f * c + i * g;
    store<Real>(cell + k, c);
    if (kept != nullptr) {
      store<Real>(kept + k, i);
      store<Real>(kept + h + k, f);
      store<Real>(kept + 2 * h + k, g);
      store<Real>(kept + 3 * h + k, o);
      store<Real>(kept + 4 * h + k, c);
    }
    hyperbolic_tangent<Real>(c);
    store<Real>(after + k, o * c);
  }
}

// An LSTM's c [h] of the tile's slot `i` before a step; `at`: c after the step before, in what was kept of it.
template <class Real>
MESA_LOOPS inline void cell_before(const LayerShape& s, const LayerRun<Real>& run, int64_t step, int64_t slot,
                                   const Real* at, Real* cell) {
  const int64_t h = s.state();
  if (run.is_first[read_at(run, step, slot)]) {
    std::fill_n(cell, h, Real(0));
  } else if (step == 0) {
    const Real* carry = run.carry + read_at(run, 0, slot) * s.carry() + s.hidden;
    std::copy_n(carry, s.hidden, cell);
    std::fill_n(cell + s.hidden, h - s.hidden, Real(0));
  } else if (at != cell) {
    std::copy_n(at, h, cell);
  }
}

template <class Real>
MESA_LOOPS inline int64_t forward_numbers(const LayerShape& s) {
  return kSlotsAtOnce * (s.row() + 5 * s.state()) + s.state();
}

template <class Real>
MESA_LOOPS inline void forward_tile(const PackedLayer<Real>& packed, const LayerRun<Real>& run,
                                    const LayerMade<Real>& made, int64_t first, int64_t count, Real* memory) {
  const LayerShape& s = packed.shape;
  const int64_t h = s.state(), by = 4 * h, wide = s.joint() * h;
  Real* rows = memory;                          // [count, row]
  Real* gates = rows + kSlotsAtOnce * s.row();  // [count, 4 h]
  Real* cells = gates + kSlotsAtOnce * by;      // [count, h]
  Real* after = cells + kSlotsAtOnce * h;       // [h], a state with its padding
  std::fill_n(rows, kSlotsAtOnce * s.row(), Real(0));
  for (int64_t step = 0; step < s.steps; ++step) {
    gather(s, run, made, step, first, count, rows);
    multiply<Real>(count, wide, s.hidden + s.inputs, {rows, s.row(), 1}, packed.both, wide, packed.bias, 0, gates, by);
    if (!s.lstm) {
      multiply<Real>(count, h, s.hidden, {rows, s.row(), 1}, packed.new_state, h, packed.bias + 2 * h, 0, gates + 2 * h,
                     by);
      multiply<Real>(count, h, s.inputs, {rows + s.hidden, s.row(), 1}, packed.new_input, h, packed.bias + 3 * h, 0,
                     gates + 3 * h, by);
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = step * made.by_step + i;
      Real* kept = made.kept == nullptr ? nullptr : made.kept + at * s.kept();
      if (s.lstm) {
        cell_before(s, run, step, first + i, cells + i * h, cells + i * h);
        lstm_step(h, gates + i * by, cells + i * h, after, kept);
      } else {
        gru_step(h, gates + i * by, rows + i * s.row(), after, kept);
      }
      std::copy_n(after, s.hidden, made.output + at * s.hidden);
    }
  }
  if (made.cell == nullptr) return;
  for (int64_t i = 0; i < count; ++i) std::copy_n(cells + i * h, s.hidden, made.cell + i * s.hidden);
}

// One slot's step back, from the slope of the loss by its state [h]: the slopes by what its gates' functions are of [4
// h] (r, z, n's state, n's input), and what of it goes past the gates to the state before.
template <class Real>
MESA_LOOPS inline void gru_back(int64_t h, const Real* kept, const Real* before, const Real* by_state, Real* slope,
                                Real* passed) {
  for (int64_t k = 0; k < h; k += kWide<Real>) {
    Vector<Real> r, z, n, state, was, d;
    load<Real>(r, kept + k);
    load<Real>(z, kept + h + k);
    load<Real>(n, kept + 2 * h + k);
    load<Real>(state, kept + 3 * h + k);
    load<Real>(was, before + k);  // beyond the hidden units inputs, which d = 0 leaves out
    load<Real>(d, by_state + k);
    const Vector<Real> of_n = d * (Real(1) - z) * (Real(1) - n * n);
    store<Real>(slope + k, of_n * state * r * (Real(1) - r));
    store<Real>(slope + h + k, d * (was - n) * z * (Real(1) - z));
    store<Real>(slope + 2 * h + k, of_n * r);
    store<Real>(slope + 3 * h + k, of_n);
    store<Real>(passed + k, d * z);
  }
}

// The same (i, f, g, o); `by_cell` [h], the slope by c after the step, becomes that by c before it.
template <class Real>
MESA_LOOPS inline void lstm_back(int64_t h, const Real* kept, const Real* before, const Real* after,
                                 const Real* by_state, Real* by_cell, Real* slope) {
  for (int64_t k = 0; k < h; k += kWide<Real>) {
    Vector<Real> i, f, g, o, c, was, d, dc;  // c: tanh of the cell's state, which is h' / o
    load<Real>(i, kept + k);
    load<Real>(f, kept + h + k);
    load<Real>(g, kept + 2 * h + k);
    load<Real>(o, kept + 3 * h + k);
    load<Real>(c, after + k);
    load<Real>(was, before + k);
    load<Real>(d, by_state + k);
    load<Real>(dc, by_cell + k);
    c /= o;
    dc += d * o * (Real(1) - c * c);
    store<Real>(slope + k, dc * g * i * (Real(1) - i));
    store<Real>(slope + h + k, dc * was * f * (Real(1) - f));
    store<Real>(slope + 2 * h + k, dc * i * (Real(1) - g * g));
    store<Real>(slope + 3 * h + k, d * c * o * (Real(1) - o));
    store<Real>(by_cell + k, dc * f);
  }
}

template <class Real>
MESA_LOOPS inline int64_t backward_numbers(const LayerShape& s) {
  return kSlotsAtOnce * (s.row() + 7 * s.state() + padded(s.inputs)) + 2 * s.state();
}

// Slopes of the loss by the states after a step, given [step, by_step, hidden]: added to those of later steps [count,
// h].
template <class Real>
struct GivenSlopes {
  const Real* output;
  int64_t by_step, count, hidden, h;

  MESA_LOOPS void add(int64_t step, Real* later) const {
    for (int64_t i = 0; i < count; ++i) {
      const Real* given = output + (step * by_step + i) * hidden;
      for (int64_t k = 0; k < hidden; ++k) later[i * h + k] += given[k];
    }
  }
};

// Adds the tile's share of the weights' gradients to `sums` (gradient_numbers of them).
template <class Real, class Slopes>
MESA_LOOPS inline void back_along(const PackedLayer<Real>& packed, const LayerRun<Real>& run,
                                  const LayerMade<Real>& made, const Slopes& given,
                                  const LayerGradients<Real>& gradients, int64_t first, int64_t count, Real* memory,
                                  Real* sums) {
  const LayerShape& s = packed.shape;
  const int64_t h = s.state(), by = 4 * h, x = padded(s.inputs), wide = s.joint() * h;
  Real* rows = memory;                           // [count, row]
  Real* slopes = rows + kSlotsAtOnce * s.row();  // [count, 4 h]: by what the gates' functions are of
  Real* later = slopes + kSlotsAtOnce * by;      // [count, h]: of the loss of later steps, by the state
  Real* passed = later + kSlotsAtOnce * h;       // [count, h]: what of it goes past the gates
  Real* by_cells = passed + kSlotsAtOnce * h;    // [count, h]
  Real* by_x = by_cells + kSlotsAtOnce * h;      // [count, x]
  Real* cell = by_x + kSlotsAtOnce * x;          // [h]
  Real* after = cell + h;                        // [h]: a state with its padding
  Real* both = sums;                             // as gradient_numbers has them
  Real* new_state = both + s.columns() * wide;
  Real* new_input = new_state + (s.hidden + 1) * h;
  std::fill_n(rows, kSlotsAtOnce * s.row(), Real(0));
  for (int64_t i = 0; i < count; ++i) rows[i * s.row() + s.hidden + s.inputs] = 1;
  std::fill_n(later, count * h, Real(0));
  std::fill_n(passed, count * h, Real(0));  // an LSTM's state does not go past its gates
  std::fill_n(by_cells, count * h, Real(0));
  std::fill_n(after, h, Real(0));
  for (int64_t i = 0; gradients.cell != nullptr && i < count; ++i) {
    std::copy_n(gradients.cell + i * s.hidden, s.hidden, by_cells + i * h);
  }
  for (int64_t step = s.steps - 1; step >= 0; --step) {
    gather(s, run, made, step, first, count, rows);
    given.add(step, later);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = step * made.by_step + i;
      const Real* kept = made.kept + at * s.kept();
      Real *slope = slopes + i * by, *by_state = later + i * h;
      if (s.lstm) {
        const Real* last = step == 0 ? nullptr : made.kept + (at - made.by_step) * s.kept() + 4 * h;
        cell_before(s, run, step, first + i, last, cell);
        std::copy_n(made.output + at * s.hidden, s.hidden, after);
        lstm_back(h, kept, cell, after, by_state, by_cells + i * h, slope);
      } else {
        gru_back(h, kept, rows + i * s.row(), by_state, slope, passed + i * h);
      }
    }
    const Matrix<Real> state{rows, 1, s.row()}, input{rows + s.hidden, 1, s.row()},
        one{input.at + s.inputs, 1, s.row()};
    multiply<Real>(s.columns(), wide, count, state, slopes, by, both, wide, both, wide);
    if (!s.lstm) {
      Real* bias = new_state + s.hidden * h;
      multiply<Real>(s.hidden, h, count, state, slopes + 2 * h, by, new_state, h, new_state, h);
      multiply<Real>(1, h, count, one, slopes + 2 * h, by, bias, h, bias, h);
      multiply<Real>(s.inputs + 1, h, count, input, slopes + 3 * h, by, new_input, h, new_input, h);
    }
    multiply<Real>(count, h, s.gates() * h, {slopes, by, 1}, packed.by_state, h, passed, h, later, h);
    for (int64_t i = 0; i < count; ++i) {
      if (!run.is_first[read_at(run, step, first + i)]) continue;
      std::fill_n(later + i * h, h, Real(0));
      std::fill_n(by_cells + i * h, h, Real(0));
    }
    if (gradients.x == nullptr) continue;
    std::fill_n(by_x, count * x, Real(0));
    multiply<Real>(count, x, wide, {slopes, by, 1}, packed.by_input, x, by_x, x, by_x, x);
    if (!s.lstm) {
      multiply<Real>(count, x, h, {slopes + 3 * h, by, 1}, packed.by_input + wide * x, x, by_x, x, by_x, x);
    }
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(by_x + i * x, s.inputs, gradients.x + read_at(run, step, first + i) * s.inputs);
    }
  }
  if (gradients.carry == nullptr) return;
  for (int64_t i = 0; i < count; ++i) {
    Real* carry = gradients.carry + read_at(run, 0, first + i) * s.carry();
    std::copy_n(later + i * h, s.hidden, carry);
    if (s.lstm) std::copy_n(by_cells + i * h, s.hidden, carry + s.hidden);
  }
}

template <class Real>
MESA_LOOPS inline void backward_tile(const PackedLayer<Real>& packed, const LayerRun<Real>& run,
                                     const LayerMade<Real>& made, const LayerGradients<Real>& gradients, int64_t first,
                                     int64_t count, Real* memory, Real* sums) {
  const LayerShape& s = packed.shape;
  const GivenSlopes<Real> given{gradients.output, made.by_step, count, s.hidden, s.state()};
  back_along(packed, run, made, given, gradients, first, count, memory, sums);
}
