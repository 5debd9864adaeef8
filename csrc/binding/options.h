// Options between Python and the engine.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../core/spec.h"

namespace mesa {

Options options_from(const pybind11::dict& given);
// Every known option's value: the given, checked as a world's are, or the default; a choice as its index.
Options read_options(const std::string& owner, const std::vector<Option>& known, const Options& given);
pybind11::dict options_to(const Options& options);

}  // namespace mesa
