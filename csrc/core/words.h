// Random words drawn a chunk ahead: the same words as one by one, sooner.
#pragma once
#include "rng.h"

namespace mesa {

// The random words of one key and purpose, in order, drawn kChunk blocks ahead: a loop over blocks is one the compiler
// makes vectors of.
struct Words {
  static constexpr int32_t kChunk = 8;  // blocks

  Key key;
  Purpose purpose;
  uint32_t next_block;
  int32_t used = 4 * kChunk;
  uint32_t word[4 * kChunk];

  MESA_HD Words(const Key& k, Purpose p, uint32_t first_block = 0) : key(k), purpose(p), next_block(first_block) {}
  MESA_HD uint32_t u32() {
    if (used == 4 * kChunk) refill();
    return word[used++];
  }
  MESA_HD uint64_t u64() {
    const uint64_t high = u32();
    return (high << 32) | u32();
  }
  // Uniform over 0 … n-1; the bias of multiply-shift on 64 bits is below n / 2^64.
  MESA_HD uint32_t below(uint32_t n) { return static_cast<uint32_t>(multiply_wide(u64(), n).high); }
  // True with a probability given as chance_threshold(p).
  MESA_HD bool chance(uint64_t threshold) { return u32() < threshold; }
  MESA_HD_RARE void refill() {
    for (int32_t i = 0; i < kChunk; ++i) {
      const Block block = key.block(purpose, next_block + static_cast<uint32_t>(i));
      for (int k = 0; k < 4; ++k) word[4 * i + k] = block.word[k];
    }
    next_block += kChunk;
    used = 0;
  }
};

}  // namespace mesa
