// Data sets of regressions: one struct a job, over arrays of the caller's. The draws are in draws.h.
#pragma once
#include "../core/scratch.h"
#include "draws.h"

#define MESA_REGRESSION_JOBS(X) X(DrawRegressions) X(DrawRegressionTasks)

namespace mesa {

struct DrawRegressions {
  static constexpr int64_t kMostAtOnce = 64;
  RegressionLaw law;
  uint64_t seed, first;  // number of sequence 0
  int32_t* task;         // [count]
  float* w;              // [count, dim]
  float* x;              // [count, points, dim]
  float* y;              // [count, points]

  MESA_HD int64_t scratch_bytes(int) const { return 0; }
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch) const {
    for (int64_t i = begin; i < end; ++i) {
      const Key key = numbered_key(seed, first + static_cast<uint64_t>(i));
      float* weights = w + i * law.dim;
      task[i] = draw_task(law, key, weights);
      for (int32_t k = 0; k < law.points; ++k) {
        const int64_t row = i * law.points + k;
        y[row] = draw_example(law, key, k, weights, x + row * law.dim);
      }
    }
  }
};

// The fixed tasks of a set.
struct DrawRegressionTasks {
  static constexpr int64_t kMostAtOnce = 256;
  RegressionLaw law;
  float* w;  // [count, dim]

  MESA_HD int64_t scratch_bytes(int) const { return 0; }
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch) const {
    for (int64_t i = begin; i < end; ++i) fixed_task(law, static_cast<int32_t>(i), w + i * law.dim);
  }
};

}  // namespace mesa
