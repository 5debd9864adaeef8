// Every world as the CUDA backend knows it, its type erased.
#pragma once
#include "../worlds/all.h"
#include "backend.h"

namespace mesa {

struct CudaWorld {
  const char* id;
  std::unique_ptr<Backend> (*make)(const Options&, const Settings&, int device);
};

#define MESA_CUDA_WORLD_DECLARED(World) extern const CudaWorld cuda_##World;
MESA_WORLDS(MESA_CUDA_WORLD_DECLARED)
#undef MESA_CUDA_WORLD_DECLARED

}  // namespace mesa
