#include "nas/data/data_set.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxJpegBytes = size_t{256} << 20;

// DataSet::source, file by file.
class SourceDigest {
 public:
  void Add(const std::string& path, std::string_view bytes) {
    stream_.Update(absl::StrCat(path, " ", bytes.size(), " ", Sha256Hex(bytes), "\n"));
  }
  std::string Finish() { return Hex(stream_.Finish()); }

 private:
  Sha256Stream stream_;
};

// Names in a folder, sorted by bytes, without those that begin with a dot.
struct Listing {
  std::vector<std::string> folders;
  std::vector<std::string> files;
};

absl::StatusOr<Listing> ListFolder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) return absl::NotFoundError(absl::StrCat(folder.string(), ": no such folder"));
  if (!fs::is_directory(status)) {
    return absl::InvalidArgumentError(absl::StrCat(folder.string(), ": is a file, a folder was expected"));
  }
  Listing listing;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (name.front() == '.') continue;
    std::error_code ignored;  // a dangling link is listed as a file, and reading it says what is wrong
    (entry->is_directory(ignored) ? listing.folders : listing.files).push_back(std::move(name));
  }
  if (error) return absl::UnavailableError(absl::StrCat(folder.string(), ": ", error.message()));
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.files.begin(), listing.files.end());
  return listing;
}

bool IsJpegName(const std::string& name) {
  return absl::EndsWithIgnoreCase(name, ".jpg") || absl::EndsWithIgnoreCase(name, ".jpeg");
}

bool IsImageName(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return IsJpegName(lower) || absl::EndsWith(lower, ".png") || absl::EndsWith(lower, ".gif") ||
         absl::EndsWith(lower, ".webp") || absl::EndsWith(lower, ".bmp");
}

struct CifarLayout {
  const char* name;
  size_t label_bytes;              // the last one is the class
  std::vector<int> limits;         // of each label byte
  std::vector<std::string> files;  // of the unpacked folder
  const char* other_name;          // to recognise a mix-up
  size_t other_record;
};

constexpr size_t kCifarPixels = 1024;  // of each colour

