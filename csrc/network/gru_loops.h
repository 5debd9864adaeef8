// A tile of slots along all steps of a layer of gated recurrent units, forward and back: see gru.h for what, loops.h
// for how it is included.

// Where slot `i` of a tile that begins at `first` is read at a step.
template <class Real>
MESA_LOOPS MESA_INLINE int64_t read_at(const GruRun<Real>& run, int64_t step, int64_t i) {
  return step * run.slots + (run.slot == nullptr ? i : run.slot[i]);
}

// [state | input] of the tile's slots at a step, cleared where an episode starts.
template <class Real>
MESA_LOOPS inline void gather(const GruShape& s, const GruRun<Real>& run, const GruMade<Real>& made, int64_t step,
                              int64_t first, int64_t count, Real* rows) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = read_at(run, step, first + i);
    Real* row = rows + i * s.row();
    const Real* before = step == 0 ? run.carry + read_at(run, 0, first + i) * s.hidden
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

template <class Real>
MESA_LOOPS inline int64_t forward_numbers(const GruShape& s) {
  return kSlotsAtOnce * (s.row() + s.kept() + s.state());
}

template <class Real>
MESA_LOOPS inline void forward_tile(const PackedGru<Real>& packed, const GruRun<Real>& run, const GruMade<Real>& made,
                                    int64_t first, int64_t count, Real* memory) {
  const GruShape& s = packed.shape;
  const int64_t h = s.state(), by = s.kept();
  Real* rows = memory;                          // [count, row]
  Real* gates = rows + kSlotsAtOnce * s.row();  // [count, 4 h]
  Real* after = gates + kSlotsAtOnce * by;      // [h], a state with its padding
  std::fill_n(rows, kSlotsAtOnce * s.row(), Real(0));
  for (int64_t step = 0; step < s.steps; ++step) {
    gather(s, run, made, step, first, count, rows);
    multiply<Real>(count, 2 * h, s.hidden + s.inputs, {rows, s.row(), 1}, packed.both, 2 * h, packed.bias, 0, gates,
                   by);
    multiply<Real>(count, h, s.hidden, {rows, s.row(), 1}, packed.new_state, h, packed.bias + 2 * h, 0, gates + 2 * h,
                   by);
    multiply<Real>(count, h, s.inputs, {rows + s.hidden, s.row(), 1}, packed.new_input, h, packed.bias + 3 * h, 0,
                   gates + 3 * h, by);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = step * made.by_step + i;
      Real* gate = gates + i * by;
      Real* kept = made.kept == nullptr ? nullptr : made.kept + at * by;
      for (int64_t c = 0; c < h; c += kWide<Real>) {
        Vector<Real> r, z, n, by_state, before;
        load<Real>(r, gate + c);
        load<Real>(z, gate + h + c);
        load<Real>(by_state, gate + 2 * h + c);
        load<Real>(n, gate + 3 * h + c);
        load<Real>(before, rows + i * s.row() + c);
        sigmoid<Real>(r);
        sigmoid<Real>(z);
        n += r * by_state;
        hyperbolic_tangent<Real>(n);
        store<Real>(after + c, n + z * (before - n));
        if (kept != nullptr) {
          store<Real>(kept + c, r);
          store<Real>(kept + h + c, z);
          store<Real>(kept + 2 * h + c, n);
          store<Real>(kept + 3 * h + c, by_state);
        }
      }
      Real* output = made.output + at * s.hidden;
      for (int64_t k = 0; k < s.hidden; ++k) output[k] = after[k];
    }
  }
}

template <class Real>
MESA_LOOPS inline int64_t backward_numbers(const GruShape& s) {
  return kSlotsAtOnce * (s.row() + s.kept() + 2 * s.state() + padded(s.inputs));
}

