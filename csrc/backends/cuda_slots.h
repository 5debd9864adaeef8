// What kernels over slots share, whatever the world: how an observation's rows get out together, which slots are left
// for later, where a thread works, and how a fault is told to the host.
#pragma once
#include <type_traits>

#include "bound.h"
#include "cuda_launch.h"

namespace mesa {

constexpr int kThreadsPerBlock = 128;
constexpr int64_t kMostScratch = int64_t{1} << 30;  // bytes, of all threads of an environment together
constexpr int64_t kMostShared = 24 << 10;           // bytes of a block, so that several blocks fit a multiprocessor

// A world that some options make much simpler (is_thin(config)) names what it then is: Thin, whose steps have a kernel
// of their own that takes fewer registers.
template <class W, class = void>
constexpr bool has_thin = false;
template <class W>
constexpr bool has_thin<W, std::void_t<typename W::Thin>> = true;

// A world that may be shown by a warp says so: kMayBeWide.
template <class W, class = void>
constexpr bool may_be_wide = false;
template <class W>
constexpr bool may_be_wide<W, std::void_t<decltype(W::kMayBeWide)>> = W::kMayBeWide;

// The first refused action since the last was taken note of: in host memory that both can reach, so that the host looks
// without waiting. `fault` is written last, and by one thread only: the one that finds the ticket, in device memory,
// free.
struct SharedFault {
  int32_t fault, action;
  int64_t slot;
};
struct Faults {
  SharedFault* told;
  int32_t* ticket;

  __device__ void report(Fault what, int64_t slot, int32_t action) const {
    if (atomicCAS(ticket, 0, 1) != 0) return;
    told->action = action;
    told->slot = slot;
    __threadfence_system();
    *static_cast<volatile int32_t*>(&told->fault) = static_cast<int32_t>(what);
  }
};
// In the order of the stream: what was refused before this is forgotten.
static __global__ void forget_faults(Faults faults) {
  *static_cast<volatile int32_t*>(&faults.told->fault) = 0;
  *faults.ticket = 0;
}

// Slots whose next episode another kernel begins.
struct Pending {
  unsigned long long* count;
  uint32_t* slots;  // null: none are left for later

  __device__ void add(int64_t slot) const { slots[atomicAdd(count, 1ull)] = static_cast<uint32_t>(slot); }
};

// Scratch of each worker, a thread or a warp, in global memory.
struct Workplaces {
  uint8_t* memory;
  int64_t bytes;

  MESA_HD Scratch scratch(int64_t worker) const { return {memory + worker * bytes}; }
};

// Rows of several bytes are first written to a block's shared memory and then copied out together: threads that write
// rows of their own would touch a sector of global memory each, again with every store.
struct Staging {
  int32_t threads;          // a block's
  int32_t at[kMaxFields];   // of a field's rows in shared memory; 0: written in place
  int32_t row[kMaxFields];  // bytes
  int32_t fields, bytes;

  static Staging of(const std::vector<Field>& observation) {
    Staging s{kThreadsPerBlock, {}, {}, static_cast<int32_t>(observation.size()), 0};
    int64_t row = 0;
    for (const Field& field : observation) row += is_staged(field) ? field.bytes() : 0;
    while (s.threads > 32 && room() + s.threads * row > kMostShared) s.threads /= 2;
    s.bytes = static_cast<int32_t>(room());
    for (int f = 0; f < s.fields; ++f) {
      const Field& field = observation[static_cast<size_t>(f)];
      if (!is_staged(field) || room() + s.threads * row > kMostShared) continue;
      s.at[f] = s.bytes;
      s.row[f] = static_cast<int32_t>(field.bytes());
      s.bytes += s.threads * s.row[f];  // 32 rows or more: a multiple of 16
    }
    return s;
  }
  static bool is_staged(const Field& field) { return field.bytes() > 16 || (field.bytes() & (field.bytes() - 1)) != 0; }
  MESA_HD static int64_t room() { return (static_cast<int64_t>(sizeof(Arrays)) + 15) / 16 * 16; }
  int64_t shared_bytes() const { return stages() ? bytes : 0; }
  MESA_HD bool stages() const { return bytes > room(); }

  // Where a block's threads write: row `slot` of a staged field is that of slot - first in shared memory.
  __device__ void lay_out(const Arrays& given, int64_t first, uint8_t* shared, Arrays& out) const {
    for (int f = 0; f < fields; ++f) {
      out.row_bytes[f] = given.row_bytes[f];
      out.base[f] = at[f] ? shared + at[f] - first * row[f] : given.base[f];
    }
  }
  // A slot that is left as it was keeps its observation.
  __device__ void keep_row(const Arrays& given, int64_t slot, const Arrays& staged) const {
    for (int f = 0; f < fields; ++f)
      for (int i = 0; i < row[f]; ++i) staged.row<uint8_t>(f, slot)[i] = given.row<uint8_t>(f, slot)[i];
  }
  __device__ void copy_out(const Arrays& given, int64_t first, int64_t num_slots, const Arrays& staged) const {
    const int64_t slots = num_slots - first < int64_t{blockDim.x} ? num_slots - first : int64_t{blockDim.x};
    for (int f = 0; f < fields; ++f)
      if (at[f]) copy(given.row<uint8_t>(f, first), staged.row<uint8_t>(f, first), slots * row[f]);
  }

 private:
  struct alignas(16) Chunk {
    uint64_t low, high;
  };
  __device__ static void copy(uint8_t* to, const uint8_t* from, int64_t count) {
    int64_t done = 0;
    if (reinterpret_cast<uintptr_t>(to) % sizeof(Chunk) == 0) {  // `from` is: shared memory, whole rows of 32 slots
      done = count / 16 * 16;
      for (int64_t i = threadIdx.x; i < count / 16; i += blockDim.x)
        reinterpret_cast<Chunk*>(to)[i] = reinterpret_cast<const Chunk*>(from)[i];
    }
    for (int64_t i = done + threadIdx.x; i < count; i += blockDim.x) to[i] = from[i];
  }
};

}  // namespace mesa
