# Programs without Python over the CPU engine: `threads`, and the fuzz targets (csrc/checks/fuzz_*.cpp), as libFuzzer
# drives them or as replays of kept inputs. Included instead of the module, whose sources are in `sources`, when
# MESASIM_PROGRAMS is on (bench/builds.py).
option(MESASIM_FUZZER "libFuzzer drives the fuzz targets (clang only)" OFF)

add_library(engine STATIC ${sources})
target_include_directories(engine PUBLIC csrc)
target_compile_definitions(engine PUBLIC MESA_PLAIN) # nothing forced inline: a third of the wait
target_compile_options(engine PUBLIC -ffp-contract=off -Wall -Wextra)
target_link_libraries(engine PUBLIC Threads::Threads)
if(MESASIM_SANITIZE STREQUAL thread)
  target_compile_definitions(engine PUBLIC MESA_ONE_SET) # races are the same in each
endif()
if(MESASIM_SANITIZE)
  set(sanitize "-fsanitize=${MESASIM_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(engine PUBLIC ${sanitize})
  target_link_options(engine PUBLIC ${sanitize})
endif()
if(MESASIM_FUZZER)
  target_compile_options(engine PUBLIC -fsanitize=fuzzer-no-link)
endif()

add_executable(threads EXCLUDE_FROM_ALL csrc/checks/threads.cpp)
target_link_libraries(threads PRIVATE engine)
file(GLOB targets CONFIGURE_DEPENDS csrc/checks/fuzz_*.cpp)
foreach(target IN LISTS targets)
  get_filename_component(name ${target} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${target})
  if(MESASIM_FUZZER)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE csrc/checks/replay.cpp)
  endif()
  target_link_libraries(${name} PRIVATE engine)
endforeach()
