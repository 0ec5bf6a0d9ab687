// What a fuzz target is: a reader of untrusted bytes, run on one input. A finding is whatever stops the process: a
// broken ZCB_CHECK of the target, a sanitizer, a crash, an exception, no end, too much memory.
//
// Each file beside this one but the two mains is a target. With Clang's fuzzer (scripts/fuzz) libfuzzer.cc feeds it
// inputs made from those in corpus/TARGET; in every other build replay.cc runs it on that folder, as the test
// fuzz_TARGET, so that what was found once and stored stays tested.
#ifndef ZCBENCH_TESTS_FUZZ_FUZZ_H_
#define ZCBENCH_TESTS_FUZZ_FUZZ_H_

#include <string_view>

#include "base/status_macros.h"

namespace zcbench {

// Each target defines it. Takes any bytes. What must hold is checked with ZCB_CHECK.
void Fuzz(std::string_view input);

}  // namespace zcbench

#endif  // ZCBENCH_TESTS_FUZZ_FUZZ_H_
