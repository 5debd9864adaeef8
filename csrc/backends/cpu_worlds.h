// Every world as the CPU backend knows it, its type erased.
#pragma once
#include "../worlds/all.h"
#include "backend.h"

namespace mesa {

struct CpuWorld {
  const char* id;
  Spec (*spec)(const Options&);
  std::unique_ptr<Backend> (*make)(const Options&, const Settings&);
};

#define MESA_CPU_WORLD_DECLARED(World) extern const CpuWorld cpu_##World;
MESA_WORLDS(MESA_CPU_WORLD_DECLARED)
#undef MESA_CPU_WORLD_DECLARED

}  // namespace mesa
