// The corpus of fuzz_requests has an input for every method of every service: a new one without is not fuzzed.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "server/server.h"

namespace zcbench {
namespace {

TEST(FuzzCorpusTest, EveryMethodOfEveryServiceHasAnInput) {
  // Whatever the server serves is linked into this test.
  EXPECT_THAT(Server::Start({.listen = {.address = "nowhere"}}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
  std::string inputs;
  for (const auto& entry : std::filesystem::directory_iterator(SourceDir() / "tests/fuzz/corpus/requests")) {
    const absl::StatusOr<std::string> input = ReadFile(entry.path());
    ASSERT_THAT(input, IsOk());
    absl::StrAppend(&inputs, *input, "\n");
  }
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  int methods = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SourceDir() / "proto/zcbench/v1")) {
    const google::protobuf::FileDescriptor* const file =
        pool.FindFileByName("zcbench/v1/" + entry.path().filename().string());
    if (file == nullptr) continue;  // not of the server: the scorer's messages
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m, ++methods) {
        const std::string name = absl::StrCat(file->service(s)->name(), ".", file->service(s)->method(m)->name());
        EXPECT_THAT(inputs, testing::HasSubstr(absl::StrCat("# ", name, "\n"))) << "add a file to corpus/requests";
      }
    }
  }
  EXPECT_GE(methods, 27);
}

}  // namespace
}  // namespace zcbench
