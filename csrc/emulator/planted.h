// Kernels with a known fault, for tests of the emulator.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mesa {

// sound, race, divergence or absence: what each of 32 lanes wrote. Throws what a failed launch throws.
std::vector<int64_t> run_planted(const std::string& name);

}  // namespace mesa
