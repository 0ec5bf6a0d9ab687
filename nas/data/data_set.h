// Data sets in their original files. Opening one reads every file once and checks what can be checked without decoding,
// so that a wrong, truncated or foreign file is an error that names it and the byte before anything is computed.
//
// Formats (nas/task.h):
//   kCifar10Binary    "CIFAR-10 binary version": records of 3073 bytes, a label below 10 and 3072 bytes of pixels (1024
//                     red, green, blue, row by row). `from` is one file of that layout, or the unpacked folder, of
//                     which data_batch_1.bin to data_batch_5.bin are read: the training images.
//   kCifar100Binary   "CIFAR-100 binary version": 3074 bytes, a coarse label below 20, the fine label below 100, which
//   is
//                     the class, and pixels. `from` is one file, or the unpacked folder, of which train.bin is read.
//   kImageFolders     one folder a class, class k is the k-th of the folders sorted by bytes; in each only .jpg or
//   .jpeg
//                     files (any case). Beside the folders may lie files that are no images (a licence, a list). Names
//                     that begin with a dot are not looked at.
#ifndef ZCBENCH_NAS_DATA_DATA_SET_H_
#define ZCBENCH_NAS_DATA_DATA_SET_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nas/data/image.h"
#include "nas/task.h"

namespace zcbench {

// Images with their classes. Order: files by the bytes of their path below `from` (folders joined by '/'), records of
// one file as they come. Immutable, thread-safe.
class DataSet {
 public:
  virtual ~DataSet() = default;

  virtual int size() const = 0;  // images, > 0

  // SHA-256, 64 lower-case hexadecimal digits, of one line `path size sha256\n` for each file that was read, in order:
  // the path below `from` (the file's name if `from` is a file), its size in bytes, and its SHA-256 in hexadecimal.
  virtual const std::string& source() const = 0;

  // For `index` in [0, size()).
  virtual int Label(int index) const = 0;         // [0, classes of the task)
  virtual std::string Name(int index) const = 0;  // for messages: "photos/fish/fish1.jpg", "train.bin record 17"
  // The image at its own size. INVALID_ARGUMENT names the file and what is wrong with it. NOT_FOUND, UNAVAILABLE: a
  // file is gone or cannot be read any more.
  virtual absl::StatusOr<Image> Load(int index) const = 0;
};

// The task's data set in its format. Errors name the file and, where there is one, the byte.
// NOT_FOUND: `from` or a file of it does not exist. INVALID_ARGUMENT: not what the format and the task say (number and
// names of the class folders, length and labels of the records, a file that is no JPEG). UNAVAILABLE: unreadable.
absl::StatusOr<std::unique_ptr<DataSet>> OpenDataSet(const Task& task, const std::filesystem::path& from);

// Any folder of JPEG files as images for `task`, whatever the task's own format. With sub-folders, at most as many as
// the task has classes, a sub-folder is a class as above; without, image i in the order above gets label i mod classes,
// since most proxies look at labels only as a target to differentiate. Everything in the folder must then be an image.
// Errors as OpenDataSet.
absl::StatusOr<std::unique_ptr<DataSet>> OpenImages(const Task& task, const std::filesystem::path& folder);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_DATA_SET_H_
