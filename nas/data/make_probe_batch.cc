#include "nas/data/make_probe_batch.h"

#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/data/image.h"
#include "nas/random.h"

namespace zcbench {
namespace {

// [height, width, 3] to [3, height, width].
void AppendPlanes(const Image& image, std::string& out) {
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = c; i < image.rgb.size(); i += 3) out.push_back(image.rgb[i]);
  }
}

}  // namespace

absl::StatusOr<ProbeBatch> MakeProbeBatch(const DataSet& data, const Task& task, const Cell& cell, uint64_t seed) {
  ZCB_CHECK(cell.task == task.name);
  const auto invalid = [&](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat("probe batch of ", task.name, ": ", what...));
  };
  if (cell.kind != TaskKind::kClassification) {
    return invalid(
        "its targets are no classes, and classes are all that is read from images so far; bring a file, see "
        "`zcbench import probe-batch --help`");
  }
  if (cell.channels != 3 || cell.height != cell.width || cell.height < 1 || cell.height > kMaxProbeSide) {
    return invalid("[", cell.channels, ", ", cell.height, ", ", cell.width, "] is not [3, n, n] with n in [1, ",
                   kMaxProbeSide, "]");
  }
  if (cell.images < 1 || cell.images > kMaxProbeImages) {
    return invalid(cell.images, " images is not in [1, ", kMaxProbeImages, "]");
  }
  if (cell.images > data.size()) return invalid(cell.images, " images asked for, the data set has ", data.size());

  ProbeBatch batch{.task = task.name,
                   .seed = seed,
                   .images = cell.images,
                   .height = cell.height,
                   .width = cell.width,
                   .mean = task.mean,
                   .standard_deviation = task.standard_deviation,
                   .source = data.source(),
                   .pixels = {},
                   .labels = {}};
  batch.pixels.reserve(size_t{3} * static_cast<size_t>(cell.images) * static_cast<size_t>(cell.height) *
                       static_cast<size_t>(cell.width));
  Draws draws(seed, absl::StrCat("probe_batch/", task.name));
  std::vector<int> order(static_cast<size_t>(data.size()));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = 0; i < static_cast<size_t>(cell.images); ++i) {
    std::swap(order[i], order[i + draws.Below(order.size() - i)]);
    const int index = order[i];
    ZCB_ASSIGN_OR_RETURN(const Image image, data.Load(index));
    const absl::StatusOr<Image> square = FitToSquare(image, cell.height);
    if (!square.ok()) return Annotate(square.status(), data.Name(index));
    AppendPlanes(*square, batch.pixels);
    batch.labels.push_back(data.Label(index));
  }
  ZCB_RETURN_IF_ERROR(Annotate(CheckProbeBatch(batch), absl::StrCat("probe batch of ", task.name)));
  return batch;
}

}  // namespace zcbench
