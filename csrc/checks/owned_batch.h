// A batch of one world with its memory, for programs without Python. Every array is an allocation of its own and of no
// byte more than asked for, so that a sanitizer sees the first byte beyond it.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>

#include "../backends/backend.h"

namespace mesa {

// A world's spec under its defaults, made once.
inline const Spec& defaults_of(const std::string& id) {
  static std::map<std::string, Spec> known;
  const auto found = known.find(id);
  return found != known.end() ? found->second : known.emplace(id, make_spec(id, {})).first->second;
}

class OwnedBatch {
 public:
  // std::length_error where the arrays would take more than `most_bytes`.
  OwnedBatch(const std::string& id, const Options& options, Settings settings, int64_t most_bytes = int64_t{1} << 28) {
    if (settings.max_episode_steps < 0) settings.max_episode_steps = make_spec(id, options).max_episode_steps;
    num_envs_ = settings.num_envs;
    backend_ = make_cpu(id, options, settings);
    listed_ = backend_->buffers();
    for (const Buffer& buffer : listed_) {
      most_bytes -= num_envs_ * buffer.field.bytes();
      if (most_bytes < 0) throw std::length_error(id + ": too large");
    }
    std::vector<void*> pointers;
    for (const Buffer& buffer : listed_) {
      const size_t bytes = static_cast<size_t>(num_envs_ * buffer.field.bytes());
      memory_.emplace_back(new uint8_t[bytes]());
      pointers.push_back(memory_.back().get());
    }
    backend_->bind(pointers);
  }

  Backend& backend() { return *backend_; }
  int64_t num_envs() const { return num_envs_; }
  int32_t num_actions() const { return static_cast<int32_t>(backend_->spec().actions.size()); }
  uint8_t* state() { return memory_[0].get(); }
  int32_t* actions() { return reinterpret_cast<int32_t*>(memory_[1].get()); }
  size_t state_bytes() const { return bytes_of(0); }

  void reset(uint64_t seed) {
    ResetRequest request;
    request.has_seed = true;
    request.seed = seed;
    backend_->reset(request, nullptr);
  }
  // Steps with actions that depend on `salt` and the step alone.
  void step(int64_t steps, uint64_t salt) {
    for (int64_t t = 0; t < steps; ++t) {
      for (int64_t slot = 0; slot < num_envs_; ++slot) {
        salt = salt * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX
        actions()[slot] = static_cast<int32_t>((salt >> 33) % static_cast<uint64_t>(num_actions()));
      }
      backend_->step(nullptr);
    }
  }
  // FNV-1a over every array: equal batches, equal numbers.
  uint64_t hash() const {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < memory_.size(); ++i) {
      for (size_t k = 0; k < bytes_of(i); ++k) h = (h ^ memory_[i][k]) * 1099511628211u;
    }
    return h;
  }

 private:
  size_t bytes_of(size_t i) const { return static_cast<size_t>(num_envs_ * listed_[i].field.bytes()); }

  int64_t num_envs_ = 0;
  std::unique_ptr<Backend> backend_;
  std::vector<Buffer> listed_;
  std::vector<std::unique_ptr<uint8_t[]>> memory_;
};

}  // namespace mesa
