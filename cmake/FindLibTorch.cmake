# LibTorch::LibTorch from a root folder that holds include/ and lib/: the cache that scripts/setup fills, a pip-installed
# torch (.../site-packages/torch) or an official archive. No CUDA toolkit is needed: where torch_cuda is in lib/, linking it
# with --no-as-needed alone makes the GPU visible. Floor: 2.7 (the C++11 ABI of the standard library by default).
#
#   ZCB_TORCH_ROOT   cache variable or environment variable; default ~/.cache/zcbench/libtorch-2.11.0
if(NOT ZCB_TORCH_ROOT)
  if(DEFINED ENV{ZCB_TORCH_ROOT})
    set(ZCB_TORCH_ROOT $ENV{ZCB_TORCH_ROOT})
  else()
    set(ZCB_TORCH_ROOT $ENV{HOME}/.cache/zcbench/libtorch-2.11.0)
  endif()
endif()
set(ZCB_TORCH_ROOT ${ZCB_TORCH_ROOT} CACHE PATH "Folder with LibTorch's include/ and lib/")

find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS ${ZCB_TORCH_ROOT}/include NO_DEFAULT_PATH)
find_library(LibTorch_CPU torch_cpu PATHS ${ZCB_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10 c10 PATHS ${ZCB_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA torch_cuda PATHS ${ZCB_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA c10_cuda PATHS ${ZCB_TORCH_ROOT}/lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_CPU LibTorch_C10 LibTorch_INCLUDE_DIR
  FAIL_MESSAGE "LibTorch not found in ${ZCB_TORCH_ROOT}: run scripts/setup, or set ZCB_TORCH_ROOT to a folder with include/ and lib/")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE ${LibTorch_CPU} ${LibTorch_C10} gomp Threads::Threads)
  # libtorch_cpu.so finds its own neighbours (libcudart, libcupti, libgomp) in its folder.
  target_link_options(LibTorch::LibTorch INTERFACE -Wl,-rpath,${ZCB_TORCH_ROOT}/lib -Wl,-rpath-link,${ZCB_TORCH_ROOT}/lib)
  if(LibTorch_CUDA AND LibTorch_C10_CUDA)
    target_link_options(LibTorch::LibTorch INTERFACE -Wl,--no-as-needed ${LibTorch_CUDA} ${LibTorch_C10_CUDA} -Wl,--as-needed)
  endif()
endif()
