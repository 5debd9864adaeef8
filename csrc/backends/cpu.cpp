// Which worlds there are, by id, and which instruction set their loops run on. The loops are in cpu_world.h.
#include "cpu_worlds.h"
#include "instruction_sets.h"

namespace mesa {
namespace {

#define MESA_CPU_WORLD_LISTED(World) &cpu_##World,
const CpuWorld* const kWorlds[] = {MESA_WORLDS(MESA_CPU_WORLD_LISTED)};

const CpuWorld& world(const std::string& id) {
  for (const CpuWorld* candidate : kWorlds)
    if (id == candidate->id) return *candidate;
  throw std::out_of_range(unknown_world(id));
}

}  // namespace

std::vector<std::string> world_ids() {
  std::vector<std::string> ids;
  for (const CpuWorld* world : kWorlds) ids.push_back(world->id);
  return ids;
}

std::string unknown_world(const std::string& id) {
  std::string known;
  for (const std::string& other : world_ids()) known += (known.empty() ? "" : ", ") + other;
  return "id: got '" + id + "', allowed: " + known;
}

Spec make_spec(const std::string& id, const Options& options) {
  return world(id).spec(options);
}

std::unique_ptr<Backend> make_cpu(const std::string& id, const Options& options, const Settings& settings) {
  return world(id).make(options, settings);
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
