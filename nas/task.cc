#include "nas/task.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "nas/space.h"

namespace zcbench {

absl::StatusOr<Cell> FindCell(std::string_view space, std::string_view task, int images) {
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const found_space, FindSpace(space));
  ZCB_ASSIGN_OR_RETURN(const Task* const found_task, task_registry().Find(task));
  if (!found_space->space->Answers(found_task->kind)) {
    std::vector<std::string> others;
    for (const SpaceDefinition& other : space_registry().All()) {
      if (other.space->Answers(found_task->kind)) others.push_back(other.name);
    }
    return absl::InvalidArgumentError(absl::StrCat("the networks of ", found_space->name, " do not answer task ",
                                                   found_task->name, "; those of ", absl::StrJoin(others, " and "),
                                                   " do"));
  }
  if (images == 0) images = found_task->probe_images;
  if (images < 2 || images > 4096) {
    return absl::InvalidArgumentError(absl::StrCat("images: ", images, " is outside [2, 4096]"));
  }
  const int size = found_space->space->input_size(*found_task);
  return Cell{.space = found_space->name,
              .task = found_task->name,
              .kind = found_task->kind,
              .channels = found_task->kind == TaskKind::kJigsaw ? 27 : 3,
              .height = size,
              .width = size,
              .classes = found_task->classes,
              .images = images};
}

}  // namespace zcbench
