// cifar10, cifar100: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Normalisation as in the
// NAS-Bench-201 training code (D-X-Y/AutoDL-Projects), which states it on the scale 0 to 255.
#include "nas/task.h"
#include "nas/tasks/normalisations.h"

namespace zcbench {

ZCB_REGISTER(task, Task, cifar) {
  registry.Add({.name = "cifar10",
                .summary = "CIFAR-10: 32 x 32 pixels, 10 classes",
                .format = DataSetFormat::kCifar10Binary,
                .classes = 10,
                .native_size = 32,
                .probe_images = 64,
                .mean = Per255(125.3, 123.0, 113.9),
                .standard_deviation = Per255(63.0, 62.1, 66.7)});
  registry.Add({.name = "cifar100",
                .summary = "CIFAR-100: 32 x 32 pixels, 100 classes",
                .format = DataSetFormat::kCifar100Binary,
                .classes = 100,
                .native_size = 32,
                .probe_images = 64,
                .mean = Per255(129.3, 124.1, 112.4),
                .standard_deviation = Per255(68.2, 65.4, 70.4)});
}

}  // namespace zcbench
