// The exact solvers' part of the Python module.
#pragma once
#include <pybind11/pybind11.h>

namespace mesa {
void bind_solvers(pybind11::module_& m);
}
