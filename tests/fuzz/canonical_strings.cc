// Architectures in any notation: what a space reads it writes so that it reads it again, and everything that takes a
// canonical string takes that one.
#include "nas/space.h"
#include "nas/task.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  for (const SpaceDefinition& definition : space_registry().All()) {
    const Space& space = *definition.space;
    const absl::StatusOr<std::string> architecture = space.Parse(input);
    if (!architecture.ok()) {
      ZCB_CHECK(absl::IsInvalidArgument(architecture.status()) || absl::IsOutOfRange(architecture.status()));
      continue;
    }
    ZCB_CHECK(space.Parse(*architecture).value() == *architecture);
    ZCB_CHECK(space.Parse(space.Official(*architecture).value()).value() == *architecture);
    if (const absl::StatusOr<uint64_t> index = space.IndexOf(*architecture); index.ok()) {
      ZCB_CHECK(*index < space.size());
      ZCB_CHECK(space.At(*index).value() == *architecture);
    } else {
      ZCB_CHECK(absl::IsNotFound(index.status()));
    }
    for (const Task& task : task_registry().All()) {
      const absl::StatusOr<Cell> cell = FindCell(definition.name, task.name);
      if (!cell.ok()) continue;
      ZCB_CHECK(space.Params(*architecture, *cell).value() >= 0);
      ZCB_CHECK(space.Flops(*architecture, *cell).value() >= 0);
      const std::vector<NamedCount> counts = space.Macs(*architecture, *cell).value();
      for (const NamedCount& count : counts) ZCB_CHECK(count.value >= 0);
    }
  }
}

}  // namespace zcbench
