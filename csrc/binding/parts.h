// The parts of the Python module beside the engine: exact solvers, mazes, families of problems, tours, quick tours,
// sequences, regressions, networks.
#pragma once
#include <pybind11/pybind11.h>

namespace mesa {
void bind_solvers(pybind11::module_& m);
void bind_mazes(pybind11::module_& m);
void bind_curriculum(pybind11::module_& m);
void bind_tours(pybind11::module_& m);
void bind_heuristics(pybind11::module_& m);
void bind_tour_data(pybind11::module_& m);
void bind_sequences(pybind11::module_& m);
void bind_regression(pybind11::module_& m);
void bind_network(pybind11::module_& m);
}  // namespace mesa
