// A batch of slots on some machine, with its world erased: what the binding drives. Memory belongs to the caller, who
// allocates what buffers() lists, once, and binds it; nothing here allocates after that. Thread-safe: a call made while
// another runs is refused.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../core/batch.h"
#include "../core/spec.h"

namespace mesa {

struct Settings {
  int64_t num_envs = 1;
  int64_t first_slot = 0;  // global number of slot 0: its part in every random number's key
  int32_t num_threads = 1;
  Autoreset autoreset = Autoreset::kNextStep;
  bool history = false, oracle = false;
  int64_t max_episode_steps = 0;
  int64_t num_levels = 0;
};

// One array the caller allocates: [num_envs, field.shape], contiguous, zeroed, on the batch's device.
struct Buffer {
  std::string group;  // "core", "observation", "oracle", "final_observation", "final_oracle"
  Field field;
};

struct FaultReport {
  Fault fault = Fault::kNone;
  int64_t slot = -1;
  int32_t action = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const Spec& spec() const = 0;
  virtual std::vector<Buffer> buffers() const = 0;
  virtual void bind(const std::vector<void*>& pointers) = 0;  // in the order of buffers()
  virtual void reset(const ResetRequest& request, void* stream) = 0;
  // On the CPU, the lowest refused slot of this step. On CUDA, of a step before: launches do not wait.
  virtual FaultReport step(void* stream) = 0;
  // What step() would report of launches it did not make itself (replays of a CUDA graph it was captured in).
  virtual FaultReport fault(void* /*stream*/) { return {}; }
  virtual int64_t max_episode_steps() const = 0;
  virtual int64_t level_bytes() const = 0;  // of one level; 0: the world takes none
  // The first slot of [num_envs, stride] state bytes in host memory whose world cannot have them; -1: none.
  virtual int64_t invalid_slot(const void* state, size_t bytes) const = 0;
  // Of one slot's state bytes, in host memory; std::invalid_argument for bytes its world cannot have.
  virtual Picture picture(const void* slot_state, size_t bytes) const = 0;
};

// What a backend needs of a world before it exists: its spec under given options, in Settings' light.
Spec make_spec(const std::string& id, const Options& options);
std::vector<std::string> world_ids();
std::string unknown_world(const std::string& id);  // what to say of an id that is none of them

std::unique_ptr<Backend> make_cpu(const std::string& id, const Options& options, const Settings& settings);
std::unique_ptr<Backend> make_cuda(const std::string& id, const Options& options, const Settings& settings, int device);

// Instruction sets the CPU loops were compiled for and this machine runs, best last; the one in use can be chosen.
std::vector<std::string> instruction_sets();
std::string instruction_set();
void use_instruction_set(const std::string& name);

struct CudaStatus {
  bool compiled;
  std::vector<std::string> devices;  // names of usable devices
  std::string reason;                // why there are none
};
CudaStatus cuda_status();

}  // namespace mesa
