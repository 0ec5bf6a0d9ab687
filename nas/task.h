// Tasks and cells. A task is a data set with its classes and normalisation; a cell is a task as one search space sees
// it: input size, number of images, loss. What a score belongs to is a cell, an architecture and a proxy.
#ifndef ZCBENCH_NAS_TASK_H_
#define ZCBENCH_NAS_TASK_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"

namespace zcbench {

// How the files of a data set are laid out, i.e. which reader of nas/data makes its probe batches. kNone: no reader,
// so the probe batches are brought as files (docs/probe_batches.md) or generated.
enum class DataSetFormat { kNone, kCifar10Binary, kCifar100Binary, kImageFolders };

// What a network answers and what it is told about it: decides its head, its targets and its loss. The losses are those
// that NAS-Bench-Suite-Zero used for proxies.
enum class TaskKind {
  kClassification,      // logits [N, classes]; class numbers; mean cross-entropy
  kSoftClassification,  // logits [N, classes]; probabilities [N, classes]; mean of -sum_c t_c ln(softmax_c + 1e-5)
  kJigsaw,              // nine tiles; logits [N, classes] of the permutation; class numbers; mean cross-entropy
  kRegression,          // [N, classes]; standardised numbers [N, classes]; mean squared error over all elements
  kSegmentation,        // logits [N, classes, H, W]; class numbers [N, H, W]; cross-entropy, mean over all pixels
  kImage,               // [N, classes, H, W], classes = channels; numbers of that shape; mean absolute error
};

struct Task {
  std::string name;     // "cifar10"
  std::string summary;  // one line for `zcbench list tasks`
  DataSetFormat format;
  int classes;                              // width of the output: classes, numbers or channels
  int native_size;                          // pixels a side when all images have one size, else 0
  int probe_images;                         // images of a probe batch unless a job says otherwise
  std::array<float, 3> mean;                // per channel, of pixels scaled to [0, 1]
  std::array<float, 3> standard_deviation;  // likewise
  bool shipped = false;                     // the images come with zcbench
  TaskKind kind = TaskKind::kClassification;
  std::vector<std::string> class_names = {};  // the folders of kImageFolders, sorted; empty: any `classes` folders
};

// All tasks, in the order of nas/CMakeLists.txt.
const Registry<Task>& task_registry();

// A (space, task) pair with everything that fixes a model's input and output.
struct Cell {
  std::string space;
  std::string task;
  TaskKind kind = TaskKind::kClassification;
  int channels = 3;  // 27 for kJigsaw: nine tiles of three
  int height = 0;    // pixels
  int width = 0;
  int classes = 0;
  int images = 0;  // of the probe batch
};

// NOT_FOUND for an unknown space or task, with the nearest name. `images` = 0 takes the task's own number.
// INVALID_ARGUMENT: images outside [2, 4096], or a task that the space's networks do not answer.
absl::StatusOr<Cell> FindCell(std::string_view space, std::string_view task, int images = 0);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_TASK_H_
