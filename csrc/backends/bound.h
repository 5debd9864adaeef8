// What the backends share on the host: from a world, options and settings to a spec, a list of buffers and a Batch of
// pointers into them. Compiled once a world.
#pragma once
#include <algorithm>
#include <array>
#include <mutex>

#include "backend.h"

namespace mesa {

template <class W>
typename W::Config read_config(const Options& given) {
  typename W::Config config;
  DescribeOptions known;
  W::options(known, config);
  check_known(known.found, given, W::kId);
  ReadOptions reader{given};
  W::options(reader, config);
  W::check(config);
  return config;
}

template <class W>
Spec spec_of(const Options& given) {
  typename W::Config config = read_config<W>(given);
  Spec spec;
  spec.id = W::kId;
  typename W::Config defaults;
  DescribeOptions known;
  W::options(known, defaults);
  spec.options = known.found;
  W::describe(config, spec);
  return spec;
}

template <class W>
class Bound : public Backend {
 public:
  Bound(const Options& options, const Settings& settings) : spec_(spec_of<W>(options)), settings_(settings) {
    static_assert(std::is_trivially_copyable_v<Batch<W>>, "a Batch is handed to kernels by value");
    static_assert(alignof(typename W::State) <= 8, "a State sits behind a 24-byte header");
    batch_ = Batch<W>{};
    batch_.config = read_config<W>(options);
    batch_.config.oracle = settings.oracle;
    batch_.num_slots = settings.num_envs;
    batch_.first_slot = settings.first_slot;
    batch_.num_actions = static_cast<int32_t>(spec_.actions.size());
    batch_.max_episode_steps = static_cast<int32_t>(settings.max_episode_steps);
    batch_.autoreset = settings.autoreset;
    batch_.history = settings.history;
    const int64_t bytes =
        static_cast<int64_t>(sizeof(SlotHeader) + sizeof(typename W::State)) + W::tail_bytes(batch_.config);
    batch_.memory.stride = (bytes + 7) / 8 * 8;
    if (settings.num_levels > 0 && level_bytes() == 0)
      throw std::invalid_argument("levels: got " + std::to_string(settings.num_levels) + ", but " + W::kId +
                                  " takes none");
    batch_.memory.levels.count = settings.num_levels;
    batch_.memory.levels.each = level_bytes();
    needs_ = W::needs(batch_.config);
    list_buffers();
  }
  const Spec& spec() const override { return spec_; }
  std::vector<Buffer> buffers() const override { return buffers_; }

  void bind(const std::vector<void*>& pointers) override {
    if (pointers.size() != buffers_.size())
      throw std::invalid_argument("buffers: got " + std::to_string(pointers.size()) +
                                  ", allowed: " + std::to_string(buffers_.size()));
    for (const void* pointer : pointers)
      if (pointer == nullptr) throw std::invalid_argument("buffers: got address 0, allowed: those of arrays");
    Memory& m = batch_.memory;
    size_t next = 0;
    const auto take = [&] { return static_cast<uint8_t*>(pointers[next++]); };
    const auto take_arrays = [&](const std::vector<Field>& fields, Arrays& arrays) {
      for (size_t i = 0; i < fields.size(); ++i) {
        arrays.base[i] = take();
        arrays.row_bytes[i] = fields[i].bytes();
      }
    };
    const auto take_history = [&](HistoryArrays& history) {
      if (!settings_.history) return;
      history.previous_action = reinterpret_cast<int32_t*>(take());
      history.previous_reward = reinterpret_cast<float*>(take());
      history.trial_start = take();
    };
    m.state = take();
    m.action = reinterpret_cast<int32_t*>(take());
    m.reward = reinterpret_cast<float*>(take());
    m.terminated = take();
    m.truncated = take();
    take_arrays(spec_.observation, m.observation);
    take_history(m.history);
    if (settings_.oracle) take_arrays(spec_.oracle, m.oracle);
    if (settings_.autoreset == Autoreset::kSameStep) {
      take_arrays(spec_.observation, m.final_observation);
      take_history(m.final_history);
      if (settings_.oracle) take_arrays(spec_.oracle, m.final_oracle);
    }
    if (settings_.num_levels > 0) {
      m.levels.bytes = take();
      m.levels.playing = reinterpret_cast<int32_t*>(take());
      m.levels.final_playing = reinterpret_cast<int32_t*>(take());
    }
  }
  int64_t level_bytes() const override { return W::level_bytes(batch_.config); }

  int64_t max_episode_steps() const override { return batch_.max_episode_steps; }

