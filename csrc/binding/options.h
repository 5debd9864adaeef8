// Options between Python and the engine.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../core/spec.h"

namespace mesa {

Options options_from(const pybind11::dict& given);
pybind11::dict options_to(const Options& options);

}  // namespace mesa
