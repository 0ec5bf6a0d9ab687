// spherical_cifar100: CIFAR-100 projected onto a sphere and rotated, of NAS-Bench-360 (Tu et al., NeurIPS 2022,
// arXiv:2110.05668), distributed as a Python pickle. Its authors normalise nothing and L-SWAG says nothing:
// normalisation is ImageNet's, as AutoFormer uses it.
#include "nas/task.h"
#include "nas/tasks/normalisations.h"

namespace zcbench {

ZCB_REGISTER(task, Task, spherical_cifar100) {
  registry.Add({.name = "spherical_cifar100",
                .summary = "Spherical CIFAR-100: 60 x 60 pixels, 100 classes",
                .format = DataSetFormat::kNone,
                .classes = 100,
                .native_size = 60,
                .probe_images = 64,
                .mean = kImageNetMean,
                .standard_deviation = kImageNetDeviation});
}

}  // namespace zcbench
