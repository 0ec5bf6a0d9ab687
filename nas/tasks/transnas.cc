// The seven tasks of TransNAS-Bench-101 (Duan et al., CVPR 2021, arXiv:2105.11871) on Taskonomy's 256 x 256 images,
// with the outputs that NAS-Bench-Suite-Zero's networks have: class_object 100 and class_scene 63, where the
// benchmark's own have 75 and 47. Normalisation as in the authors' training configurations; their jigsaw has none.
// Probe batches of 32, as NAS-Bench-Suite-Zero. Taskonomy is licensed, so there is no reader.
#include "nas/task.h"

namespace zcbench {
namespace {

constexpr std::array<float, 3> kMean = {0.5224f, 0.5222f, 0.5221f};
constexpr std::array<float, 3> kDeviation = {0.2234f, 0.2235f, 0.2236f};
constexpr std::array<float, 3> kHalf = {0.5f, 0.5f, 0.5f};

}  // namespace

ZCB_REGISTER(task, Task, transnas) {
  const auto add = [&](const char* name, const char* summary, TaskKind kind, int classes,
                       const std::array<float, 3>& mean, const std::array<float, 3>& deviation, int size = 256) {
    registry.Add({.name = name,
                  .summary = summary,
                  .format = DataSetFormat::kNone,
                  .classes = classes,
                  .native_size = size,
                  .probe_images = 32,
                  .mean = mean,
                  .standard_deviation = deviation,
                  .kind = kind});
  };
  add("class_object", "Taskonomy: probabilities of 100 objects", TaskKind::kSoftClassification, 100, kMean, kDeviation);
  add("class_scene", "Taskonomy: probabilities of 63 scenes", TaskKind::kSoftClassification, 63, kMean, kDeviation);
  add("room_layout", "Taskonomy: 9 numbers of the room's box", TaskKind::kRegression, 9, kMean, kDeviation);
  add("jigsaw", "Taskonomy: which of 1000 permutations of 9 tiles, each 64 x 64", TaskKind::kJigsaw, 1000, {0, 0, 0},
      {1, 1, 1}, 64);
  add("autoencoder", "Taskonomy: the image itself", TaskKind::kImage, 3, kHalf, kHalf);
  add("normal", "Taskonomy: surface normals", TaskKind::kImage, 3, kHalf, kHalf);
  add("segmentsemantic", "Taskonomy: one of 17 classes for every pixel", TaskKind::kSegmentation, 17, kHalf, kHalf);
}

}  // namespace zcbench
