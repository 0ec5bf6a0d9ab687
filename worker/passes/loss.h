// The losses of the tasks, those that NAS-Bench-Suite-Zero used for proxies (TaskKind says which).
#ifndef ZCBENCH_WORKER_PASSES_LOSS_H_
#define ZCBENCH_WORKER_PASSES_LOSS_H_

#include <ATen/ATen.h>

#include "nas/task.h"

namespace zcbench {

// What goes through a model and what it is compared with.
struct Batch {
  at::Tensor images;  // [N, channels, H, W] float32 on the CPU, normalised
  at::Tensor labels;  // [N] int64 on the CPU: the class of each image, the likeliest where they are soft, else zeros
  // Undefined where the labels say all (kClassification, kJigsaw); else on the CPU:
  //   kSoftClassification  [N, classes] float32          kRegression  [N, classes] float32
  //   kSegmentation        [N, H, W] int64               kImage       [N, classes, H, W] float32
  at::Tensor targets = {};

  Batch Slice(int64_t first, int64_t count) const {
    return {images.narrow(0, first, count), labels.narrow(0, first, count),
            targets.defined() ? targets.narrow(0, first, count) : targets};
  }
};

// The loss of each image, [N]; their mean is the task's loss. output: as TaskKind says, on any device.
at::Tensor ImageLosses(TaskKind kind, const at::Tensor& output, const Batch& batch);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_LOSS_H_
