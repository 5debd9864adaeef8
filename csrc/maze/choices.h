// Random choices as generators make them. Draws are the same whether they are made one by
// one or a chunk ahead.
#pragma once
#include "../core/scratch.h"
#include "../core/words.h"
#include "lattice.h"

namespace mesa {

// Uniform choices 0 … n-1 for n up to 2^17, three to a 64-bit word: the word is a fraction, a choice takes its leading
// digit in base n and leaves the rest. The third is off by less than n^3 / 2^64 of its probability.
struct Choices {
  Words words;
  uint64_t fraction = 0;
  int32_t left = 0;

  MESA_HD explicit Choices(const Key& key) : words(key, Purpose::kLayout) {}
  MESA_HD uint32_t below(uint32_t n) {
    if (left == 0) {
      fraction = words.u64();
      left = 3;
    }
    --left;
    const Wide product = multiply_wide(fraction, n);
    fraction = product.low;
    return static_cast<uint32_t>(product.high);
  }
};

// A probability as Words::chance compares it: p in units of 2^-32, 1 always true.
MESA_HD uint64_t chance_threshold(double p) {
  return static_cast<uint64_t>(p * 4294967296.0 + 0.5);
}

// Uniform choices among one to four: base-12 digits, 12 being a multiple of each. A 32-bit word gives four; no
// outcome of the four together is off by more than 12^4 / 2^32 < 2^-17 of its probability.
MESA_HD uint32_t four_digits(uint32_t word) {  // a byte each, the first lowest
  uint32_t digits = 0;
  for (int k = 0; k < 4; ++k) {
    const uint64_t product = uint64_t{word} * 12;
    word = static_cast<uint32_t>(product);
    digits |= static_cast<uint32_t>(product >> 32) << (8 * k);
  }
  return digits;
}

// The k-th set bit of a four-bit mask: 2 bits for each (mask, k), packed by mask.
MESA_HD uint32_t select_bit(uint32_t mask, uint32_t k) {
  const uint64_t low = 0x2409080204010000ull, high = 0xE439380E340D0C03ull;
  const uint64_t table = mask & 8 ? high : low;
  return static_cast<uint32_t>(table >> ((mask & 7) * 8 + k * 2)) & 3;
}
MESA_HD uint32_t count_bits4(uint32_t mask) {
  return static_cast<uint32_t>(0x4332322132212110ull >> (mask * 4)) & 7;
}
// The set bit of a mask, not empty, that a base-12 digit chooses.
MESA_HD uint32_t choose_direction(uint32_t mask, uint32_t digit) {
  return select_bit(mask, digit % count_bits4(mask));
}

}  // namespace mesa