const CifarLayout& Cifar10() {
  static const auto* const layout = new CifarLayout{
      "CIFAR-10",  1,
      {10},        {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      "CIFAR-100", 3074};
  return *layout;
}

const CifarLayout& Cifar100() {
  static const auto* const layout = new CifarLayout{"CIFAR-100", 2, {20, 100}, {"train.bin"}, "CIFAR-10", 3073};
  return *layout;
}

class CifarDataSet final : public DataSet {
 public:
  static absl::StatusOr<std::unique_ptr<DataSet>> Open(const CifarLayout& layout, const fs::path& from) {
    auto data = std::unique_ptr<CifarDataSet>(new CifarDataSet(layout));
    std::error_code error;
    SourceDigest digest;
    if (!fs::is_directory(from, error)) {
      ZCB_RETURN_IF_ERROR(data->Add(from, digest));
    } else {
      for (const std::string& name : layout.files) {
        if (!fs::exists(from / name, error)) {
          return absl::NotFoundError(absl::StrCat(from.string(), ": holds no ", name, "; the unpacked ", layout.name,
                                                  " binary version has ", absl::StrJoin(layout.files, ", "),
                                                  ". Name one file to read only that one"));
        }
      }
      for (const std::string& name : layout.files) ZCB_RETURN_IF_ERROR(data->Add(from / name, digest));
    }
    data->source_ = digest.Finish();
    return data;
  }

  int size() const override { return static_cast<int>(records_.size() / record_); }
  const std::string& source() const override { return source_; }

  int Label(int index) const override { return static_cast<uint8_t>(records_[At(index) + layout_.label_bytes - 1]); }

  std::string Name(int index) const override {
    const auto after =
        std::upper_bound(files_.begin(), files_.end(), index, [](int i, const File& file) { return i < file.first; });
    return absl::StrCat((after - 1)->path, " record ", index - (after - 1)->first);
  }

  absl::StatusOr<Image> Load(int index) const override {
    const char* const planes = records_.data() + At(index) + layout_.label_bytes;
    Image image{32, 32, std::string(3 * kCifarPixels, '\0')};
    for (size_t i = 0; i < kCifarPixels; ++i) {
      for (size_t c = 0; c < 3; ++c) image.rgb[3 * i + c] = planes[c * kCifarPixels + i];
    }
    return image;
  }

 private:
  struct File {
    std::string path;
    int first;  // index of its first record
  };

  explicit CifarDataSet(const CifarLayout& layout) : layout_(layout), record_(layout.label_bytes + 3 * kCifarPixels) {}

  size_t At(int index) const {
    ZCB_CHECK(index >= 0 && index < size());
    return static_cast<size_t>(index) * record_;
  }

  absl::Status Add(const fs::path& path, SourceDigest& digest) {
    ZCB_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
    const auto invalid = [&](auto... what) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), ": ", what...));
    };
    if (bytes.empty()) return invalid("is empty");
    if (const size_t rest = bytes.size() % record_; rest != 0) {
      const bool mixed_up = bytes.size() % layout_.other_record == 0;
      return invalid(bytes.size(), " bytes is not a multiple of ", record_, ", the length of a ", layout_.name,
                     " record: record ", bytes.size() / record_, " is truncated at byte ", bytes.size(),
                     mixed_up ? absl::StrCat("; it would fit ", layout_.other_name) : std::string());
    }
    for (size_t record = 0; record < bytes.size(); record += record_) {
      for (size_t i = 0; i < layout_.label_bytes; ++i) {
        const int label = static_cast<uint8_t>(bytes[record + i]);
        if (label >= layout_.limits[i]) {
          return invalid(i + 1 < layout_.label_bytes ? "coarse label " : "label ", label, " at byte ", record + i,
                         " is not below ", layout_.limits[i]);
        }
      }
    }
    digest.Add(path.filename().string(), bytes);
    files_.push_back({path.string(), static_cast<int>(records_.size() / record_)});
    records_.append(bytes);
    return absl::OkStatus();
  }

  const CifarLayout& layout_;
  const size_t record_;  // bytes
  std::string records_;
  std::vector<File> files_;
  std::string source_;
};

class JpegDataSet final : public DataSet {
 public:
  // An image before it was read: its path below the folder, and its label unless that comes from the order.
  struct Entry {
    std::string path;
    int label;
  };

  // Reads each file once, for its digest and its first bytes.
  static absl::StatusOr<std::unique_ptr<DataSet>> Open(const fs::path& folder, std::vector<Entry> entries) {
    auto data = std::unique_ptr<JpegDataSet>(new JpegDataSet);
    data->folder_ = folder;
    SourceDigest digest;
    for (const Entry& entry : entries) {
      const fs::path path = folder / entry.path;
      ZCB_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxJpegBytes));
      ZCB_RETURN_IF_ERROR(Annotate(CheckJpegSignature(bytes), path.string()));
      digest.Add(entry.path, bytes);
    }
    data->entries_ = std::move(entries);
    data->source_ = digest.Finish();
    return data;
  }

  int size() const override { return static_cast<int>(entries_.size()); }
  const std::string& source() const override { return source_; }
  int Label(int index) const override { return At(index).label; }
  std::string Name(int index) const override { return (folder_ / At(index).path).string(); }

  absl::StatusOr<Image> Load(int index) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(folder_ / At(index).path, kMaxJpegBytes));
    absl::StatusOr<Image> image = DecodeJpeg(bytes);
    if (!image.ok()) return Annotate(image.status(), Name(index));
    return image;
  }

 private:
  const Entry& At(int index) const {
    ZCB_CHECK(index >= 0 && index < size());
    return entries_[static_cast<size_t>(index)];
  }

  fs::path folder_;
  std::vector<Entry> entries_;
  std::string source_;
};

