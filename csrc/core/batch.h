// One slot of a batch: reset, step with time limit and autoreset, observe. Every backend's loops call these two
// functions and nothing else. Memory belongs to the caller; a Batch is pointers into it and is copied by value.
#pragma once
#include <type_traits>

#include "lanes.h"
#include "portable.h"
#include "rng.h"
#include "scratch.h"

namespace mesa {

enum class Autoreset : int32_t { kNextStep = 0, kSameStep = 1, kDisabled = 2 };

// Why a slot refused an action. The slot is left as it was.
enum class Fault : int32_t { kNone = 0, kActionOutOfRange = 1, kStepAfterDone = 2, kNeverReset = 3 };

// What one action led to. `trial_over` says that the next observation starts a new trial (or task).
struct Outcome {
  float reward;
  bool terminated;
  bool trial_over;
};

// What a slot's reset and step work in beside its memory, in bytes; and whether what is shown after them is so wide, or
// so long in the making, that on a GPU a warp should share it: then observe and oracle are run by all its lanes.
struct Needs {
  int64_t reset_scratch = 0, step_scratch = 0;
  bool wide = false;

  int64_t scratch() const { return reset_scratch > step_scratch ? reset_scratch : step_scratch; }
};

// In front of every world's State in a slot's memory.
struct SlotHeader {
  uint64_t seed;
  uint32_t stream;   // the slot's global number: with seed and episode, the key of all its random numbers
  uint32_t episode;  // 0 in the first episode after a seeded reset
  int32_t step;      // actions taken in this episode
  uint8_t live;      // false until the first reset
  uint8_t done;      // terminated or truncated, and not reset since
  uint8_t unused[2];

  MESA_HD Key key() const { return {seed, stream, episode}; }
};
static_assert(sizeof(SlotHeader) == 24 && std::is_trivially_copyable_v<SlotHeader>);

constexpr int kMaxFields = 8;

// Rows of one slot in a group of [num_slots, ...] arrays.
struct Arrays {
  uint8_t* base[kMaxFields];
  int64_t row_bytes[kMaxFields];

  template <class T>
  MESA_HD T* row(int field, int64_t slot) const {
    return reinterpret_cast<T*>(base[field] + slot * row_bytes[field]);
  }
};
struct Row {
  const Arrays& arrays;
  int64_t slot;

  template <class T>
  MESA_HD T* field(int index) const {
    return arrays.template row<T>(index, slot);
  }
};

// The engine's own fields, appended to a world's observation when history is on.
struct HistoryArrays {
  int32_t* previous_action;  // -1 at an episode's first observation
  float* previous_reward;
  uint8_t* trial_start;
};

// Tasks given instead of drawn: slot s plays numbers s, s + num_slots, s + 2 num_slots … in its episodes 0, 1, 2 …
struct Levels {
  const uint8_t* bytes;  // [count, each], or null
  int64_t count, each;
  int32_t *playing, *final_playing;  // [num_slots]: the number played, -1 once there are no more (they come again)
};

struct Memory {
  uint8_t* state;  // [num_slots, stride]: SlotHeader, then the world's State and what trails it
  int64_t stride;
  const int32_t* action;
  float* reward;
  uint8_t *terminated, *truncated;
  Arrays observation, oracle;
  HistoryArrays history;
  Arrays final_observation, final_oracle;  // same-step autoreset only
  HistoryArrays final_history;
  Levels levels;
};

template <class W>
struct Batch {
  typename W::Config config;
  Memory memory;
  int64_t num_slots;
  int64_t first_slot;  // global number of slot 0
  int32_t num_actions;
  int32_t max_episode_steps;  // 0: no limit
  Autoreset autoreset;
  bool history;

  template <class Other>  // of the same Config and State
  Batch<Other> as() const {
    return {config, memory, num_slots, first_slot, num_actions, max_episode_steps, autoreset, history};
  }
};

// A world's State sits behind the header; what its size depends on options for (its tail) sits behind that.
template <class W>
MESA_HD SlotHeader& header_of(const Batch<W>& b, int64_t slot) {
  return *reinterpret_cast<SlotHeader*>(b.memory.state + slot * b.memory.stride);
}
template <class W>
MESA_HD typename W::State& state_of(SlotHeader& header) {
  return *reinterpret_cast<typename W::State*>(&header + 1);
}
template <class T, class State>
MESA_HD T* tail_of(State& state, int64_t byte_offset = 0) {
  return reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(&state + 1) + byte_offset);
}
template <class T, class State>
MESA_HD const T* tail_of(const State& state, int64_t byte_offset = 0) {
  return reinterpret_cast<const T*>(reinterpret_cast<const uint8_t*>(&state + 1) + byte_offset);
}