// Adds the tile's share of the weights' gradients to `sums` (gradient_numbers of them).
template <class Real>
MESA_LOOPS inline void backward_tile(const PackedGru<Real>& packed, const GruRun<Real>& run, const GruMade<Real>& made,
                                     const GruGradients<Real>& gradients, int64_t first, int64_t count, Real* memory,
                                     Real* sums) {
  const GruShape& s = packed.shape;
  const int64_t h = s.state(), by = s.kept(), x = padded(s.inputs), columns = s.columns();
  Real* rows = memory;                           // [count, row]
  Real* slopes = rows + kSlotsAtOnce * s.row();  // [count, 4 h]: of r, z, n's state, n's input before their functions
  Real* later = slopes + kSlotsAtOnce * by;      // [count, h]: of the loss of later steps, by the state
  Real* passed = later + kSlotsAtOnce * h;       // [count, h]: what of it goes past the gates
  Real* by_x = passed + kSlotsAtOnce * h;        // [count, x]
  Real* both = sums;                             // [2 h, columns]
  Real* new_state = both + 2 * h * columns;      // [h, h]
  Real* new_input = new_state + h * h;           // [h, x]
  Real* biases = new_input + h * x;              // [4 h]
  std::fill_n(rows, kSlotsAtOnce * s.row(), Real(0));
  std::fill_n(later, count * h, Real(0));
  for (int64_t step = s.steps - 1; step >= 0; --step) {
    gather(s, run, made, step, first, count, rows);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = step * made.by_step + i;
      const Real* kept = made.kept + at * by;
      const Real* given = gradients.output + at * s.hidden;
      Real *slope = slopes + i * by, *state = later + i * h;
      for (int64_t k = 0; k < s.hidden; ++k) state[k] += given[k];
      for (int64_t c = 0; c < h; c += kWide<Real>) {
        Vector<Real> r, z, n, by_state, before, d;
        load<Real>(r, kept + c);
        load<Real>(z, kept + h + c);
        load<Real>(n, kept + 2 * h + c);
        load<Real>(by_state, kept + 3 * h + c);
        load<Real>(before, rows + i * s.row() + c);  // beyond the hidden units inputs, which d = 0 leaves out
        load<Real>(d, state + c);
        const Vector<Real> of_n = d * (Real(1) - z) * (Real(1) - n * n);
        store<Real>(slope + c, of_n * by_state * r * (Real(1) - r));
        store<Real>(slope + h + c, d * (before - n) * z * (Real(1) - z));
        store<Real>(slope + 2 * h + c, of_n * r);
        store<Real>(slope + 3 * h + c, of_n);
        store<Real>(passed + i * h + c, d * z);
      }
      for (int64_t k = 0; k < by; k += kWide<Real>) {
        Vector<Real> sum, more;
        load<Real>(sum, biases + k);
        load<Real>(more, slope + k);
        store<Real>(biases + k, sum + more);
      }
    }
    multiply<Real>(2 * h, columns, count, {slopes, 1, by}, rows, s.row(), both, columns, both, columns);
    multiply<Real>(h, h, count, {slopes + 2 * h, 1, by}, rows, s.row(), new_state, h, new_state, h);
    multiply<Real>(h, x, count, {slopes + 3 * h, 1, by}, rows + s.hidden, s.row(), new_input, x, new_input, x);
    multiply<Real>(count, h, 3 * h, {slopes, by, 1}, packed.by_state, h, passed, h, later, h);
    for (int64_t i = 0; i < count; ++i) {
      if (!run.is_first[read_at(run, step, first + i)]) continue;
      for (int64_t c = 0; c < h; ++c) later[i * h + c] = 0;
    }
    if (gradients.x == nullptr) continue;
    std::fill_n(by_x, count * x, Real(0));
    multiply<Real>(count, x, 2 * h, {slopes, by, 1}, packed.by_input, x, by_x, x, by_x, x);
    multiply<Real>(count, x, h, {slopes + 3 * h, by, 1}, packed.by_input + 2 * h * x, x, by_x, x, by_x, x);
    for (int64_t i = 0; i < count; ++i) {
      Real* to = gradients.x + read_at(run, step, first + i) * s.inputs;
      for (int64_t k = 0; k < s.inputs; ++k) to[k] = by_x[i * x + k];
    }
  }
  if (gradients.carry == nullptr) return;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0; k < s.hidden; ++k)
      gradients.carry[read_at(run, 0, first + i) * s.hidden + k] = later[i * h + k];
  }
}
