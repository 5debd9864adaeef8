// The CPU's loops over one world's slots: equal parts over a thread pool, each loop compiled once per instruction set
// and picked at run time. No rules here. The build makes a file of each world in worlds/all.h (cpu_world.cpp.in).
#pragma once
#include "bound.h"
#include "cpu_worlds.h"
#include "instruction_sets.h"
#include "thread_pool.h"

namespace mesa {

template <class W>
MESA_HD FaultReport step_range(const Batch<W>& given, int64_t begin, int64_t end, Scratch scratch) {
  const Batch<W> batch = given;  // a copy no store in the loop can alias, so that its fields stay in registers
  const OneLane lanes;
  FaultReport report;
  for (int64_t slot = begin; slot < end; ++slot) {
    const Act act = act_in_slot(batch, given, slot, batch.memory.observation, lanes, scratch);
    if (act.begins) begin_next(given, slot, given.memory.observation, lanes, scratch);
    if (act.fault != Fault::kNone && report.fault == Fault::kNone)
      report = {act.fault, slot, batch.memory.action[slot]};
  }
  return report;
}

template <class W>
MESA_HD void reset_range(const Batch<W>& batch, const ResetRequest& request, int64_t begin, int64_t end,
                         Scratch scratch) {
  for (int64_t slot = begin; slot < end; ++slot) reset_if_asked(batch, request, slot, OneLane{}, scratch);
}

// One world's loops for one instruction set.
template <class W>
struct Loops {
  FaultReport (*step)(const Batch<W>&, int64_t, int64_t, Scratch);
  void (*reset)(const Batch<W>&, const ResetRequest&, int64_t, int64_t, Scratch);
};

// One set's loops: wrappers that no template is, so that the attribute `target` reaches everything inlined into them.
#define MESA_LOOPS(World, suffix, target)                                                                              \
  target static FaultReport step##suffix(const Batch<World>& batch, int64_t begin, int64_t end, Scratch scratch) {     \
    return step_range(batch, begin, end, scratch);                                                                     \
  }                                                                                                                    \
  target static void reset##suffix(const Batch<World>& batch, const ResetRequest& request, int64_t begin, int64_t end, \
                                   Scratch scratch) {                                                                  \
    reset_range(batch, request, begin, end, scratch);                                                                  \
  }

template <class W>
Loops<W> loops_for(InstructionSet);

#if MESA_X86
#define MESA_WORLD_LOOPS(World)                             \
  MESA_LOOPS(World, _baseline, MESA_BASELINE)               \
  MESA_LOOPS(World, _avx2, MESA_AVX2)                       \
  MESA_LOOPS(World, _avx512, MESA_AVX512)                   \
  template <>                                               \
  Loops<World> loops_for<World>(InstructionSet set) {       \
    if (set == kAvx512) return {step_avx512, reset_avx512}; \
    if (set == kAvx2) return {step_avx2, reset_avx2};       \
    return {step_baseline, reset_baseline};                 \
  }
#else
#define MESA_WORLD_LOOPS(World)                   \
  MESA_LOOPS(World, _baseline, )                  \
  template <>                                     \
  Loops<World> loops_for<World>(InstructionSet) { \
    return {step_baseline, reset_baseline};       \
  }
#endif

// Slots a thread works on are whole cache lines of every per-slot array (the narrowest is a byte a slot).
constexpr int64_t kSlotsPerLine = 64;

template <class W>
class CpuBackend final : public Bound<W> {
 public:
  using Bound<W>::Bound;

  void reset(const ResetRequest& request, void*) override {
    const auto lock = this->own();
    const auto loop = loops_for<W>(set_for_worlds()).reset;
    over_slots([&](int part, int64_t begin, int64_t end) { loop(this->batch_, request, begin, end, scratch(part)); });
  }

  FaultReport step(void*) override {
    const auto lock = this->own();  // before the reports, which are the running step's
    const auto loop = loops_for<W>(set_for_worlds()).step;
    reports_.assign(static_cast<size_t>(this->settings_.num_threads), {});
    over_slots([&](int part, int64_t begin, int64_t end) {
      reports_[static_cast<size_t>(part)] = loop(this->batch_, begin, end, scratch(part));
    });
    for (const FaultReport& report : reports_)
      if (report.fault != Fault::kNone) return report;
    return {};
  }

 private:
  // A thread's own, made when it is first needed; a step allocates nothing.
  Scratch scratch(int part) {
    const int64_t words = (this->needs_.scratch() + 7) / 8;
    if (words == 0) return {nullptr};
    std::unique_ptr<uint64_t[]>& memory = scratch_[static_cast<size_t>(part)];
    if (!memory) memory.reset(new uint64_t[static_cast<size_t>(words)]);
    return {reinterpret_cast<uint8_t*>(memory.get())};
  }
  template <class Body>
  void over_slots(const Body& body) {
    const int64_t slots = this->batch_.num_slots;
    const int64_t lines = (slots + kSlotsPerLine - 1) / kSlotsPerLine;
    const int64_t parts = std::min<int64_t>(this->settings_.num_threads, lines);
    if (parts <= 1) {
      body(0, 0, slots);
      return;
    }
    if (!team_) team_ = std::make_unique<Team>(static_cast<int>(parts));
    team_->run([&](int part) {
      const int64_t begin = lines * part / parts * kSlotsPerLine;
      const int64_t end = std::min(slots, lines * (part + 1) / parts * kSlotsPerLine);
      body(part, begin, end);
    });
  }

  std::unique_ptr<Team> team_;
  std::vector<FaultReport> reports_;
  std::vector<std::unique_ptr<uint64_t[]>> scratch_ =
      std::vector<std::unique_ptr<uint64_t[]>>(static_cast<size_t>(this->settings_.num_threads));
};

template <class W>
std::unique_ptr<Backend> make_cpu_world(const Options& options, const Settings& settings) {
  return std::make_unique<CpuBackend<W>>(options, settings);
}

#define MESA_CPU_WORLD(World) \
  MESA_WORLD_LOOPS(World)     \
  const CpuWorld cpu_##World{World::kId, &spec_of<World>, &make_cpu_world<World>};

}  // namespace mesa