// A world's reset and step are one lane's work, whatever the group; what is shown they all write.
template <class W, class Lanes>
MESA_HD void show_slot(const Batch<W>& b, int64_t slot, typename W::State& state, const Arrays& observation,
                       const Arrays& oracle, const HistoryArrays& history, int32_t action, float reward,
                       bool trial_start, const Lanes& lanes, Scratch scratch) {
  W::observe(b.config, state, Row{observation, slot}, lanes);
  if (b.config.oracle) W::oracle(b.config, state, Row{oracle, slot}, lanes, scratch);
  if (b.history && lanes.leads()) {
    history.previous_action[slot] = action;
    history.previous_reward[slot] = reward;
    history.trial_start[slot] = trial_start;
  }
  lanes.sync();
}

// `observation`: where the slot's first observation goes, which a kernel may keep elsewhere for a while.
template <class W, class Lanes>
MESA_HD_RARE void begin_episode(const Batch<W>& b, int64_t slot, const Arrays& observation, const Lanes& lanes,
                                Scratch scratch) {
  SlotHeader& header = header_of(b, slot);
  auto& state = state_of<W>(header);
  if (lanes.leads()) {
    header.step = 0;
    header.live = 1;
    header.done = 0;
    const uint8_t* level = nullptr;
    if (b.memory.levels.count > 0) {
      const Levels& levels = b.memory.levels;
      const int64_t number = slot + int64_t{header.episode} * b.num_slots;
      levels.playing[slot] = number < levels.count ? static_cast<int32_t>(number) : -1;
      level = levels.bytes + number % levels.count * levels.each;
    }
    W::reset(b.config, state, header.key(), level, scratch);
  }
  lanes.sync();
  show_slot(b, slot, state, observation, b.memory.oracle, b.memory.history, -1, 0.0f, true, lanes, scratch);
}

template <class W>
MESA_HD void write_result(const Batch<W>& b, int64_t slot, float reward, bool terminated, bool truncated) {
  b.memory.reward[slot] = reward;
  b.memory.terminated[slot] = terminated;
  b.memory.truncated[slot] = truncated;
}

// Starts the slot's story over at episode 0 of (seed, stream).
template <class W>
MESA_HD void seed_slot(const Batch<W>& b, int64_t slot, uint64_t seed, uint32_t stream) {
  SlotHeader& header = header_of(b, slot);
  header.seed = seed;
  header.stream = stream;
  header.episode = 0;
  header.live = 0;
}

template <class W, class Lanes>
MESA_HD void reset_slot(const Batch<W>& b, int64_t slot, const Lanes& lanes, Scratch scratch) {
  if (lanes.leads()) {
    SlotHeader& header = header_of(b, slot);
    if (header.live) ++header.episode;
    write_result(b, slot, 0.0f, false, false);
  }
  begin_episode(b, slot, b.memory.observation, lanes, scratch);
}

// How a reset picks its slots and their seeds. Null mask: every slot. Null seeds: `seed` for every slot, if has_seed.
struct ResetRequest {
  const uint8_t* mask = nullptr;    // [num_slots] or null
  const uint64_t* seeds = nullptr;  // [num_slots] or null
  bool has_seed = false;
  uint64_t seed = 0;
};

template <class W, class Lanes>
MESA_HD void reset_if_asked(const Batch<W>& b, const ResetRequest& request, int64_t slot, const Lanes& lanes,
                            Scratch scratch) {
  if (request.mask && !request.mask[slot]) return;
  // A seed given slot by slot is that slot's alone: its story does not depend on where in the batch it stands.
  if (lanes.leads()) {
    if (request.seeds) {
      seed_slot(b, slot, request.seeds[slot], 0);
    } else if (request.has_seed) {
      seed_slot(b, slot, request.seed, static_cast<uint32_t>(b.first_slot + slot));
    }
  }
  reset_slot(b, slot, lanes, scratch);
}

