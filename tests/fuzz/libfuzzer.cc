// The entry of Clang's fuzzer, which brings its own main.
#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  zcbench::SetLogLevel(zcbench::LogLevel::kError);  // a damaged file is no news here
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zcbench::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
