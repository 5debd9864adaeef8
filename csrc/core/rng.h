// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
// 1, 2, 3"), keyed by (seed, stream, episode, purpose). A draw is a pure function of its key and its index, so a
// slot's story cannot depend on batch size, threads, device or on who else is stepping. No state is shared.
#pragma once
#include <cstdint>

#include "math.h"
#include "portable.h"

namespace mesa {

struct Block {
  uint32_t word[4];
};

MESA_HD Block philox4x32_10(Block counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(a)}};
    key0 += 0x9E3779B9u;  // the golden ratio and sqrt(3)-1, the paper's Weyl increments
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Why a number is drawn. Two purposes never share a number, so adding draws to one cannot move the other.
enum class Purpose : uint8_t { kTask = 0, kStep = 1, kLayout = 2, kPlacement = 3, kTie = 4, kBraid = 5, kDrift = 6 };

// Whose number it is: one slot's one episode. `stream` is the slot's global number.
struct Key {
  uint64_t seed;
  uint32_t stream;
  uint32_t episode;

  MESA_HD Block block(Purpose purpose, uint32_t index) const {
    return philox4x32_10({{index, episode, stream, static_cast<uint32_t>(purpose)}}, static_cast<uint32_t>(seed),
                         static_cast<uint32_t>(seed >> 32));
  }
};

// The key of the number-th maze, instance … of a seed: 64 bits, as stream and episode.
MESA_HD Key numbered_key(uint64_t seed, uint64_t number) {
  return {seed, static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32)};
}

// A uniform double strictly inside (0, 1): 53 bits, centred in its cell.
MESA_HD double unit_interval(uint32_t high, uint32_t low) {
  const uint64_t bits = ((uint64_t{high} << 32) | low) >> 11;
  return (static_cast<double>(bits) + 0.5) * (1.0 / 9007199254740992.0);
}

// Consecutive draws for one key and purpose.
struct Rng {
  Key key;
  Purpose purpose;
  uint32_t next_block = 0;
  uint32_t used = 4;
  Block block{};

  MESA_HD Rng(const Key& k, Purpose p) : key(k), purpose(p) {}
  MESA_HD uint32_t u32() {
    if (used == 4) {
      block = key.block(purpose, next_block++);
      used = 0;
    }
    return block.word[used++];
  }
  MESA_HD uint64_t u64() {
    const uint64_t high = u32();
    return (high << 32) | u32();
  }
  // Uniform over 0 … n-1; the bias of multiply-shift on 64 bits is below n / 2^64.
  MESA_HD uint32_t below(uint32_t n) { return static_cast<uint32_t>(multiply_wide(u64(), n).high); }
  MESA_HD double uniform() {
    const uint32_t high = u32();
    return unit_interval(high, u32());
  }
  MESA_HD double normal() { return normal_quantile(uniform()); }

  // Gamma(shape, 1) by Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; shape < 1 by their
  // boost gamma(shape + 1) * u^(1/shape).
  MESA_HD double gamma(double shape) {
    double boost = 1.0;
    if (shape < 1.0) {
      boost = portable_exp(portable_log(uniform()) / shape);
      shape += 1.0;
    }
    const double d = shape - 1.0 / 3.0, c = 1.0 / square_root(9.0 * d);
    for (;;) {
      const double x = normal(), v = 1.0 + c * x;
      if (v <= 0.0) continue;
      const double cube = v * v * v;
      if (portable_log(uniform()) < 0.5 * x * x + d - d * cube + d * portable_log(cube)) return boost * d * cube;
    }
  }
  // Logarithm of what gamma(shape) draws, which may underflow: both of a pair of shape .01 once in a million.
  MESA_HD_RARE double log_gamma(double shape) {
    if (shape >= 1.0) return portable_log(gamma(shape));
    const double log_boost = portable_log(uniform()) / shape;
    return log_boost + portable_log(gamma(shape + 1.0));
  }
  static constexpr double kLeastSum = 1e-290;  // of gammas that shares are made of; below it, by their logarithms
  MESA_HD double beta(double a, double b) {
    Rng again = *this;
    const double x = gamma(a), y = gamma(b);
    const double sum = x + y;
    if (sum > kLeastSum) return x / sum;
    const double log_x = again.log_gamma(a);
    return 1.0 / (1.0 + portable_exp(again.log_gamma(b) - log_x));
  }
};

}  // namespace mesa
