// imagenet: the 1000 classes of ILSVRC 2012 (Russakovsky et al., IJCV 2015, arXiv:1409.0575), a folder of JPEG files
// each, as its training archive unpacks; normalisation of torchvision and AutoFormer.
// imagenet16_120: its first 120 classes at 16 x 16 (Chrabaszcz et al., 2017, arXiv:1707.08819) with the normalisation
// of the NAS-Bench-201 training code, which states it on the scale 0 to 255. Distributed as Python pickles.
#include "nas/task.h"
#include "nas/tasks/normalisations.h"

namespace zcbench {

ZCB_REGISTER(task, Task, imagenet) {
  registry.Add({.name = "imagenet",
                .summary = "ImageNet-1k: 1000 classes, a folder of JPEG files each",
                .format = DataSetFormat::kImageFolders,
                .classes = 1000,
                .native_size = 0,
                .probe_images = 64,
                .mean = kImageNetMean,
                .standard_deviation = kImageNetDeviation});
  registry.Add({.name = "imagenet16_120",
                .summary = "ImageNet16-120: 16 x 16 pixels, 120 classes",
                .format = DataSetFormat::kNone,
                .classes = 120,
                .native_size = 16,
                .probe_images = 64,
                .mean = Per255(122.68, 116.66, 104.01),
                .standard_deviation = Per255(63.22, 61.26, 65.09)});
}

}  // namespace zcbench
