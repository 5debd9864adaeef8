// The CPU's loops: slots in equal parts over a thread pool, each loop compiled once per instruction set and picked at
// run time. No rules here.
#include <atomic>
#include <cstdlib>
#include <mutex>

#include "bound.h"
#include "instruction_sets.h"
#include "thread_pool.h"

namespace mesa {
namespace {

template <class W>
MESA_HD FaultReport step_range(const Batch<W>& given, int64_t begin, int64_t end) {
  const Batch<W> batch = given;  // a copy no store in the loop can alias, so that its fields stay in registers
  FaultReport report;
  for (int64_t slot = begin; slot < end; ++slot) {
    const Fault fault = step_slot(batch, given, slot);
    if (fault != Fault::kNone && report.fault == Fault::kNone) report = {fault, slot, batch.memory.action[slot]};
  }
  return report;
}

template <class W>
MESA_HD void reset_range(const Batch<W>& batch, const ResetRequest& request, int64_t begin, int64_t end) {
  for (int64_t slot = begin; slot < end; ++slot) reset_if_asked(batch, request, slot);
}

// One world's loops for one instruction set.
template <class W>
struct Loops {
  FaultReport (*step)(const Batch<W>&, int64_t, int64_t);
  void (*reset)(const Batch<W>&, const ResetRequest&, int64_t, int64_t);
};

#define MESA_LOOPS(World, suffix, target)                                                                  \
  target FaultReport step_##World##suffix(const Batch<World>& batch, int64_t begin, int64_t end) {         \
    return step_range(batch, begin, end);                                                                  \
  }                                                                                                        \
  target void reset_##World##suffix(const Batch<World>& batch, const ResetRequest& request, int64_t begin, \
                                    int64_t end) {                                                         \
    reset_range(batch, request, begin, end);                                                               \
  }

template <class W>
Loops<W> loops_for(InstructionSet);

#if MESA_X86
#define MESA_WORLD_LOOPS(World)                                                 \
  MESA_LOOPS(World, _baseline, MESA_BASELINE)                                   \
  MESA_LOOPS(World, _avx2, MESA_AVX2)                                           \
  MESA_LOOPS(World, _avx512, MESA_AVX512)                                       \
  template <>                                                                   \
  Loops<World> loops_for<World>(InstructionSet set) {                           \
    if (set == kAvx512) return {step_##World##_avx512, reset_##World##_avx512}; \
    if (set == kAvx2) return {step_##World##_avx2, reset_##World##_avx2};       \
    return {step_##World##_baseline, reset_##World##_baseline};                 \
  }
#else
#define MESA_WORLD_LOOPS(World)                                 \
  MESA_LOOPS(World, _baseline, )                                \
  template <>                                                   \
  Loops<World> loops_for<World>(InstructionSet) {               \
    return {step_##World##_baseline, reset_##World##_baseline}; \
  }
#endif
MESA_WORLDS(MESA_WORLD_LOOPS)

// Slots a thread works on are whole cache lines of every per-slot array (the narrowest is a byte a slot).
constexpr int64_t kSlotsPerLine = 64;

template <class W>
class CpuBackend final : public Bound<W> {
 public:
  using Bound<W>::Bound;

  void reset(const ResetRequest& request, void*) override {
    const auto lock = own();
    const auto loop = loops_for<W>(set_for_worlds()).reset;
    over_slots([&](int, int64_t begin, int64_t end) { loop(this->batch_, request, begin, end); });
  }

  FaultReport step(void*) override {
    const auto lock = own();  // before the reports, which are the running step's
    const auto loop = loops_for<W>(set_for_worlds()).step;
    reports_.assign(static_cast<size_t>(this->settings_.num_threads), {});
    over_slots([&](int part, int64_t begin, int64_t end) {
      reports_[static_cast<size_t>(part)] = loop(this->batch_, begin, end);
    });
    for (const FaultReport& report : reports_)
      if (report.fault != Fault::kNone) return report;
    return {};
  }

 private:
  std::unique_lock<std::mutex> own() {
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) throw std::runtime_error("this environment is being stepped by another thread");
    return lock;
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

  std::mutex mutex_;
  std::unique_ptr<Team> team_;
  std::vector<FaultReport> reports_;
};

}  // namespace

std::vector<std::string> world_ids() {
#define MESA_ID(World) World::kId,
  return {MESA_WORLDS(MESA_ID)};
}

Spec make_spec(const std::string& id, const Options& options) {
#define MESA_SPEC(World) \
  if (id == World::kId) return spec_of<World>(options);
  MESA_WORLDS(MESA_SPEC)
  throw std::out_of_range(unknown_world(id));
}

std::unique_ptr<Backend> make_cpu(const std::string& id, const Options& options, const Settings& settings) {
#define MESA_CPU(World) \
  if (id == World::kId) return std::make_unique<CpuBackend<World>>(options, settings);
  MESA_WORLDS(MESA_CPU)
  throw std::out_of_range(unknown_world(id));
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (int set = kBaseline; set <= best_instruction_set(); ++set) names.push_back(kInstructionSetNames[set]);
  return names;
}

std::string instruction_set() {
  return kInstructionSetNames[set_for_worlds()];
}

void use_instruction_set(const std::string& name) {
  const std::vector<std::string> usable = instruction_sets();
  for (size_t set = 0; set < usable.size(); ++set) {
    if (usable[set] == name) {
      asked_set() = static_cast<int>(set);
      return;
    }
  }
  std::string allowed;
  for (const std::string& other : usable) allowed += (allowed.empty() ? "" : ", ") + other;
  throw std::invalid_argument("instruction_set: got '" + name + "', allowed: " + allowed);
}

}  // namespace mesa
