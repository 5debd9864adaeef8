// Linear regression in context, as Raventos et al. 2023 (arXiv 2306.15063, section 2) draw it: a task is a weight
// vector w ~ N(0, I), or one of a fixed set of such; an example is x ~ N(0, I), y = w.x + noise. The world and the data
// sets draw with these functions alone, so that the world's slot j plays sequence j.
#pragma once
#include "../core/rng.h"

namespace mesa {

struct RegressionLaw {
  int32_t dim, points;
  int32_t num_tasks;  // of the fixed set; 0: a fresh Gaussian task every time
  int32_t task_seed;  // which fixed set
  double noise_std;
};

MESA_HD void draw_weights(Rng& rng, int32_t dim, float* w) {
  for (int32_t d = 0; d < dim; ++d) w[d] = static_cast<float>(rng.normal());
}

// Task `index` of the set `task_seed`: the same however many the set holds, so that a smaller set is part of a larger.
MESA_HD void fixed_task(const RegressionLaw& law, int32_t index, float* w) {
  const Key key = numbered_key(static_cast<uint64_t>(law.task_seed), static_cast<uint64_t>(index));
  Rng rng(key, Purpose::kLayout);  // no episode draws for it, whatever its seed
  draw_weights(rng, law.dim, w);
}

// A sequence's task; returns its number in the fixed set, -1 where there is none.
MESA_HD int32_t draw_task(const RegressionLaw& law, const Key& key, float* w) {
  Rng rng(key, Purpose::kTask);
  if (law.num_tasks == 0) {
    draw_weights(rng, law.dim, w);
    return -1;
  }
  const int32_t index = static_cast<int32_t>(rng.below(static_cast<uint32_t>(law.num_tasks)));
  fixed_task(law, index, w);
  return index;
}

MESA_HD double product(const float* w, const float* x, int32_t dim) {
  double sum = 0;
  for (int32_t d = 0; d < dim; ++d) sum += double{w[d]} * x[d];
  return sum;
}

// Example `point` of a sequence; returns y.
MESA_HD float draw_example(const RegressionLaw& law, const Key& key, int32_t point, const float* w, float* x) {
  Rng rng(key, Purpose::kStep);
  rng.next_block = static_cast<uint32_t>(point) * static_cast<uint32_t>((law.dim + 2) / 2);  // two numbers a block
  draw_weights(rng, law.dim, x);
  return static_cast<float>(product(w, x, law.dim) + law.noise_std * rng.normal());
}

}  // namespace mesa
