# How every target of this project is compiled and linked, and the four functions by which folders
# declare what they build.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, RelWithDebInfo or Release" FORCE)
endif()
# Portable on purpose: no -march. Hot kernels are compiled for several instruction sets themselves.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")

if(NOT ANABRANCH_SANITIZER MATCHES "^(address|thread|)$")
  message(FATAL_ERROR "ANABRANCH_SANITIZER is '${ANABRANCH_SANITIZER}'; it may be 'address' "
                      "(with undefined), 'thread' or empty.")
endif()

find_program(ANABRANCH_MOLD mold)
find_program(ANABRANCH_LLD NAMES ld.lld ld.lld-19)
mark_as_advanced(ANABRANCH_MOLD ANABRANCH_LLD)
if(ANABRANCH_MOLD)
  add_link_options(-fuse-ld=mold)
elseif(ANABRANCH_LLD)
  add_link_options(-fuse-ld=lld)
endif()

find_program(ANABRANCH_CCACHE ccache)
mark_as_advanced(ANABRANCH_CCACHE)
if(ANABRANCH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for where there are precompiled headers; the base directory
  # lets build folders and clones share what they compile.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${ANABRANCH_CCACHE})
endif()

# What all our targets are compiled with. The precompiled header demands that it is the same for all.
add_library(anabranch_flags INTERFACE)
target_compile_options(anabranch_flags INTERFACE
  -Wall -Wextra -Werror -pthread
  # Nobody reads errno or floating-point traps; heeding them keeps loops with sqrt and ?: scalar.
  -fno-math-errno -fno-trapping-math
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
  # The second, since libstdc++ 12's own std::stable_sort calls what libstdc++ 12 declares deprecated.
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety;-Wno-deprecated-declarations>)
target_include_directories(anabranch_flags INTERFACE "${PROJECT_SOURCE_DIR}")
set(ANABRANCH_SANITIZER_FLAGS)
if(ANABRANCH_SANITIZER STREQUAL "address")
  set(ANABRANCH_SANITIZER_FLAGS -fsanitize=address,undefined -fno-sanitize=vptr
      -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(ANABRANCH_SANITIZER STREQUAL "thread")
  set(ANABRANCH_SANITIZER_FLAGS -fsanitize=thread -fno-omit-frame-pointer)
endif()
# Everything is instrumented, generated code too: these are not confined to our own targets.
add_compile_options(${ANABRANCH_SANITIZER_FLAGS})
add_link_options(${ANABRANCH_SANITIZER_FLAGS})
set(ANABRANCH_SANITIZER_DEFAULTS "${CMAKE_CURRENT_LIST_DIR}/sanitizers/defaults.cc")
if(ANABRANCH_SANITIZER STREQUAL "thread")
  list(APPEND ANABRANCH_SANITIZER_DEFAULTS "${CMAKE_CURRENT_LIST_DIR}/sanitizers/absl_mutex.cc")
endif()

# One precompiled header of LibTorch for all targets that have TORCH. A source that needs other
# compiler flags than its neighbours sets the source property SKIP_PRECOMPILE_HEADERS.
function(anabranch_torch_pch)
  set(source "${PROJECT_BINARY_DIR}/anabranch_torch_pch.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "// Carries the precompiled header of LibTorch.\n")
  add_library(anabranch_torch_pch STATIC EXCLUDE_FROM_ALL "${source}")
  target_link_libraries(anabranch_torch_pch PRIVATE anabranch_flags LibTorch::LibTorch)
  target_precompile_headers(anabranch_torch_pch PRIVATE
    <ATen/Functions.h> <ATen/TensorOperators.h> <ATen/core/Tensor.h>
    <torch/csrc/autograd/function.h> <torch/csrc/autograd/variable.h>)
endfunction()

function(_anabranch_torch target scope)
  target_link_libraries(${target} ${scope} LibTorch::LibTorch)
  target_precompile_headers(${target} REUSE_FROM anabranch_torch_pch)
endfunction()

# anabranch_library(NAME environment SRCS a.cc b.cc DEPS absl::status anabranch::random [TORCH])
# makes the target anabranch_environment, alias anabranch::environment. Without SRCS it is a library
# of headers. Dependencies are public. TORCH is for libraries that handle tensors.
function(anabranch_library)
  cmake_parse_arguments(PARSE_ARGV 0 arg "TORCH" "NAME" "SRCS;DEPS")
  _anabranch_check_arguments(anabranch_library)
  set(target anabranch_${arg_NAME})
  if(arg_SRCS)
    add_library(${target} STATIC ${arg_SRCS})
    target_link_libraries(${target} PRIVATE anabranch_flags PUBLIC ${arg_DEPS})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
    if(arg_TORCH)
      _anabranch_torch(${target} PUBLIC)
    endif()
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_DEPS})
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}")
    if(arg_TORCH)
      target_link_libraries(${target} INTERFACE LibTorch::LibTorch)
    endif()
  endif()
  add_library(anabranch::${arg_NAME} ALIAS ${target})
