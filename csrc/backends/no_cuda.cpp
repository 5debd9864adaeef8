// Compiled instead of cuda.cu where no CUDA compiler was found.
#include "backend.h"

namespace mesa {

CudaStatus cuda_status() {
  return {false, {}, "mesasim was built without CUDA (no nvcc was found, or MESASIM_CUDA=OFF)"};
}

std::unique_ptr<Backend> make_cuda(const std::string&, const Options&, const Settings&, int) {
  throw std::runtime_error(cuda_status().reason);
}

}  // namespace mesa
