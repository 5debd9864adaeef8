// Sets as bits of a number, and how a group of lanes goes through those of one size.
#pragma once
#include "portable.h"

namespace mesa {

MESA_HD int32_t bit_count(uint32_t x) {
#if defined(__CUDA_ARCH__)
  return __popc(x);
#else
  return __builtin_popcount(x);
#endif
}
MESA_HD int32_t lowest_bit(uint32_t x) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(x)) - 1;
#else
  return __builtin_ctz(x);
#endif
}
MESA_HD int32_t lowest_bit(uint64_t x) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(x)) - 1;
#else
  return __builtin_ctzll(x);
#endif
}

// The next greater number with as many bits (Gosper; Beeler, Gosper and Schroeppel 1972, item 175).
MESA_HD uint32_t next_of_as_many(uint32_t set) {
  const uint32_t carried = set + (set & (~set + 1));
  return carried | ((set ^ carried) >> (lowest_bit(set) + 2));
}

// Every set of `members` out of `of` things, 1 to of - 1, each at one lane: that whose number is the set's lowest bits,
// so that lanes have about as many, and neighbours sets beside each other. Lanes: a power of two; of: at most 30.
template <class Lanes, class F>
MESA_HD void for_sets_of(const Lanes& lanes, int32_t members, int32_t of, const F& f) {
  int32_t low_bits = 0;
  while (low_bits < of && (1 << low_bits) < lanes.size()) ++low_bits;
  const uint32_t low = static_cast<uint32_t>(lanes.lane());
  const int32_t above = members - bit_count(low), high_bits = of - low_bits;
  if (low >> low_bits != 0 || above < 0 || above > high_bits) return;
  for (uint32_t high = (1u << above) - 1; high >> high_bits == 0; high = next_of_as_many(high)) {
    f(high << low_bits | low);
    if (above == 0) return;
  }
}

}  // namespace mesa
