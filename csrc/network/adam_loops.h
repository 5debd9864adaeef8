// Loops over a tensor's numbers: see adam.h for what, loops.h for how it is included.

MESA_LOOPS inline double sum_of_squares(const float* numbers, int64_t count) {
  constexpr int64_t kW = kWide<float>;
  Vector<float> sums{};
  int64_t k = 0;
  for (; k + kW <= count; k += kW) {
    Vector<float> some;
    load<float>(some, numbers + k);
    sums += some * some;
  }
  double sum = 0;
  for (int lane = 0; lane < kW; ++lane) sum += sums[lane];
  for (; k < count; ++k) sum += numbers[k] * numbers[k];
  return sum;
}

// With the gradient times `scale`.
MESA_LOOPS inline void adam_step(const AdamSettings& settings, const AdamTensor& tensor, double scale) {
  const double step = ++*tensor.step;
  const float first = static_cast<float>(1 - settings.first_decay), kept = static_cast<float>(settings.second_decay);
  const float second = static_cast<float>(1 - settings.second_decay), by = static_cast<float>(scale);
  const float rate = static_cast<float>(settings.rate / (1 - std::pow(settings.first_decay, step)));
  const float root = static_cast<float>(1 / std::sqrt(1 - std::pow(settings.second_decay, step)));
  const float eps = static_cast<float>(settings.eps);
  const float* __restrict gradient = tensor.gradient;
  float* __restrict weight = tensor.weight, * __restrict mean = tensor.mean, * __restrict square = tensor.square;
  for (int64_t k = 0; k < tensor.count; ++k) {
    const float g = gradient[k] * by;
    mean[k] += first * (g - mean[k]);
    square[k] = kept * square[k] + second * g * g;
    weight[k] -= rate * mean[k] / (std::sqrt(square[k]) * root + eps);
  }
}
