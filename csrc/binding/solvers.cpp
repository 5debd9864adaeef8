#include "solvers.h"

namespace mesa {
void bind_solvers(pybind11::module_&) {}
}  // namespace mesa
