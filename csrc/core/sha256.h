// SHA-256 (FIPS 180-4) of short messages, on every device. For worlds that need a function nobody can invert but by
// trying; not for secrets (no constant time, no streaming).
#pragma once
#include <cstdint>

#include "portable.h"

namespace mesa {

struct Sha256 {
  uint32_t word[8];  // the digest, most significant byte first
};

MESA_HD uint32_t rotate_right(uint32_t x, int by) {
  return x >> by | x << (32 - by);
}

// One block of 64 bytes, given as sixteen big-endian words, into the running digest.
MESA_HD_RARE void sha256_block(Sha256& digest, const uint32_t (&block)[16]) {
  // The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  constexpr uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64];
  for (int t = 0; t < 16; ++t) w[t] = block[t];
  for (int t = 16; t < 64; ++t) {
    const uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  uint32_t a = digest.word[0], b = digest.word[1], c = digest.word[2], d = digest.word[3];
  uint32_t e = digest.word[4], f = digest.word[5], g = digest.word[6], h = digest.word[7];
  for (int t = 0; t < 64; ++t) {
    const uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + k[t] + w[t];
    const uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  const uint32_t add[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) digest.word[i] += add[i];
}

MESA_HD_RARE Sha256 sha256(const uint8_t* message, int64_t length) {
  // The first 32 bits of the fractional parts of the square roots of the first 8 primes.
  Sha256 digest{{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
  const int64_t padded = (length + 8) / 64 * 64 + 64;  // the message, a 1 bit, zeros, the length in 64 bits
  for (int64_t begin = 0; begin < padded; begin += 64) {
    uint32_t block[16] = {};
    for (int64_t i = 0; i < 64; ++i) {
      const int64_t at = begin + i;
      uint32_t byte = at < length ? message[at] : at == length ? 0x80 : 0;
      if (at >= padded - 8) byte = static_cast<uint32_t>(static_cast<uint64_t>(length) * 8 >> (padded - 1 - at) * 8);
      block[i / 4] |= (byte & 0xFF) << (3 - i % 4) * 8;
    }
    sha256_block(digest, block);
  }
  return digest;
}

}  // namespace mesa
