#include "base/source_dir.h"

namespace zcbench {

std::filesystem::path SourceDir() { return ZCB_SOURCE_DIR; }

}  // namespace zcbench
