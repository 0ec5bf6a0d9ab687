// pets: Oxford-IIIT Pets (Parkhi et al., CVPR 2012), JPEG files of any size in one folder with the classes in their
// names. Normalisation: ImageNet's, as AutoFormer uses it.
#include "nas/task.h"
#include "nas/tasks/normalisations.h"

namespace zcbench {

ZCB_REGISTER(task, Task, pets) {
  registry.Add({.name = "pets",
                .summary = "Oxford-IIIT Pets: 37 breeds of cats and dogs",
                .format = DataSetFormat::kNone,
                .classes = 37,
                .native_size = 0,
                .probe_images = 64,
                .mean = kImageNetMean,
                .standard_deviation = kImageNetDeviation});
}

}  // namespace zcbench
