// The loss of samples side by side in vectors: see ppo_loss.h for what, loops.h for how it is included.

// Numbers that ppo_loss_rows works in.
inline int64_t loss_numbers(int64_t actions) {
  return 2 * actions * kPad;
}

// `rows` samples, whose terms are added to `sums`; std::invalid_argument for an action that has no logit.
MESA_LOOPS inline void ppo_loss_rows(const PPOLossSettings& s, const PPOSamples& samples, const PPORows& at,
                                     int64_t rows, const PPOAnswers& answers, float* memory, PPOLossTerms& sums) {
  constexpr int kW = kWide<float>;
  using Floats = Vector<float>;
  using Whole = VectorOf<float>::Whole;
  float *logits = memory, *slopes = logits + s.actions * kW;  // [actions, kW]: a sample a column
  const float count = static_cast<float>(s.steps * s.chosen), horizon = static_cast<float>(s.horizon);
  const float spread = static_cast<float>(s.entropy_weight) / count;
  const Floats none{}, low = none + static_cast<float>(1 - s.clip), high = none + static_cast<float>(1 + s.clip);
  Floats policy{}, values{}, entropies{}, outside{};
  int64_t step = at.first / at.by_step, i = at.first % at.by_step;
  for (int64_t row = 0; row < rows; row += kW) {
    float old[kW], advantages[kW], targets[kW], given[kW], by_values[kW];
    int32_t actions[kW];
    const int64_t here = std::min<int64_t>(kW, rows - row);
    for (int64_t lane = 0; lane < kW; ++lane) {
      const int64_t of = row + std::min(lane, here - 1);  // beyond the last it again, which is left out below
      if (lane < here) {
        const int64_t sample = step * s.slots + samples.slot[at.first_slot + i];
        const int64_t taken = samples.action[sample];
        if (taken < 0 || taken >= s.actions) throw std::invalid_argument("action: got one that has no logit");
        actions[lane] = static_cast<int32_t>(taken);
        old[lane] = samples.log_prob[sample];
        advantages[lane] = samples.advantage[sample];
        targets[lane] = samples.target[sample];
        if (++i == at.by_step) i = 0, ++step;
      } else {
        actions[lane] = actions[here - 1];
        old[lane] = old[here - 1];
        advantages[lane] = advantages[here - 1];
        targets[lane] = targets[here - 1];
      }
      given[lane] = answers.value[of * answers.by_value_row];
      for (int64_t a = 0; a < s.actions; ++a) logits[a * kW + lane] = answers.logits[of * answers.by_logits_row + a];
    }
    Floats highest, was, advantage, target, value;
    load<float>(highest, logits);
    load<float>(was, old);
    load<float>(advantage, advantages);
    load<float>(target, targets);
    load<float>(value, given);
    Whole taken;
    __builtin_memcpy(&taken, actions, sizeof taken);
    for (int64_t a = 1; a < s.actions; ++a) {
      Floats logit;
      load<float>(logit, logits + a * kW);
      highest = logit > highest ? logit : highest;
    }
    Floats total{};
    for (int64_t a = 0; a < s.actions; ++a) {
      Floats p;
      load<float>(p, logits + a * kW);
      p -= highest;
      exponential<float>(p);
      total += p;
      store<float>(slopes + a * kW, p);
    }
    Floats log_total = total;
    logarithm(log_total);
    log_total += highest;
    const Floats share = 1.0f / total;
    Floats entropy{}, ratio{};
    for (int64_t a = 0; a < s.actions; ++a) {
      Floats p, log_p;
      load<float>(p, slopes + a * kW);
      load<float>(log_p, logits + a * kW);
      p *= share;
      log_p -= log_total;
      entropy -= p * log_p;
      ratio = taken == static_cast<int32_t>(a) ? log_p : ratio;
      store<float>(slopes + a * kW, p);
      store<float>(logits + a * kW, log_p);
    }
    ratio -= was;
    exponential<float>(ratio);
    const Floats part = ratio * advantage, held = ratio < low ? low : ratio;
    const Floats clipped = (held > high ? high : held) * advantage;
    const Floats less = part < clipped ? part : clipped;
    // Where the clipped part is the less, nothing pulls; what is no number does.
    const Floats pull = part > clipped ? none : -part / count;
    for (int64_t a = 0; a < s.actions; ++a) {
      Floats p, log_p;
      load<float>(p, slopes + a * kW);
      load<float>(log_p, logits + a * kW);
      const Floats own = taken == static_cast<int32_t>(a) ? pull : none;
      store<float>(slopes + a * kW, spread * p * (log_p + entropy) - pull * p + own);
    }
    const Floats off = (value - target) / horizon;
    store<float>(by_values, static_cast<float>(s.value_weight) * off / horizon / count);
    const Floats far = (ratio > high) | (ratio < low) ? none + 1.0f : none;
    for (int64_t lane = 0; lane < here; ++lane) {
      for (int64_t a = 0; a < s.actions; ++a) {
        answers.by_logits[(row + lane) * answers.by_logits_row + a] = slopes[a * kW + lane];
      }
      answers.by_value[(row + lane) * answers.by_value_row] = by_values[lane];
    }
    int32_t order[kW];
    for (int lane = 0; lane < kW; ++lane) order[lane] = lane;
    Whole counted;
    __builtin_memcpy(&counted, order, sizeof counted);
    counted = counted < static_cast<int32_t>(here);
    policy -= counted ? less : none;
    values += counted ? 0.5f * off * off : none;
    entropies += counted ? entropy : none;
    outside += counted ? far : none;
  }
  for (int lane = 0; lane < kW; ++lane) {
    sums.add({policy[lane], values[lane], entropies[lane], outside[lane]});
  }
}