endfunction()

# What is shipped, without tests and benchmarks: `ninja programs`.
add_custom_target(programs)

# anabranch_binary(NAME anabranch-train SRCS main.cc DEPS ... [TORCH]) makes <build>/bin/anabranch-train.
function(anabranch_binary)
  cmake_parse_arguments(PARSE_ARGV 0 arg "TORCH" "NAME" "SRCS;DEPS")
  _anabranch_check_arguments(anabranch_binary)
  _anabranch_executable(${arg_NAME})
  add_dependencies(programs ${arg_NAME})
endfunction()

# anabranch_test(NAME hypergrid_test SRCS hypergrid_test.cc DEPS ... [TORCH] [FULL] [TIMEOUT seconds])
# makes a GoogleTest binary whose tests CTest lists one by one. FULL puts them into the tier that only
# `scripts/test full` runs. TIMEOUT (default 120) is per test.
function(anabranch_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "TORCH;FULL" "NAME;TIMEOUT" "SRCS;DEPS")
  _anabranch_check_arguments(anabranch_test)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(ANABRANCH_SANITIZER)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 10")
  endif()
  list(APPEND arg_DEPS GTest::gtest_main GTest::gmock)
  _anabranch_executable(${arg_NAME})
  set_target_properties(${arg_NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  set(labels default)
  if(arg_FULL)
    set(labels full)
  endif()
  gtest_discover_tests(${arg_NAME}
    # Asked when CTest runs: a build then needs no test to start, and a sanitizer's start-up is slow.
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    TEST_PREFIX "${arg_NAME}."
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${labels})
endfunction()

# anabranch_benchmark(NAME rollout_benchmark SRCS ... DEPS ... [TORCH]) makes <build>/bin/rollout_benchmark.
# Google Benchmark is linked; the source brings its main (BENCHMARK_MAIN() or its own).
function(anabranch_benchmark)
  cmake_parse_arguments(PARSE_ARGV 0 arg "TORCH" "NAME" "SRCS;DEPS")
  _anabranch_check_arguments(anabranch_benchmark)
  list(APPEND arg_DEPS benchmark::benchmark)
  _anabranch_executable(${arg_NAME})
endfunction()

# An executable of the caller's arg_SRCS, arg_DEPS and arg_TORCH.
macro(_anabranch_executable target)
  add_executable(${target} ${arg_SRCS})
  target_link_libraries(${target} PRIVATE anabranch_flags ${arg_DEPS})
  if(arg_TORCH)
    _anabranch_torch(${target} PRIVATE)
  endif()
  if(ANABRANCH_SANITIZER)
    target_sources(${target} PRIVATE "${ANABRANCH_SANITIZER_DEFAULTS}")
  endif()
endmacro()

macro(_anabranch_check_arguments function)
  if(NOT arg_NAME)
    message(FATAL_ERROR "${function} needs NAME.")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${function}(NAME ${arg_NAME} ...): what is '${arg_UNPARSED_ARGUMENTS}'?")
  endif()
  foreach(dependency IN LISTS arg_DEPS)
    if(dependency MATCHES "::" AND NOT TARGET ${dependency})
      message(FATAL_ERROR "${arg_NAME} depends on ${dependency}, which is not declared before it. "
                          "Folders are added in the order of their dependencies.")
    endif()
  endforeach()
endmacro()
