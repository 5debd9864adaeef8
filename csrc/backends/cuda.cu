// Which GPUs there are, and a world by id on one of them. The kernels are in cuda_world.h.
#include <cuda_runtime.h>

#include "cuda_launch.h"
#include "cuda_worlds.h"

namespace mesa {

CudaStatus cuda_status() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    (void)cudaGetLastError();  // it is reported here; a later launch must not report it again
    return {true, {}, cudaGetErrorString(status)};
  }
  CudaStatus result{true, {}, count ? "" : "no CUDA device is visible"};
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
    result.devices.push_back(properties.name);
  }
  return result;
}

std::unique_ptr<Backend> make_cuda(const std::string& id, const Options& options, const Settings& settings,
                                   int device) {
  const CudaStatus status = cuda_status();
  if (device < 0 || device >= static_cast<int>(status.devices.size())) {
    throw std::runtime_error(
        "device: got 'cuda:" + std::to_string(device) + "', but " +
        (status.devices.empty() ? status.reason : "there are " + std::to_string(status.devices.size()) + " devices"));
  }
#define MESA_CUDA(World) \
  if (id == cuda_##World.id) return cuda_##World.make(options, settings, device);
  MESA_WORLDS(MESA_CUDA)
  throw std::out_of_range(unknown_world(id));
}

}  // namespace mesa
