// A saved state from a stranger, for every world: bytes of a valid one changed at will. Whatever the engine accepts
// must be played, shown and drawn without a fault of memory or arithmetic.
#include "input.h"
#include "owned_batch.h"

using namespace mesa;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, data + size};
  static const auto ids = world_ids();
  const std::string& id = ids[static_cast<size_t>(input.below(static_cast<int64_t>(ids.size())))];
  const std::vector<Options>& variants = defaults_of(id).variants;
  const size_t variant = static_cast<size_t>(input.below(static_cast<int64_t>(variants.size()) + 1));
  const Options options = variant == variants.size() ? Options{} : variants[variant];
  const uint8_t how = input.byte();
  Settings settings;
  settings.autoreset = static_cast<Autoreset>(how % 3);
  settings.history = how & 4;
  settings.oracle = how & 8;
  settings.max_episode_steps = how & 16 ? 7 : -1;
  OwnedBatch batch(id, options, settings);
  batch.reset(input.byte());
  batch.step(how >> 5, 1);
  // Changes: where, how wide, to what. A width of 0 overwrites from there on with the rest of the input.
  std::vector<uint8_t> state(batch.state(), batch.state() + batch.state_bytes());
  while (input.left() > 0) {
    const size_t where = input.take<uint16_t>() % state.size();
    const size_t width = input.byte() % 9, room = state.size() - where;
    const size_t bytes = width == 0 ? input.left() : width;
    for (size_t k = 0; k < bytes && k < room; ++k) state[where + k] = input.byte();
    if (width == 0) break;
  }
  if (batch.backend().invalid_slot(state.data(), state.size()) >= 0) return 0;
  memcpy(batch.state(), state.data(), state.size());
  for (uint64_t part = 0; part < 5; ++part) {
    batch.backend().picture(batch.state(), batch.state_bytes());
    batch.step(10, part);
    require(batch.backend().invalid_slot(batch.state(), batch.state_bytes()) < 0,
            "a state that was accepted leads to states that are");
  }
  batch.backend().reset({}, nullptr);
  batch.step(5, 9);
  return 0;
}