  int64_t invalid_slot(const void* state, size_t bytes) const override {
    if (bytes != static_cast<size_t>(batch_.num_slots * batch_.memory.stride)) return 0;
    for (int64_t slot = 0; slot < batch_.num_slots; ++slot) {
      const auto copy = aligned_copy(static_cast<const uint8_t*>(state) + slot * batch_.memory.stride);
      if (!slot_is_valid(batch_, reinterpret_cast<const uint8_t*>(copy.data()))) return slot;
    }
    return -1;
  }

  Picture picture(const void* slot_state, size_t bytes) const override {
    if (bytes != static_cast<size_t>(batch_.memory.stride))
      throw std::invalid_argument("state: got " + std::to_string(bytes) +
                                  " bytes, allowed: " + std::to_string(batch_.memory.stride) + ", those of one slot");
    std::vector<uint64_t> copy = aligned_copy(slot_state);
    auto& header = *reinterpret_cast<SlotHeader*>(copy.data());
    if (!slot_is_valid(batch_, reinterpret_cast<const uint8_t*>(copy.data())))
      throw std::invalid_argument("state: got bytes its world cannot have, allowed: those of a slot that was reset");
    return W::picture(batch_.config, state_of<W>(header));
  }

 protected:
  // Held by a call for as long as it runs; another thread's is refused.
  std::unique_lock<std::mutex> own() {
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) throw std::runtime_error("this environment is being stepped by another thread");
    if (batch_.memory.state == nullptr) throw std::runtime_error("this environment has no memory: call bind first");
    return lock;
  }
  std::vector<uint64_t> aligned_copy(const void* slot_state) const {
    std::vector<uint64_t> copy(static_cast<size_t>(batch_.memory.stride) / 8);
    memcpy(copy.data(), slot_state, copy.size() * 8);
    return copy;
  }
  void list_buffers() {
    const double actions = static_cast<double>(spec_.actions.size());
    if (spec_.observation.size() > kMaxFields || spec_.oracle.size() > kMaxFields)
      throw std::logic_error(spec_.id + ": more fields than kMaxFields");
    buffers_ = {{"core", {"state", Dtype::kUint8, {batch_.memory.stride}, 0, 255, 0, "slots, bytes"}},
                {"core", {"action", Dtype::kInt32, {}, 0, actions - 1, int64_t(actions), "what each slot does next"}},
                {"core", {"reward", Dtype::kFloat32, {}, -kUnbounded, kUnbounded, 0, "of the last step"}},
                {"core", {"terminated", Dtype::kBool, {}, 0, 1, 0, "the task ended"}},
                {"core", {"truncated", Dtype::kBool, {}, 0, 1, 0, "the time limit was reached"}}};
    list_group("observation", true);
    if (settings_.oracle) list_fields("oracle", spec_.oracle);
    if (settings_.autoreset == Autoreset::kSameStep) {
      list_group("final_observation", true);
      if (settings_.oracle) list_fields("final_oracle", spec_.oracle);
    }
    if (settings_.num_levels > 0) {
      const double most = double(settings_.num_levels - 1);
      // One array for all slots: its first axis is not num_envs but the levels.
      buffers_.push_back({"levels", {"bytes", Dtype::kUint8, {level_bytes()}, 0, 255, 0, "levels, bytes"}});
      buffers_.push_back({"levels", {"level", Dtype::kInt32, {}, -1, most, 0, "the level played; -1: none is left"}});
      buffers_.push_back({"levels", {"final_level", Dtype::kInt32, {}, -1, most, 0, "the level just ended"}});
    }
  }
  void list_fields(const std::string& group, const std::vector<Field>& fields) {
    for (const Field& field : fields) buffers_.push_back({group, field});
  }
  void list_group(const std::string& group, bool with_history) {
    list_fields(group, spec_.observation);
    if (!with_history || !settings_.history) return;
    const int64_t actions = static_cast<int64_t>(spec_.actions.size());
    list_fields(group, {{"previous_action",
                         Dtype::kInt32,
                         {1},
                         -1,
                         double(actions - 1),
                         actions,
                         "the action before this observation; -1 at an episode's first"},
                        {"previous_reward", Dtype::kFloat32, {1}, -kUnbounded, kUnbounded, 0, "and its reward"},
                        {"trial_start", Dtype::kBool, {1}, 0, 1, 0, "whether a trial starts here"}});
  }

  Spec spec_;
  Settings settings_;
  std::vector<Buffer> buffers_;
  Batch<W> batch_;
  Needs needs_;

 private:
  std::mutex mutex_;
};

}  // namespace mesa