// Same-step autoreset: the last observation to the final arrays.
template <class W, class Lanes>
MESA_HD_RARE void end_episode(const Batch<W>& b, int64_t slot, int32_t action, const Outcome& outcome,
                              const Lanes& lanes, Scratch scratch) {
  show_slot(b, slot, state_of<W>(header_of(b, slot)), b.memory.final_observation, b.memory.final_oracle,
            b.memory.final_history, action, outcome.reward, outcome.trial_over, lanes, scratch);
  if (b.memory.levels.count > 0 && lanes.leads()) b.memory.levels.final_playing[slot] = b.memory.levels.playing[slot];
}

// The episode after one that ended: with this step (its result stays), or, in next-step mode, with the last.
template <class W, class Lanes>
MESA_HD void begin_next(const Batch<W>& b, int64_t slot, const Arrays& observation, const Lanes& lanes,
                        Scratch scratch) {
  lanes.sync();  // all have seen how the last one ended
  if (lanes.leads()) {
    SlotHeader& header = header_of(b, slot);
    if (header.done) write_result(b, slot, 0.0f, false, false);
    ++header.episode;
  }
  begin_episode(b, slot, observation, lanes, scratch);
}

// Whether a slot's memory, come from outside, is that of a slot which was reset and holds values its world can have;
// stepping any other is not safe.
template <class W>
bool slot_is_valid(const Batch<W>& b, const uint8_t* memory) {
  const auto& header = *reinterpret_cast<const SlotHeader*>(memory);
  if (header.live != 1 || header.done > 1 || header.step < 0) return false;
  if (b.max_episode_steps > 0 && header.step > b.max_episode_steps) return false;
  const auto& state = *reinterpret_cast<const typename W::State*>(memory + sizeof(SlotHeader));
  // What is over must say so: a world's memory has no room for steps after its end, and the time limit is met once.
  const bool at_limit = b.max_episode_steps > 0 && header.step == b.max_episode_steps;
  return W::valid(b.config, state) && (header.done || !(at_limit || W::ended(b.config, state)));
}

// What a slot did with its action. `begins`: the next episode is to begin (begin_next) before anybody looks.
struct Act {
  Fault fault;
  bool begins;
};

// `b` may be a loop's own copy, held in registers; `shared` is the same batch, for the rare paths: handing them the
// copy would make it memory that every store may alias.
template <class W, class Lanes>
MESA_HD Act act_in_slot(const Batch<W>& b, const Batch<W>& shared, int64_t slot, const Arrays& observation,
                        const Lanes& lanes, Scratch scratch) {
  SlotHeader& header = header_of(b, slot);
  if (!header.live) return {Fault::kNeverReset, false};
  if (header.done) {  // in next-step mode the action is ignored
    return b.autoreset == Autoreset::kDisabled ? Act{Fault::kStepAfterDone, false} : Act{Fault::kNone, true};
  }
  const int32_t action = b.memory.action[slot];
  if (static_cast<uint32_t>(action) >= static_cast<uint32_t>(b.num_actions)) return {Fault::kActionOutOfRange, false};

  auto& state = state_of<W>(header);
  struct Taken {
    Outcome outcome;
    bool done;
  };
  const Taken taken = lanes.once([&] {
    const Outcome outcome = W::step(b.config, state, action, header.key(), scratch);
    ++header.step;
    const bool truncated = !outcome.terminated && header.step == b.max_episode_steps;
    const bool done = outcome.terminated || truncated;
    write_result(b, slot, outcome.reward, outcome.terminated, truncated);
    header.done = done && b.autoreset != Autoreset::kSameStep;
    return Taken{outcome, done};
  });
  if (taken.done && b.autoreset == Autoreset::kSameStep) {
    end_episode(shared, slot, action, taken.outcome, lanes, scratch);
    return {Fault::kNone, true};
  }
  show_slot(b, slot, state, observation, b.memory.oracle, b.memory.history, action, taken.outcome.reward,
            taken.outcome.trial_over, lanes, scratch);
  return {Fault::kNone, false};
}

}  // namespace mesa
