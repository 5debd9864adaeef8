// What the rest may know about a world: its options and its fields, each declared once in the world's header and
// derived everywhere else (keywords, validation, spaces, buffers, CLI, docs). Host only.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace mesa {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

enum class Dtype { kBool, kUint8, kInt32, kFloat32 };

inline int64_t dtype_bytes(Dtype dtype) {
  return dtype == Dtype::kBool || dtype == Dtype::kUint8 ? 1 : 4;
}
inline const char* dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBool:
      return "bool";
    case Dtype::kUint8:
      return "uint8";
    case Dtype::kInt32:
      return "int32";
    default:
      return "float32";
  }
}

// One array of a batch: `shape` is one slot's part of it. `categories` > 0 says the values are labels 0 … categories-1
// (a label below 0 means "none"); 0 says they are quantities.
struct Field {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  double low, high;
  int64_t categories;
  std::string help;

  int64_t count() const {
    int64_t product = 1;
    for (int64_t side : shape) product *= side;
    return product;
  }
  int64_t bytes() const { return count() * dtype_bytes(dtype); }
};

using OptionScalar = std::variant<bool, int64_t, double, std::string>;
using OptionList = std::vector<OptionScalar>;
using OptionValue = std::variant<bool, int64_t, double, std::string, OptionList>;
using Options = std::map<std::string, OptionValue>;

// A value of the wrong kind or an option that does not exist: Python sees TypeError, where a value out of range
// (std::invalid_argument) is ValueError.
struct OptionTypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Option {
  std::string name, type;  // type: "int", "float", "bool", "choice"; "ints", "floats", "choices": lists of them
  OptionValue default_value;
  double low, high;
  std::vector<std::string> choices;
  std::string help;
};

struct Spec {
  std::string id, help;
  std::vector<Option> options;
  std::vector<Field> observation, oracle;
  std::vector<std::string> actions;  // names; action a is the a-th
  int64_t max_episode_steps = 0;     // the default time limit; 0: none
  std::vector<Options> variants;     // option sets that between them reach every branch: contract tests and signatures
};

// A list option's values, in a Config: at most kMostValues.
constexpr int kMostValues = 16;  // a value an arm of a bandit of moderate size
template <class T>
struct ShortList {
  T value[kMostValues] = {};
  int32_t count = 0;
};

inline OptionValue widen(const OptionScalar& scalar) {
  return std::visit([](const auto& value) { return OptionValue(value); }, scalar);
}
inline std::string show(const OptionValue& value) {
  std::ostringstream out;
  if (const OptionList* list = std::get_if<OptionList>(&value)) {
    out << "[";
    for (size_t i = 0; i < list->size(); ++i) out << (i ? ", " : "") << show(widen((*list)[i]));
    out << "]";
  }
  if (const bool* b = std::get_if<bool>(&value)) out << (*b ? "True" : "False");
  if (const int64_t* i = std::get_if<int64_t>(&value)) out << *i;
  if (const double* d = std::get_if<double>(&value)) out << *d;
  if (const std::string* s = std::get_if<std::string>(&value)) out << "'" << *s << "'";
  return out.str();
}

// The two visitors of a world's options(): one writes the list down, the other fills a Config from given values.
struct DescribeOptions {
  std::vector<Option> found;
  void integer(const char* name, int32_t& slot, int64_t low, int64_t high, const char* help) {
    found.push_back({name, "int", int64_t{slot}, double(low), double(high), {}, help});
  }
  void real(const char* name, double& slot, double low, double high, const char* help) {
    found.push_back({name, "float", slot, low, high, {}, help});
  }
  void flag(const char* name, bool& slot, const char* help) { found.push_back({name, "bool", slot, 0, 1, {}, help}); }
  void choice(const char* name, int32_t& slot, std::vector<std::string> choices, const char* help) {
    found.push_back({name, "choice", choices[slot], 0, double(choices.size() - 1), choices, help});
  }
  void integers(const char* name, ShortList<int32_t>& slot, int64_t low, int64_t high, const char* help) {
    OptionList list;
    for (int i = 0; i < slot.count; ++i) list.emplace_back(int64_t{slot.value[i]});
    found.push_back({name, "ints", list, double(low), double(high), {}, help});
  }
  void reals(const char* name, ShortList<double>& slot, double low, double high, const char* help) {
    OptionList list;
    for (int i = 0; i < slot.count; ++i) list.emplace_back(slot.value[i]);
    found.push_back({name, "floats", list, low, high, {}, help});
  }
  void choices(const char* name, ShortList<int32_t>& slot, std::vector<std::string> choices, const char* help) {
    OptionList list;
    for (int i = 0; i < slot.count; ++i) list.push_back(choices[slot.value[i]]);
    found.push_back({name, "choices", list, 0, double(choices.size() - 1), choices, help});
  }
};

struct ReadOptions {
  const Options& given;

