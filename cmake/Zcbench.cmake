# The functions that keep a folder's CMakeLists.txt at one to five lines.
#
#   zcb_library(NAME SRCS a.cc ... DEPS base ...)    target zcbench::NAME; a dependency is one of ours, or a full target name
#   zcb_test(NAME DEPS ... [LABELS ...] [TIMEOUT s]) NAME.cc beside the code, GoogleTest main included; SHARDS n: a long
#                                                    one as n ctest tests NAME_0 ... of one thread each
#   zcb_fuzz(NAME DEPS ...)                          NAME.cc, a fuzz target (tests/fuzz/fuzz.h), as the program and test fuzz_NAME
#   zcb_binary(NAME SRCS main.cc DEPS ...)           an installed program
#   zcb_registry(KIND k TYPE T HEADER h NAMES ...)   generates k_registry.cc: one list of everything registered as k
#
# A folder that includes ATen headers passes TORCH, which adds LibTorch and the shared precompiled header.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# Lines in stack traces, no variables: a third less to compile. For a debugger: -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O2 -g3'.
string(REPLACE "-g " "-g1 " CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

find_program(ZCB_CCACHE ccache)
if(ZCB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header is keyed by what it holds, not by when it was made, and a file by its path in the repository:
  # another clone finds what this one has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=true ${ZCB_CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
if(ZCB_WITH_SERVICE)
  find_package(Protobuf REQUIRED)
  find_package(gRPC REQUIRED)
  find_package(SQLite3 REQUIRED)
  find_package(prometheus-cpp REQUIRED COMPONENTS pull)
endif()
if(ZCB_WITH_TORCH)
  find_package(LibTorch REQUIRED)
endif()

# Warnings are errors on our own targets only: dependencies and generated code are SYSTEM.
add_library(zcb_options INTERFACE)
target_include_directories(zcb_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(zcb_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Werror
                       $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(ZCB_SANITIZE)
  target_compile_options(zcb_options INTERFACE -fsanitize=${ZCB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(zcb_options INTERFACE -fsanitize=${ZCB_SANITIZE})
  if(ZCB_SANITIZE MATCHES thread)
    # GCC defines it, and Protobuf's headers then lay out classes otherwise than the packaged library does.
    target_compile_options(zcb_options INTERFACE -U__SANITIZE_THREAD__)
  endif()
endif()

if(ZCB_WITH_TORCH)
  # ATen and autograd precompiled: 3 s a file instead of 10.
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/zcb_torch_pch.cc CONTENT "")
  add_library(zcb_torch_pch OBJECT ${CMAKE_BINARY_DIR}/generated/zcb_torch_pch.cc)
  target_link_libraries(zcb_torch_pch PRIVATE zcb_options LibTorch::LibTorch)
  target_compile_options(zcb_torch_pch PRIVATE -fpch-preprocess -fopenmp)
  target_precompile_headers(zcb_torch_pch PRIVATE <ATen/ATen.h> <torch/csrc/autograd/autograd.h> <torch/csrc/autograd/custom_function.h>)
endif()

function(zcb_resolve OUT)
  set(result "")
  foreach(dep ${ARGN})
    if(dep MATCHES "::")
      list(APPEND result ${dep})
    else()
      list(APPEND result zcbench::${dep})
    endif()
  endforeach()
  set(${OUT} ${result} PARENT_SCOPE)
endfunction()

function(zcb_torch TARGET SCOPE)
  target_link_libraries(${TARGET} ${SCOPE} LibTorch::LibTorch)
  # at::parallel_for is an inline template: without OpenMP it runs in one thread.
  target_compile_options(${TARGET} PRIVATE -fpch-preprocess -fopenmp)
  target_precompile_headers(${TARGET} REUSE_FROM zcb_torch_pch)
endfunction()

function(zcb_library NAME)
  cmake_parse_arguments(A "TORCH" "" "SRCS;DEPS" ${ARGN})
  zcb_resolve(deps ${A_DEPS})
  if(A_SRCS)
    add_library(zcb_${NAME} STATIC ${A_SRCS})
    target_link_libraries(zcb_${NAME} PUBLIC ${deps} PRIVATE $<BUILD_INTERFACE:zcb_options>)
    target_include_directories(zcb_${NAME} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
    if(A_TORCH)
      zcb_torch(zcb_${NAME} PUBLIC)
    endif()
  else()
    add_library(zcb_${NAME} INTERFACE)
    target_link_libraries(zcb_${NAME} INTERFACE ${deps})
    target_include_directories(zcb_${NAME} INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  endif()
  set_target_properties(zcb_${NAME} PROPERTIES EXPORT_NAME ${NAME})
  add_library(zcbench::${NAME} ALIAS zcb_${NAME})
endfunction()

function(zcb_binary NAME)
  cmake_parse_arguments(A "TORCH" "" "SRCS;DEPS" ${ARGN})
  zcb_resolve(deps ${A_DEPS})
  add_executable(${NAME} ${A_SRCS})
  target_link_libraries(${NAME} PRIVATE ${deps} zcb_options)
  if(A_TORCH)
    zcb_torch(${NAME} PRIVATE)
  endif()
  install(TARGETS ${NAME})
endfunction()

function(zcb_test PATH)
  cmake_parse_arguments(A "TORCH" "TIMEOUT;SHARDS" "DEPS;LABELS;SRCS" ${ARGN})
  zcb_resolve(deps ${A_DEPS})
  get_filename_component(NAME ${PATH} NAME)
  add_executable(${NAME} ${PATH}.cc ${A_SRCS})
  target_link_libraries(${NAME} PRIVATE ${deps} zcb_options GTest::gmock GTest::gtest_main)
  if(A_TORCH)
    zcb_torch(${NAME} PRIVATE)
  else()
    target_compile_options(${NAME} PRIVATE -O1)  # what a test spends is in the libraries
  endif()
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  # Waiting OpenMP threads leave the cores to the others, as in zcbench-scorer.
  set(environment OMP_WAIT_POLICY=passive)
  if(NOT A_SHARDS)
    add_test(NAME ${NAME} COMMAND ${NAME})
    set_tests_properties(${NAME} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}" ENVIRONMENT "${environment}")
    return()
  endif()
  math(EXPR last "${A_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${NAME}_${shard} COMMAND ${NAME})
    set_tests_properties(${NAME}_${shard} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}" COST 1000
      ENVIRONMENT "${environment};OMP_NUM_THREADS=1;GTEST_TOTAL_SHARDS=${A_SHARDS};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# With Clang's fuzzer among the sanitizers (scripts/fuzz) the program is fed by it; without, the test replays corpus/NAME.
function(zcb_fuzz NAME)
  cmake_parse_arguments(A "" "" "DEPS" ${ARGN})
  zcb_resolve(deps ${A_DEPS})
  add_executable(fuzz_${NAME} ${NAME}.cc $<TARGET_OBJECTS:fuzz_main>)
  target_link_libraries(fuzz_${NAME} PRIVATE ${deps} zcb_options)
  set_target_properties(fuzz_${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  set_property(GLOBAL APPEND PROPERTY ZCB_FUZZ_TARGETS fuzz_${NAME})
  if(ZCB_SANITIZE MATCHES fuzzer)
    target_link_options(fuzz_${NAME} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_compile_options(fuzz_${NAME} PRIVATE -O1)
  add_test(NAME fuzz_${NAME} COMMAND fuzz_${NAME} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${NAME})
  set_tests_properties(fuzz_${NAME} PROPERTIES TIMEOUT 120 LABELS fuzz)
endfunction()

# Every name NAMES holds must be defined by a file of the same name with ZCB_REGISTER(KIND, NAME). The generated file
# defines `const Registry<TYPE>& KIND_registry()`, which HEADER declares, so nothing depends on what the linker keeps.
function(zcb_registry)
  cmake_parse_arguments(A "" "KIND;TYPE;HEADER;OUT" "NAMES" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(name ${A_NAMES})
    string(APPEND declarations "void Register_${A_KIND}_${name}(Registry<${A_TYPE}>& registry);\n")
    string(APPEND calls "    Register_${A_KIND}_${name}(*list);\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${A_KIND}_registry.cc)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT
"// Generated from the zcb_${A_KIND}() calls of this folder's CMakeLists.txt.
#include \"${A_HEADER}\"

namespace zcbench {
${declarations}
const Registry<${A_TYPE}>& ${A_KIND}_registry() {
  static const Registry<${A_TYPE}>* const registry = [] {
    auto* list = new Registry<${A_TYPE}>(\"${A_KIND}\");
${calls}    return list;
  }();
  return *registry;
}
}  // namespace zcbench
")
  set(${A_OUT} ${file} PARENT_SCOPE)
endfunction()
