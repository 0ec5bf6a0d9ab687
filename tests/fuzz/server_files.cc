// Server files and what `--server` names: a file that is read is written so that it reads as the same.
#include "proto/server_file.h"

#include "tests/fuzz/fuzz.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  (void)IsServerAddress(input);
  const absl::StatusOr<ServerFile> file = ParseServerFile(input, "fuzz");
  if (!file.ok()) {
    ZCB_CHECK(absl::IsInvalidArgument(file.status()));
    return;
  }
  const std::string text = FormatServerFile(*file);
  ZCB_CHECK(FormatServerFile(ParseServerFile(text, "fuzz").value()) == text);
  for (const std::string_view role : kRoles) (void)TokenFor(*file, role);
}

}  // namespace zcbench
