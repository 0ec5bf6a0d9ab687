// Where the repository is, for tests that read its files.
#ifndef ZCBENCH_BASE_SOURCE_DIR_H_
#define ZCBENCH_BASE_SOURCE_DIR_H_

#include <filesystem>

namespace zcbench {

std::filesystem::path SourceDir();

}  // namespace zcbench

#endif  // ZCBENCH_BASE_SOURCE_DIR_H_
