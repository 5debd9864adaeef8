// What a fuzzer sends, read as numbers: past the end every number is 0.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mesa {

struct Input {
  const uint8_t* at;
  const uint8_t* end;

  size_t left() const { return static_cast<size_t>(end - at); }
  template <class T>
  T take() {
    T value{};
    const size_t bytes = left() < sizeof value ? left() : sizeof value;
    memcpy(&value, at, bytes);
    at += bytes;
    return value;
  }
  uint8_t byte() { return take<uint8_t>(); }
  int64_t below(int64_t n) { return n <= 256 ? byte() % n : take<uint32_t>() % n; }
};

// Ends the program as a crash would, so that the fuzzer keeps the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "does not hold: %s\n", what);
  abort();
}

}  // namespace mesa
