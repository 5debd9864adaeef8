# Turns MESASIM_CUDA_ARCHITECTURES into CMAKE_CUDA_ARCHITECTURES, unless the caller has set that already. N-real is
# machine code, N-virtual PTX (which the driver compiles for GPUs newer than any named), N both.
#
#   development  the GPUs seen here; where none is, sm_75 and sm_90: nothing can be run then, and that every kernel
#                compiles for the oldest architecture and for a current one is what the build is for
#   release      every architecture from Turing to Hopper, and PTX for what comes after
set(release_architectures 75-real 80-real 86-real 89-real 90)
set(checked_architectures 75-real 90-real)

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  if(MESASIM_CUDA_ARCHITECTURES STREQUAL "release")
    set(CMAKE_CUDA_ARCHITECTURES ${release_architectures})
  elseif(MESASIM_CUDA_ARCHITECTURES STREQUAL "development")
    execute_process(COMMAND nvidia-smi --list-gpus RESULT_VARIABLE no_gpu OUTPUT_VARIABLE gpus ERROR_QUIET)
    if(no_gpu STREQUAL "0" AND gpus MATCHES "GPU 0")
      set(CMAKE_CUDA_ARCHITECTURES native)
    else()
      set(CMAKE_CUDA_ARCHITECTURES ${checked_architectures})
    endif()
  else()
    set(CMAKE_CUDA_ARCHITECTURES ${MESASIM_CUDA_ARCHITECTURES})
  endif()
endif()
