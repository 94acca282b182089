# Makes the imported target LibTorch::LibTorch from ANABRANCH_LIBTORCH, which is either the torch
# folder of a wheel or an unpacked libtorch archive.
#
# The wheel's own TorchConfig.cmake is not used: it wants a CUDA toolkit. Linked are libtorch_cpu and
# libc10 alone; a process that is asked for a GPU opens libtorch_cuda at run time, so that one binary
# serves machines with and without one. Both libraries find what they need beside themselves
# (libgomp, and ../../nvidia) by their own run path.
include(FindPackageMessage)

get_filename_component(LibTorch_ROOT "${ANABRANCH_LIBTORCH}" ABSOLUTE
                       BASE_DIR "${PROJECT_SOURCE_DIR}")
set(LibTorch_REMEDY
    "Run scripts/setup, which puts the pinned one under .deps/libtorch, or name another one \
(2.11 or later) by -DANABRANCH_LIBTORCH=DIR; on a machine with PyTorch DIR is what \
python3 -c 'import torch; print(torch.__path__[0])' prints")

# Reads LibTorch_VERSION from the header that every LibTorch since 2.9 has, or from the one before it.
function(_libtorch_version)
  foreach(header headeronly/version.h version.h csrc/api/include/torch/version.h)
    set(path "${LibTorch_ROOT}/include/torch/${header}")
    if(NOT EXISTS "${path}")
      continue()
    endif()
    file(STRINGS "${path}" lines REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
    if(lines MATCHES "MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+)")
      set(LibTorch_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# LibTorch carries headers of foreign libraries, among them Protobuf's and fmt's, of other versions
# than those that the services link. Behind this folder of links only LibTorch's own are seen.
function(_libtorch_headers)
  set(links "${PROJECT_BINARY_DIR}/libtorch-include")
  file(REMOVE_RECURSE "${links}")
  file(MAKE_DIRECTORY "${links}")
  foreach(folder ATen c10 caffe2 torch)
    if(EXISTS "${LibTorch_ROOT}/include/${folder}")
      file(CREATE_LINK "${LibTorch_ROOT}/include/${folder}" "${links}/${folder}" SYMBOLIC)
    endif()
  endforeach()
  set(LibTorch_INCLUDE_DIRS "${links}" "${links}/torch/csrc/api/include" PARENT_SCOPE)
endfunction()

unset(LibTorch_VERSION)
if(NOT EXISTS "${LibTorch_ROOT}/lib/libtorch_cpu.so")
  set(LibTorch_REASON "There is no lib/libtorch_cpu.so in ${LibTorch_ROOT}. ${LibTorch_REMEDY}.")
else()
  _libtorch_version()
  if(NOT LibTorch_VERSION)
    set(LibTorch_REASON "${LibTorch_ROOT} has no version header (include/torch). ${LibTorch_REMEDY}.")
  elseif(LibTorch_VERSION VERSION_LESS LibTorch_FIND_VERSION)
    set(LibTorch_REASON "LibTorch ${LibTorch_VERSION} in ${LibTorch_ROOT} is too old. ${LibTorch_REMEDY}.")
  endif()
endif()
if(LibTorch_REASON)
  set(LibTorch_FOUND FALSE)
  if(LibTorch_FIND_REQUIRED)
    message(FATAL_ERROR "${LibTorch_REASON}")
  endif()
  return()
endif()
set(LibTorch_FOUND TRUE)
find_package_message(LibTorch "Found LibTorch: ${LibTorch_ROOT} (${LibTorch_VERSION})"
                     "${LibTorch_ROOT}:${LibTorch_VERSION}")

if(NOT TARGET LibTorch::LibTorch)
  _libtorch_headers()
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES
    IMPORTED_LOCATION "${LibTorch_ROOT}/lib/libc10.so"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIRS}")
  add_library(LibTorch::LibTorch SHARED IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    IMPORTED_LOCATION "${LibTorch_ROOT}/lib/libtorch_cpu.so"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIRS}"
    # Its own needs lie beside it, and are its own business when others link it.
    INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined"
    INTERFACE_LINK_LIBRARIES "LibTorch::c10;Threads::Threads")
endif()
