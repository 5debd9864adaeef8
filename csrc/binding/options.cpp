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
      std::visit(
          [&](auto&& scalar) {
            using T = std::decay_t<decltype(scalar)>;
            if constexpr (std::is_same_v<T, OptionList>) {
              throw OptionTypeError(name + ": got " + ascii(value) + ", allowed: no list in a list");
            } else {
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

py::dict options_to(const Options& options) {
  py::dict result;
  for (const auto& [name, value] : options) result[py::str(name)] = py::cast(value);
  return result;
}

}  // namespace mesa
