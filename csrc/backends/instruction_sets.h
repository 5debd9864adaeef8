// Which vectors the CPU has. Hot loops are compiled for each of these sets from one source and chosen when they run;
// `flatten` pulls everything a loop calls into it, where it takes on the set.
#pragma once
#include <atomic>

namespace mesa {

#if defined(__x86_64__) && !defined(MESA_EMULATED_CUDA) && !defined(MESA_ONE_SET) && \
    (defined(__GNUC__) || defined(__clang__))
#define MESA_X86 1
#define MESA_BASELINE __attribute__((flatten))
#define MESA_AVX2 __attribute__((flatten, target("avx2,bmi,bmi2,lzcnt,popcnt,fma")))
#define MESA_AVX512 \
  __attribute__((flatten, target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,bmi,bmi2,lzcnt,popcnt,fma")))
#else
#define MESA_X86 0
#define MESA_BASELINE
#endif

enum InstructionSet { kUnset = -1, kBaseline, kAvx2, kAvx512 };
constexpr const char* kInstructionSetNames[] = {"baseline", "avx2", "avx512"};

inline InstructionSet best_instruction_set() {
#if MESA_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  return avx512 ? kAvx512 : avx2 ? kAvx2 : kBaseline;
#else
  return kBaseline;
#endif
}

// What the user asked for; kUnset: each kind of loop takes what it was measured to run best on (docs/log.md).
inline std::atomic<int>& asked_set() {
  static std::atomic<int> set{kUnset};
  return set;
}
// Branchy integer code, which the wider sets do not speed up.
inline InstructionSet set_for_worlds() {
  const int asked = asked_set().load();
  return asked == kUnset ? kBaseline : static_cast<InstructionSet>(asked);
}
// Long loops over vectors.
inline InstructionSet set_for_solvers() {
  static const InstructionSet best = best_instruction_set();
  const int asked = asked_set().load();
  return asked == kUnset ? best : static_cast<InstructionSet>(asked);
}

}  // namespace mesa