// The images of `DIR/CLASS/FILE` for the given classes, in the order of their paths.
absl::StatusOr<std::vector<JpegDataSet::Entry>> ListClasses(const fs::path& folder, const Listing& top) {
  for (const std::string& name : top.files) {
    if (IsImageName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat((folder / name).string(), ": an image beside the class folders belongs to no class"));
    }
  }
  std::vector<JpegDataSet::Entry> entries;
  for (size_t label = 0; label < top.folders.size(); ++label) {
    const fs::path path = folder / top.folders[label];
    ZCB_ASSIGN_OR_RETURN(const Listing inside, ListFolder(path));
    if (!inside.folders.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat((path / inside.folders[0]).string(), ": a folder inside a class folder"));
    }
    if (inside.files.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), ": the class folder holds no image"));
    }
    for (const std::string& name : inside.files) {
      if (!IsJpegName(name)) {
        return absl::InvalidArgumentError(absl::StrCat((path / name).string(), ": not a .jpg or .jpeg file"));
      }
      entries.push_back({absl::StrCat(top.folders[label], "/", name), static_cast<int>(label)});
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return entries;
}

absl::Status CheckClasses(const Task& task, const fs::path& folder, const std::vector<std::string>& found) {
  const std::string classes = absl::StrCat("task ", task.name, " has ", task.classes, " classes",
                                           task.class_names.empty() ? "" : ": ", absl::StrJoin(task.class_names, ", "));
  for (const std::string& name : task.class_names) {
    if (std::find(found.begin(), found.end(), name) == found.end()) {
      return absl::InvalidArgumentError(absl::StrCat(folder.string(), ": holds no folder `", name, "`; ", classes));
    }
  }
  for (const std::string& name : found) {
    if (!task.class_names.empty() &&
        std::find(task.class_names.begin(), task.class_names.end(), name) == task.class_names.end()) {
      return absl::InvalidArgumentError(absl::StrCat((folder / name).string(), ": not a class; ", classes));
    }
  }
  if (found.size() != static_cast<size_t>(task.classes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.string(), ": holds ", found.size(), " folders; ", classes, ", a folder each"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataSet>> OpenDataSet(const Task& task, const fs::path& from) {
  switch (task.format) {
    case DataSetFormat::kNone:
      return absl::InvalidArgumentError(absl::StrCat(
          "no reader for the data set of task ", task.name,
          "; bring its probe batches with `zcbench import probe-batch FILE`, or generate them with `--input noise`"));
    case DataSetFormat::kCifar10Binary:
      return CifarDataSet::Open(Cifar10(), from);
    case DataSetFormat::kCifar100Binary:
      return CifarDataSet::Open(Cifar100(), from);
    case DataSetFormat::kImageFolders:
      break;
  }
  ZCB_ASSIGN_OR_RETURN(const Listing top, ListFolder(from));
  ZCB_RETURN_IF_ERROR(CheckClasses(task, from, top.folders));
  ZCB_ASSIGN_OR_RETURN(std::vector<JpegDataSet::Entry> entries, ListClasses(from, top));
  return JpegDataSet::Open(from, std::move(entries));
}

absl::StatusOr<std::unique_ptr<DataSet>> OpenImages(const Task& task, const fs::path& folder) {
  ZCB_ASSIGN_OR_RETURN(const Listing top, ListFolder(folder));
  std::vector<JpegDataSet::Entry> entries;
  if (!top.folders.empty()) {
    if (top.folders.size() > static_cast<size_t>(task.classes)) {
      return absl::InvalidArgumentError(absl::StrCat(folder.string(), ": holds ", top.folders.size(),
                                                     " class folders, task ", task.name, " has only ", task.classes,
                                                     " classes"));
    }
    ZCB_ASSIGN_OR_RETURN(entries, ListClasses(folder, top));
  } else {
    for (size_t i = 0; i < top.files.size(); ++i) {
      if (!IsJpegName(top.files[i])) {
        return absl::InvalidArgumentError(absl::StrCat((folder / top.files[i]).string(), ": not a .jpg or .jpeg file"));
      }
      entries.push_back({top.files[i], static_cast<int>(i % static_cast<size_t>(task.classes))});
    }
    if (entries.empty()) return absl::InvalidArgumentError(absl::StrCat(folder.string(), ": holds no image"));
  }
  return JpegDataSet::Open(folder, std::move(entries));
}

}  // namespace zcbench
