// A step of Adam (Kingma and Ba 2015, algorithm 1) after clipping the gradients' common norm (Pascanu et al. 2013), as
// torch.nn.utils.clip_grad_norm_ and torch.optim.Adam do it, in one pass over what is cold in the cache.
#pragma once
#include <cstdint>
#include <vector>

namespace mesa {

struct AdamSettings {
  double rate, first_decay, second_decay, eps;
  double most;  // what a longer gradient is shortened to
};

struct AdamTensor {
  float* weight;
  const float* gradient;  // stays as it is
  float *mean, *square;   // of the gradients, decaying
  float* step;            // steps so far
  int64_t count;
};

// Those clipped together.
void clipped_adam(const AdamSettings& settings, const std::vector<AdamTensor>& tensors);

}  // namespace mesa
