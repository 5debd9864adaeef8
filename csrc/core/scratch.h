// Memory a rule works in: allotted by the backend from what a job says it needs, so that no rule allocates.
#pragma once
#include <cstdint>

#include "portable.h"

namespace mesa {

// Handed out from the front, in multiples of eight bytes.
struct Scratch {
  uint8_t* at;

  template <class T>
  MESA_HD T* take(int64_t count) {
    T* taken = reinterpret_cast<T*>(at);
    at += bytes_for<T>(count);
    return taken;
  }
  template <class T>
  MESA_HD static int64_t bytes_for(int64_t count) {
    return (count * static_cast<int64_t>(sizeof(T)) + 7) / 8 * 8;
  }
};

}  // namespace mesa
