// photos: 145 JPEG photographs from Wikimedia Commons in five folders, public domain or CC0, shipped with zcbench so
// that it runs without a download. Classes are the folders sorted by name: 0 animal, 1 energy, 2 fish, 3 monument,
// 4 tool. Normalisation: ImageNet's.
#include "nas/task.h"
#include "nas/tasks/normalisations.h"

namespace zcbench {

ZCB_REGISTER(task, Task, photos) {
  registry.Add({.name = "photos",
                .summary = "145 photographs in 5 classes, shipped with zcbench",
                .format = DataSetFormat::kImageFolders,
                .classes = 5,
                .native_size = 0,
                .probe_images = 16,
                .mean = kImageNetMean,
                .standard_deviation = kImageNetDeviation,
                .shipped = true,
                .class_names = {"animal", "energy", "fish", "monument", "tool"}});
}

}  // namespace zcbench