  const OptionValue* find(const char* name) const {
    auto it = given.find(name);
    return it == given.end() ? nullptr : &it->second;
  }
  [[noreturn]] static void wrong_type(const char* name, const OptionValue& came, const std::string& allowed) {
    throw OptionTypeError(std::string(name) + ": got " + show(came) + ", allowed: " + allowed);
  }
  template <class T>
  static void check_range(const char* name, const OptionValue& came, T value, T low, T high) {
    if (value >= low && value <= high) return;  // false for NaN
    std::ostringstream out;
    out << name << ": got " << show(came) << ", allowed: " << low << " to " << high;
    throw std::invalid_argument(out.str());
  }
  void integer(const char* name, int32_t& slot, int64_t low, int64_t high, const char*) {
    if (const OptionValue* value = find(name)) read_integer(name, *value, slot, low, high);
  }
  static void read_integer(const char* name, const OptionValue& value, int32_t& slot, int64_t low, int64_t high) {
    const int64_t* i = std::get_if<int64_t>(&value);
    if (!i) wrong_type(name, value, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    check_range(name, value, *i, low, high);
    slot = static_cast<int32_t>(*i);
  }
  void real(const char* name, double& slot, double low, double high, const char*) {
    if (const OptionValue* value = find(name)) read_real(name, *value, slot, low, high);
  }
  static void read_real(const char* name, const OptionValue& given_value, double& slot, double low, double high) {
    const OptionValue* value = &given_value;
    double number = 0;
    if (const double* d = std::get_if<double>(value)) {
      number = *d;
    } else if (const int64_t* i = std::get_if<int64_t>(value)) {
      number = static_cast<double>(*i);
    } else {
      wrong_type(name, *value, "a number");
    }
    check_range(name, *value, number, low, high);
    slot = number;
  }
  void flag(const char* name, bool& slot, const char*) {
    const OptionValue* value = find(name);
    if (!value) return;
    const bool* b = std::get_if<bool>(value);
    if (!b) wrong_type(name, *value, "True or False");
    slot = *b;
  }
  void choice(const char* name, int32_t& slot, std::vector<std::string> choices, const char*) {
    if (const OptionValue* value = find(name)) read_choice(name, *value, slot, choices);
  }
  static void read_choice(const char* name, const OptionValue& given_value, int32_t& slot,
                          const std::vector<std::string>& choices) {
    const OptionValue* value = &given_value;
    std::string allowed;
    for (const std::string& choice : choices) allowed += (allowed.empty() ? "'" : ", '") + choice + "'";
    const std::string* s = std::get_if<std::string>(value);
    if (!s) wrong_type(name, *value, allowed);
    for (size_t i = 0; i < choices.size(); ++i) {
      if (choices[i] == *s) {
        slot = static_cast<int32_t>(i);
        return;
      }
    }
    throw std::invalid_argument(std::string(name) + ": got " + show(*value) + ", allowed: " + allowed);
  }
  // A list of at most kMostValues; `read` takes one element.
  template <class T, class Read>
  void list(const char* name, ShortList<T>& slot, const Read& read) {
    const OptionValue* value = find(name);
    if (!value) return;
    const OptionList* given_list = std::get_if<OptionList>(value);
    if (!given_list) wrong_type(name, *value, "a list");
    if (given_list->size() > kMostValues)
      throw std::invalid_argument(std::string(name) + ": got " + std::to_string(given_list->size()) +
                                  " values, allowed: at most " + std::to_string(kMostValues));
    slot.count = static_cast<int32_t>(given_list->size());
    for (size_t i = 0; i < given_list->size(); ++i) read(widen((*given_list)[i]), slot.value[i]);
  }
  void integers(const char* name, ShortList<int32_t>& slot, int64_t low, int64_t high, const char*) {
    list(name, slot, [&](const OptionValue& v, int32_t& out) { read_integer(name, v, out, low, high); });
  }
  void reals(const char* name, ShortList<double>& slot, double low, double high, const char*) {
    list(name, slot, [&](const OptionValue& v, double& out) { read_real(name, v, out, low, high); });
  }
  void choices(const char* name, ShortList<int32_t>& slot, std::vector<std::string> choices, const char*) {
    list(name, slot, [&](const OptionValue& v, int32_t& out) { read_choice(name, v, out, choices); });
  }
};

// Refuses options that `owner` (a world, an algorithm) does not have.
inline void check_known(const std::vector<Option>& known, const Options& given, const std::string& owner) {
  for (const auto& [name, value] : given) {
    bool found = false;
    std::string allowed;
    for (const Option& option : known) {
      found = found || option.name == name;
      allowed += (allowed.empty() ? "" : ", ") + option.name;
    }
    if (!found)
      throw OptionTypeError(name + ": got " + show(value) + ", but " + owner +
                            " has no such option; allowed: " + allowed);
  }
}

// A slot seen from above as coloured tiles: one description for the ASCII and the RGB rendering.
struct Tile {
  char letter;
  uint8_t red, green, blue;
};
struct Picture {
  int64_t rows = 0, cols = 0;
  std::vector<Tile> tiles;  // row-major

  Picture(int64_t r, int64_t c, Tile fill) : rows(r), cols(c), tiles(static_cast<size_t>(r * c), fill) {}
  Tile& at(int64_t row, int64_t col) { return tiles[static_cast<size_t>(row * cols + col)]; }
};

}  // namespace mesa
