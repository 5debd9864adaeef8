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

MESA_LOOPS inline int64_t update_numbers(const LayerShape& s, int64_t actions) {
  const int64_t rows = s.steps * kSlotsAtOnce;
  return 2 * (rows * s.hidden + kPad) + rows * (s.kept() + s.state() + 2 * padded(actions + 1)) +
         std::max(forward_numbers<float>(s), backward_numbers<float>(s));
}

MESA_LOOPS inline void update_tile(const PPOUpdate& u, const PackedLayer<float>& forward,
                                   const PackedLayer<float>& back, const PackedHeads& heads, int64_t first,
                                   int64_t count, float* memory, float* sums, PPOLossTerms& terms) {
  const LayerShape& s = u.shape;
  const int64_t rows = s.steps * count, h = s.state(), width = heads.width;
  float* output = memory;                            // [rows, hidden]
  float* kept = output + rows * s.hidden + kPad;     // [rows, 4 h]
  float* answers = kept + rows * s.kept();           // [rows, width]
  float* by_answers = answers + rows * width;        // [rows, width]
  float* padded_slopes = by_answers + rows * width;  // [rows, h]
  float* slopes = padded_slopes + rows * h;          // [rows, hidden]
  float* scratch = slopes + rows * s.hidden + kPad;
  std::fill_n(output + rows * s.hidden, kPad, 0.0f);  // read as the end of the last row
  const LayerMade<float> made{output, kept, nullptr, count};
  forward_tile(forward, u.run, made, first, count, scratch);
  multiply<float>(rows, width, s.hidden, {output, s.hidden, 1}, heads.forward, width, heads.bias, 0, answers, width);
  float *by_heads = sums + gradient_numbers(s), *biases = by_heads + (heads.actions + 1) * h;
  for (int64_t row = 0; row < rows; ++row) {
    float *answer = answers + row * width, *slope = by_answers + row * width;
    const int64_t step = row / count, i = first + row % count;
    if (u.mask != nullptr) keep_within(u.mask + read_at(u.run, step, i) * heads.actions, heads.actions, answer);
    ppo_loss_sample(u.settings, u.samples, step, i, answer, answer[heads.actions], slope, slope + heads.actions, terms);
    for (int64_t a = 0; a <= heads.actions; ++a) biases[a] += slope[a];
  }
  multiply<float>(heads.actions + 1, h, rows, {by_answers, 1, width}, output, s.hidden, by_heads, h, by_heads, h);
  std::fill_n(padded_slopes, rows * h, 0.0f);
  multiply<float>(rows, h, heads.actions + 1, {by_answers, width, 1}, heads.back, h, padded_slopes, h, padded_slopes,
                  h);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < s.hidden; ++k) slopes[row * s.hidden + k] = padded_slopes[row * h + k];
  }
  const LayerGradients<float> gradients{slopes, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  backward_tile(back, u.run, made, gradients, first, count, scratch, sums);
}
