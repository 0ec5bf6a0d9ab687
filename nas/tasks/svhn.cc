// svhn: Street View House Numbers, cropped digits (Netzer et al., 2011), distributed as MATLAB files. Normalisation of
// NASLib, which computed its NAS-Bench-Suite-Zero scores with it.
#include "nas/task.h"

namespace zcbench {

ZCB_REGISTER(task, Task, svhn) {
  registry.Add({.name = "svhn",
                .summary = "SVHN: 32 x 32 pixels, 10 digits",
                .format = DataSetFormat::kNone,
                .classes = 10,
                .native_size = 32,
                .probe_images = 64,
                .mean = {0.4377f, 0.4438f, 0.4728f},
                .standard_deviation = {0.1980f, 0.2010f, 0.1970f}});
}

}  // namespace zcbench
