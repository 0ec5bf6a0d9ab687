#include "base/memory.h"

#include <fstream>
#include <string>

namespace zcbench {

uint64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  uint64_t kibibytes = 0;
  for (std::string name; in >> name;) {
    if (name == "MemAvailable:") return in >> kibibytes ? kibibytes * 1024 : 0;
  }
  return 0;
}

}  // namespace zcbench
