// Data sets: the input as the one file of a binary data set, and as a picture in a folder of a class.
#include "base/file.h"
#include "base/temporary_folder.h"
#include "nas/data/data_set.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {
namespace {

void Read(const absl::StatusOr<std::unique_ptr<DataSet>>& data, const Task& task) {
  if (!data.ok()) {
    ZCB_CHECK(absl::IsInvalidArgument(data.status()));
    return;
  }
  ZCB_CHECK((*data)->size() > 0);
  for (const int index : {0, (*data)->size() - 1}) {
    ZCB_CHECK((*data)->Label(index) >= 0 && (*data)->Label(index) < task.classes);
    ZCB_CHECK(!(*data)->Name(index).empty());
    const absl::StatusOr<Image> image = (*data)->Load(index);
    ZCB_CHECK(image.ok() || absl::IsInvalidArgument(image.status()));
  }
}

}  // namespace

void Fuzz(std::string_view input) {
  static const TemporaryFolder folder;
  const std::filesystem::path file = folder / "class" / "picture.jpg";
  std::filesystem::create_directory(file.parent_path());
  ZCB_CHECK(WriteFileAtomically(file, input).ok());
  for (const Task& task : task_registry().All()) {
    if (task.format == DataSetFormat::kCifar10Binary || task.format == DataSetFormat::kCifar100Binary) {
      Read(OpenDataSet(task, file), task);
    } else if (task.format == DataSetFormat::kImageFolders) {
      Read(OpenImages(task, folder.path()), task);
    }
  }
}

}  // namespace zcbench
