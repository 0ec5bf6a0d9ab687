#include "worker/passes/loss.h"

#include "base/status_macros.h"

namespace zcbench {

at::Tensor ImageLosses(TaskKind kind, const at::Tensor& output, const Batch& batch) {
  const auto number_targets = [&] { return batch.targets.to(output.device(), output.scalar_type()); };
  switch (kind) {
    case TaskKind::kClassification:
    case TaskKind::kJigsaw:
      return at::cross_entropy_loss(output, batch.labels.to(output.device()), {}, at::Reduction::None);
    case TaskKind::kSoftClassification:
      return -(number_targets() * (at::softmax(output, 1) + 1e-5).log()).sum(1);
    case TaskKind::kRegression:
      return (output - number_targets()).square().flatten(1).mean(1);
    case TaskKind::kSegmentation:
      return at::cross_entropy_loss(output, batch.targets.to(output.device()), {}, at::Reduction::None)
          .flatten(1)
          .mean(1);
    case TaskKind::kImage:
      return (output - number_targets()).abs().flatten(1).mean(1);
  }
  ZCB_CHECK(false);
}

}  // namespace zcbench
