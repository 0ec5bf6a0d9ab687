// The memory of this machine.
#ifndef ZCBENCH_BASE_MEMORY_H_
#define ZCBENCH_BASE_MEMORY_H_

#include <cstdint>

namespace zcbench {

// What programs can still have of it, in bytes, by the kernel's estimate; 0: not known.
uint64_t AvailableMemory();

}  // namespace zcbench

#endif  // ZCBENCH_BASE_MEMORY_H_
