// Kernels with a known fault, for tests of the emulator, and the device that is current.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mesa {

// One of kPlanted (planted.cpp): what each of 32 lanes wrote. Throws what a failed launch throws.
std::vector<int64_t> run_planted(const std::string& name);

// The calling thread's current device, which a library leaves as its caller has it.
int current_device();
void use_device(int device);

}  // namespace mesa
