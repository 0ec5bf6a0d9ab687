// The main of a fuzz target without a fuzzer: runs it on each file named, and on each file of each folder named. Says
// which file it is at, so that a crash names its input. At least one file must be there.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "tests/fuzz/fuzz.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (fs::is_directory(argv[i])) {
      files.insert(files.end(), fs::directory_iterator(argv[i]), fs::directory_iterator());
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  zcbench::SetLogLevel(zcbench::LogLevel::kError);
  for (const fs::path& file : files) {
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    const absl::StatusOr<std::string> input = zcbench::ReadFile(file);
    if (!input.ok()) {
      std::fprintf(stderr, "%s\n", std::string(input.status().message()).c_str());
      return 1;
    }
    zcbench::Fuzz(*input);
  }
  if (files.empty()) std::fprintf(stderr, "usage: %s FILE-OR-FOLDER...; no input was found\n", argv[0]);
  return files.empty() ? 2 : 0;
}
