// Options and settings from a stranger, for every world: either refused by an exception that says so, or a world that
// plays without a fault.
#include <cmath>
#include <limits>

#include "input.h"
#include "owned_batch.h"

using namespace mesa;

namespace {

OptionScalar scalar_from(Input& input, const Option& option) {
  const double bounds[] = {option.low, option.high};
  switch (input.below(10)) {
    case 0:
      return input.below(2) == 1;
    case 1:
      return input.take<int64_t>();
    case 2:
      return input.take<double>();
    case 3:
      return std::string(static_cast<size_t>(input.below(40)), 'x');
    case 4:
      return std::numeric_limits<double>::quiet_NaN();
    case 5:
    case 6: {
      const double bound = bounds[input.below(2)];
      if (option.type.rfind("int", 0) == 0) return static_cast<int64_t>(bound) + input.below(3) - 1;
      return bound;
    }
    case 7:
      return option.choices.empty() ? std::string()
                                    : option.choices[input.byte() % static_cast<size_t>(option.choices.size())];
    case 8:
      return option.low + (std::min(option.high, 1e6) - option.low) * input.byte() / 255.0;
    default:
      return int64_t{input.byte()};
  }
}

OptionValue value_from(Input& input, const Option& option) {
  const bool is_list = option.type.back() == 's';
  if (is_list == (input.below(16) == 0)) return widen(scalar_from(input, option));
  OptionList list;
  for (int64_t k = input.below(20); k > 0; --k) list.push_back(scalar_from(input, option));
  return list;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, data + size};
  static const auto ids = world_ids();
  const std::string& id = ids[static_cast<size_t>(input.below(static_cast<int64_t>(ids.size())))];
  const Spec& defaults = defaults_of(id);
  const size_t variant = static_cast<size_t>(input.below(static_cast<int64_t>(defaults.variants.size()) + 1));
  Options options = variant < defaults.variants.size() ? defaults.variants[variant] : Options{};
  const uint8_t how = input.byte();
  for (int64_t k = input.below(6); k > 0; --k) {
    const Option& option = defaults.options[input.byte() % defaults.options.size()];
    options[option.name] = value_from(input, option);
  }
  Settings settings;
  settings.autoreset = static_cast<Autoreset>(how % 3);
  settings.history = how & 4;
  settings.oracle = how & 8;
  settings.max_episode_steps = how & 16 ? input.byte() : -1;
  settings.num_envs = 1 + (how >> 6);
  try {
    OwnedBatch batch(id, options, settings, 1 << 24);
    batch.reset(input.take<uint64_t>());
    for (uint64_t part = 0; part < 3; ++part) {
      require(batch.backend().invalid_slot(batch.state(), batch.state_bytes()) < 0, "every state that comes is valid");
      batch.step(8, part);
      batch.backend().picture(batch.state(), batch.state_bytes() / static_cast<size_t>(batch.num_envs()));
    }
  } catch (const std::invalid_argument&) {
  } catch (const OptionTypeError&) {
  } catch (const std::length_error&) {
  }
  return 0;
}
