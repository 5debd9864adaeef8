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

// Every set of `members` out of `of` things, 1 to of - 1, each at one lane. of: at most 30.
template <class Lanes, class F>
MESA_HD void for_sets_of(const Lanes& lanes, int32_t members, int32_t of, const F& f) {
  const uint32_t end = 1u << of;
  uint32_t set = (1u << members) - 1;
  for (int32_t skip = lanes.lane(); set < end; skip = lanes.size()) {
    for (; skip > 0 && set < end; --skip) set = next_of_as_many(set);
    if (set < end) f(set);
  }
}

}  // namespace mesa
