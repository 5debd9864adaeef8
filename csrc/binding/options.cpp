#include "options.h"

namespace py = pybind11;

namespace mesa {
namespace {

std::string ascii(py::handle value) {
  return py::reinterpret_steal<py::object>(PyObject_ASCII(value.ptr())).cast<std::string>();
}

// Text that a C++ message can carry: it has no NUL and is encodable.
std::string text_from(const std::string& name, py::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (!text) PyErr_Clear();
  if (!text || std::string_view(text, static_cast<size_t>(size)).find('\0') != std::string_view::npos)
    throw std::invalid_argument(name + ": got " + ascii(value) + ", allowed: text without NUL or lone surrogates");
  return std::string(text, static_cast<size_t>(size));
}

OptionValue option_from(const std::string& name, py::handle value) {
  if (py::hasattr(value, "item") && py::hasattr(value, "dtype") &&  // a NumPy scalar is what it holds
      value.attr("ndim").cast<int>() == 0) {
    return option_from(name, py::object(value.attr("item")()));
  }
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow) return overflow > 0 ? INT64_MAX : INT64_MIN;  // out of every option's range, and refused as such
    return static_cast<int64_t>(number);
  }
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return text_from(name, value);
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    OptionList list;
    for (const py::handle element : value) {
      if (py::isinstance<py::list>(element) || py::isinstance<py::tuple>(element))  // a list may hold itself
        throw OptionTypeError(name + ": got " + ascii(value) + ", allowed: no list in a list");
      std::visit(
          [&](auto&& scalar) {
            using T = std::decay_t<decltype(scalar)>;
            if constexpr (!std::is_same_v<T, OptionList>) {
              list.push_back(scalar);
            }
          },
          option_from(name, element));
    }
    return list;
  }
  throw OptionTypeError(name + ": got " + ascii(value) + ", allowed: int, float, bool, str or a list of them");
}

}  // namespace

Options options_from(const py::dict& given) {
  Options options;
  for (const auto& [key, value] : given) {
    const std::string name = text_from("option", key);
    options[name] = option_from(name, value);
  }
  return options;
}

Options read_options(const std::string& owner, const std::vector<Option>& known, const Options& given) {
  check_known(known, given, owner);
  const ReadOptions reader{given};
  Options read;
  for (const Option& option : known) {
    const char* name = option.name.c_str();
    const OptionValue* found = reader.find(name);
    const OptionValue value = found ? *found : option.default_value;
    if (option.type == "int") {
      int32_t number = 0;
      ReadOptions::read_integer(name, value, number, static_cast<int64_t>(option.low),
                                static_cast<int64_t>(option.high));
      read[name] = int64_t{number};
    } else if (option.type == "float") {
      double number = 0;
      ReadOptions::read_real(name, value, number, option.low, option.high);
      read[name] = number;
    } else if (option.type == "bool") {
      if (!std::holds_alternative<bool>(value)) ReadOptions::wrong_type(name, value, "True or False");
      read[name] = value;
    } else if (option.type == "choice") {
      int32_t index = 0;
      ReadOptions::read_choice(name, value, index, option.choices);
      read[name] = int64_t{index};
    } else {
      throw std::invalid_argument(option.name + ": got type '" + option.type + "', allowed: int, float, bool, choice");
    }
  }
  return read;
}

py::dict options_to(const Options& options) {
  py::dict result;
  for (const auto& [name, value] : options) result[py::str(name)] = py::cast(value);
  return result;
}

}  // namespace mesa
