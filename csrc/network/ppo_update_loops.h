// A tile of a minibatch: see ppo_update.h for what, loops.h for how it is included.

constexpr float kForbidden = -1e9f;  // as in mesasim/agents/encoding.py

// Where the world allows something, the log-odds of what it does not are out of the question.
MESA_LOOPS inline void keep_within(const uint8_t* mask, int64_t actions, float* logits) {
  bool any = false;
  for (int64_t a = 0; a < actions; ++a) any |= mask[a] != 0;
  for (int64_t a = 0; any && a < actions; ++a) {
    if (!mask[a]) logits[a] = kForbidden;
  }
}

// Slopes of the loss by the states after a step, by way of the heads.
struct HeadSlopes {
  const PackedHeads& heads;
  const float* by_answers;  // [steps, count, width]
  int64_t count, h;

  MESA_LOOPS void add(int64_t step, float* later) const {
    const float* here = by_answers + step * count * heads.width;
    multiply<float>(count, h, heads.actions + 1, {here, heads.width, 1}, heads.back, h, later, h, later, h);
  }
};

MESA_LOOPS inline int64_t update_numbers(const LayerShape& s, int64_t actions) {
  const int64_t rows = s.steps * kSlotsAtOnce;
  const int64_t scratch = std::max({forward_numbers<float>(s), backward_numbers<float>(s), loss_numbers(actions)});
  return rows * (s.hidden + s.kept() + 2 * padded(actions + 1)) + kPad + scratch;
}

MESA_LOOPS inline void update_tile(const PPOUpdate& u, const PackedLayer<float>& forward,
                                   const PackedLayer<float>& back, const PackedHeads& heads, int64_t first,
                                   int64_t count, float* memory, float* sums, PPOLossTerms& terms) {
  const LayerShape& s = u.shape;
  const int64_t rows = s.steps * count, h = s.state(), width = heads.width;
  float* output = memory;                         // [rows, hidden]
  float* kept = output + rows * s.hidden + kPad;  // [rows, kept]
  float* answers = kept + rows * s.kept();        // [rows, width]
  float* by_answers = answers + rows * width;     // [rows, width]
  float* scratch = by_answers + rows * width;
  std::fill_n(output + rows * s.hidden, kPad, 0.0f);  // read as the end of the last row
  const LayerMade<float> made{output, kept, nullptr, count};
  forward_tile(forward, u.run, made, first, count, scratch);
  multiply<float>(rows, width, s.hidden, {output, s.hidden, 1}, heads.forward, width, heads.bias, 0, answers, width);
  for (int64_t row = 0; u.mask != nullptr && row < rows; ++row) {
    const int64_t at = read_at(u.run, row / count, first + row % count);
    keep_within(u.mask + at * heads.actions, heads.actions, answers + row * width);
  }
  ppo_loss_rows(u.settings, u.samples, {0, count, first}, rows,
                {answers, answers + heads.actions, by_answers, by_answers + heads.actions, width, width}, scratch,
                terms);
  float *by_heads = sums + gradient_numbers(s), *biases = by_heads + (heads.actions + 1) * h;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t a = 0; a <= heads.actions; ++a) biases[a] += by_answers[row * width + a];
  }
  multiply<float>(heads.actions + 1, h, rows, {by_answers, 1, width}, output, s.hidden, by_heads, h, by_heads, h);
  const LayerGradients<float> gradients{};
  back_along(back, u.run, made, HeadSlopes{heads, by_answers, count, h}, gradients, first, count, scratch, sums);
}
