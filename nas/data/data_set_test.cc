#include "nas/data/data_set.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/data/image.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Task CifarTask(DataSetFormat format, int classes) {
  return {.name = "cifar",
          .summary = "",
          .format = format,
          .classes = classes,
          .native_size = 32,
          .probe_images = 64,
          .mean = {},
          .standard_deviation = {1, 1, 1}};
}
Task Cifar10Task() { return CifarTask(DataSetFormat::kCifar10Binary, 10); }
Task Cifar100Task() { return CifarTask(DataSetFormat::kCifar100Binary, 100); }

Task FolderTask(int classes, std::vector<std::string> class_names = {}) {
  return {.name = "pictures",
          .summary = "",
          .format = DataSetFormat::kImageFolders,
          .classes = classes,
          .native_size = 0,
          .probe_images = 16,
          .mean = {},
          .standard_deviation = {1, 1, 1},
          .shipped = false,
          .class_names = std::move(class_names)};
}

// A record whose pixel i of colour c is (i + 50 c + label) mod 256.
std::string Record(std::string labels) {
  const int label = static_cast<uint8_t>(labels.back());
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 1024; ++i) labels.push_back(static_cast<char>(i + 50 * c + label));
  }
  return labels;
}

std::string Cifar10Records(int first, int count) {
  std::string bytes;
  for (int i = first; i < first + count; ++i) bytes += Record({static_cast<char>(i % 10)});
  return bytes;
}

class DataSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "zcb_data_set_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    const absl::StatusOr<std::string> photo = ReadFile(SourceDir() / "nas/data/photos/fish/fish1.jpg");
    ASSERT_THAT(photo, IsOk());
    photo_ = *photo;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path Write(const std::string& path, std::string_view bytes) {
    fs::create_directories((folder_ / path).parent_path());
    EXPECT_THAT(WriteFileAtomically(folder_ / path, bytes), IsOk());
    return folder_ / path;
  }

  fs::path folder_;
  std::string photo_;  // a JPEG of 320 x 213
};

TEST_F(DataSetTest, ReadsOneCifar10File) {
  const fs::path file = Write("some.bin", Cifar10Records(0, 12));
  const auto data = OpenDataSet(Cifar10Task(), file);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 12);
  EXPECT_EQ((*data)->Label(11), 1);
  EXPECT_EQ((*data)->Name(11), file.string() + " record 11");
  const absl::StatusOr<Image> image = (*data)->Load(11);
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(image->width, 32);
  EXPECT_EQ(image->height, 32);
  ASSERT_EQ(image->rgb.size(), 3072u);
  for (const int i : {0, 1, 32, 1023}) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(static_cast<uint8_t>(image->rgb[static_cast<size_t>(3 * i + c)]), (i + 50 * c + 1) % 256);
    }
  }
}

TEST_F(DataSetTest, ReadsTheTrainingFilesOfACifar10Folder) {
  for (int i = 1; i <= 5; ++i) Write(absl::StrCat("data_batch_", i, ".bin"), Cifar10Records(i, i));
  Write("test_batch.bin", Cifar10Records(0, 3));
  Write("readme.html", "text");
  const auto data = OpenDataSet(Cifar10Task(), folder_);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 15);
  EXPECT_EQ((*data)->Label(0), 1);
  EXPECT_EQ((*data)->Label(14), 9);
  EXPECT_THAT((*data)->Name(0), EndsWith("data_batch_1.bin record 0"));
  EXPECT_THAT((*data)->Name(9), EndsWith("data_batch_4.bin record 3"));
  EXPECT_THAT((*data)->Name(10), EndsWith("data_batch_5.bin record 0"));

  fs::remove(folder_ / "data_batch_3.bin");
  EXPECT_THAT(OpenDataSet(Cifar10Task(), folder_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("holds no data_batch_3.bin")));
}

TEST_F(DataSetTest, ReadsTheFineLabelsOfCifar100) {
  Write("train.bin", Record({19, 99}) + Record({0, 7}));
  Write("test.bin", "not looked at");
  const auto data = OpenDataSet(Cifar100Task(), folder_);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 2);
  EXPECT_EQ((*data)->Label(0), 99);
  EXPECT_EQ((*data)->Label(1), 7);
  EXPECT_EQ(static_cast<uint8_t>((*data)->Load(1)->rgb[0]), 7);
}

TEST_F(DataSetTest, WrongCifarFilesAreNamedWithTheByte) {
  const std::string ten = Cifar10Records(0, 10);
  EXPECT_THAT(OpenDataSet(Cifar10Task(), folder_ / "nothing.bin"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing.bin: no such file")));
  EXPECT_THAT(OpenDataSet(Cifar10Task(), Write("empty.bin", "")), StatusIs(kInvalid, HasSubstr("empty.bin: is empty")));
  EXPECT_THAT(OpenDataSet(Cifar10Task(), Write("cut.bin", ten.substr(0, ten.size() - 1))),
              StatusIs(kInvalid, HasSubstr("cut.bin: 30729 bytes is not a multiple of 3073, the length of a CIFAR-10 "
                                           "record: record 9 is truncated at byte 30729")));
  std::string labels = ten;
  labels[2 * 3073] = 17;
  EXPECT_THAT(OpenDataSet(Cifar10Task(), Write("label.bin", labels)),
              StatusIs(kInvalid, HasSubstr("label.bin: label 17 at byte 6146 is not below 10")));
  EXPECT_THAT(OpenDataSet(Cifar10Task(), Write("hundred.bin", Record({1, 2}))),
              StatusIs(kInvalid, EndsWith("truncated at byte 3074; it would fit CIFAR-100")));
  EXPECT_THAT(OpenDataSet(Cifar100Task(), Write("ten.bin", ten)),
              StatusIs(kInvalid, HasSubstr("it would fit CIFAR-10")));
  EXPECT_THAT(OpenDataSet(Cifar100Task(), Write("coarse.bin", Record({1, 2}) + Record({20, 2}))),
              StatusIs(kInvalid, HasSubstr("coarse.bin: coarse label 20 at byte 3074 is not below 20")));
  EXPECT_THAT(OpenDataSet(Cifar100Task(), Write("fine.bin", Record({1, 100}))),
              StatusIs(kInvalid, HasSubstr("fine.bin: label 100 at byte 1 is not below 100")));
  EXPECT_THAT(OpenDataSet(Cifar10Task(), Write("photo.bin", photo_)), StatusIs(kInvalid, HasSubstr("photo.bin: ")));
}

TEST_F(DataSetTest, ReadsImageFoldersInTheOrderOfTheirPaths) {
  Write("b/2.jpg", photo_);
  Write("b/10.JPEG", photo_);
  Write("a/x.Jpg", photo_);
  Write("a-c/y.jpg", photo_);  // '-' sorts before '/', so its files come before those of a
  Write("LICENCE.txt", "text");
  Write("b/.DS_Store", "not looked at");
  Write(".cache/z.jpg", "not looked at");
  const auto data = OpenDataSet(FolderTask(3), folder_);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 4);
  const std::pair<std::string, int> expected[] = {{"a-c/y.jpg", 1}, {"a/x.Jpg", 0}, {"b/10.JPEG", 2}, {"b/2.jpg", 2}};
  std::string lines;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ((*data)->Name(i), (folder_ / expected[i].first).string());
    EXPECT_EQ((*data)->Label(i), expected[i].second);
    EXPECT_THAT((*data)->Load(i), IsOk());
    lines += absl::StrCat(expected[i].first, " ", photo_.size(), " ", Sha256Hex(photo_), "\n");
  }
  EXPECT_EQ((*data)->source(), Sha256Hex(lines));
}

TEST_F(DataSetTest, SourceDependsOnPathsAndBytesButNotOnThePlace) {
  Write("one/a/x.jpg", photo_);
  Write("two/a/x.jpg", photo_);
  Write("other_name/a/y.jpg", photo_);
  Write("other_bytes/a/x.jpg", photo_ + '\0');
  const auto source = [&](const char* name) { return (*OpenDataSet(FolderTask(1), folder_ / name))->source(); };
  EXPECT_EQ(source("one"), source("two"));
  EXPECT_NE(source("one"), source("other_name"));
  EXPECT_NE(source("one"), source("other_bytes"));
}

TEST_F(DataSetTest, WrongImageFoldersAreNamed) {
  const Task task = FolderTask(2, {"cat", "dog"});
  EXPECT_THAT(OpenDataSet(task, folder_ / "nothing"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing: no such folder")));
  EXPECT_THAT(OpenDataSet(task, Write("file.jpg", photo_)), StatusIs(kInvalid, HasSubstr("file.jpg: is a file")));
  fs::remove(folder_ / "file.jpg");
  EXPECT_THAT(OpenDataSet(task, folder_),
              StatusIs(kInvalid, HasSubstr("holds no folder `cat`; task pictures has 2 classes: cat, dog")));
  EXPECT_THAT(OpenDataSet(FolderTask(2), folder_),
              StatusIs(kInvalid, HasSubstr("holds 0 folders; task pictures has 2")));

  Write("cat/1.jpg", photo_);
  Write("dog/1.jpg", photo_);
  EXPECT_THAT(OpenDataSet(task, folder_), IsOk());
  EXPECT_THAT(OpenDataSet(FolderTask(3), folder_),
              StatusIs(kInvalid, HasSubstr("holds 2 folders; task pictures has 3")));

  fs::create_directory(folder_ / "dgo");
  EXPECT_THAT(OpenDataSet(task, folder_), StatusIs(kInvalid, HasSubstr("dgo: not a class")));
  fs::remove(folder_ / "dgo");

  struct Case {
    std::string file;
    std::string bytes;
    std::string message;
  };
  const Case cases[] = {
      {"cat/notes.txt", "text", "not a .jpg or .jpeg file"},
      {"cat/2.png", "\x89PNG", "not a .jpg or .jpeg file"},
      {"cat/2.jpg", "\x89PNG\r\n", "not a JPEG but a PNG image"},
      {"cat/2.jpg", "", "not a JPEG but an empty file"},
      {"stray.jpg", photo_, "an image beside the class folders"},
      {"dog/puppies/1.jpg", photo_, "a folder inside a class folder"},
  };
  for (const Case& c : cases) {
    const fs::path path = Write(c.file, c.bytes);
    const absl::StatusOr<std::unique_ptr<DataSet>> data = OpenDataSet(task, folder_);
    EXPECT_THAT(data, StatusIs(kInvalid, AllOf(StartsWith(folder_.string()), HasSubstr(c.message)))) << c.file;
    fs::remove_all(c.file == "dog/puppies/1.jpg" ? path.parent_path() : path);
  }

  fs::create_symlink(folder_ / "gone.jpg", folder_ / "cat/link.jpg");
  EXPECT_THAT(OpenDataSet(task, folder_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cat/link.jpg: no such file")));
  fs::remove(folder_ / "cat/link.jpg");

  fs::remove(folder_ / "dog/1.jpg");
  EXPECT_THAT(OpenDataSet(task, folder_), StatusIs(kInvalid, HasSubstr("dog: the class folder holds no image")));
}

TEST_F(DataSetTest, AnUnreadableFileIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads every file";
  Write("cat/1.jpg", photo_);
  fs::permissions(folder_ / "cat/1.jpg", fs::perms::none);
  EXPECT_THAT(OpenDataSet(FolderTask(1), folder_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cat/1.jpg: Permission denied")));
}

TEST_F(DataSetTest, ADamagedImageIsNamedWhenItIsLoaded) {
  Write("cat/1.jpg", photo_.substr(0, 9000));
  const auto data = OpenDataSet(FolderTask(1), folder_);
  ASSERT_THAT(data, IsOk());
  EXPECT_THAT((*data)->Load(0),
              StatusIs(kInvalid, AllOf(StartsWith((folder_ / "cat/1.jpg").string() + ": truncated JPEG"),
                                       HasSubstr("at byte 9000"))));
  fs::remove(folder_ / "cat/1.jpg");
  EXPECT_THAT((*data)->Load(0), StatusIs(absl::StatusCode::kNotFound, HasSubstr("1.jpg")));
}

TEST_F(DataSetTest, AnyFolderOfImagesServesAnyTask) {
  for (const char* name : {"c.jpg", "a.jpg", "b.jpg"}) Write(name, photo_);
  Task task = Cifar10Task();
  task.classes = 2;
  const auto data = OpenImages(task, folder_);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ((*data)->Name(i), (folder_ / std::string({"abc"[i], '.', 'j', 'p', 'g'})).string());
    EXPECT_EQ((*data)->Label(i), i % 2);
  }
  const fs::path notes = Write("notes.md", "text");
  EXPECT_THAT(OpenImages(task, folder_), StatusIs(kInvalid, HasSubstr("notes.md: not a .jpg or .jpeg file")));
  Write("notes.md.jpg", "text");
  fs::remove(notes);
  EXPECT_THAT(OpenImages(task, folder_), StatusIs(kInvalid, HasSubstr("notes.md.jpg: not a JPEG")));
}

TEST_F(DataSetTest, SubFoldersOfAnyFolderAreClasses) {
  const Task task = FolderTask(3, {"cat", "dog", "fox"});
  EXPECT_THAT(OpenImages(task, folder_), StatusIs(kInvalid, HasSubstr("holds no image")));
  EXPECT_THAT(OpenImages(task, folder_ / "nothing"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
  Write("x/1.jpg", photo_);
  Write("y/1.jpg", photo_);
  const auto data = OpenImages(task, folder_);
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ((*data)->Label(0), 0);
  EXPECT_EQ((*data)->Label(1), 1);
  Write("z/1.jpg", photo_);
  Write("zz/1.jpg", photo_);
  EXPECT_THAT(OpenImages(task, folder_), StatusIs(kInvalid, HasSubstr("4 class folders, task pictures has only 3")));
}

// The real records, where the folder of published data is at hand.
class RealCifarTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("ZCB_TEST_DATA");
    if (folder == nullptr || *folder == '\0')
      GTEST_SKIP() << "ZCB_TEST_DATA does not name the folder of published data";
    folder_ = folder;
  }

  void ExpectBalanced(const Task& task, const char* file, int records) {
    const auto data = OpenDataSet(task, folder_ / file);
    ASSERT_THAT(data, IsOk());
    ASSERT_EQ((*data)->size(), records);
    std::map<int, int> count;
    double sum = 0;
    for (int i = 0; i < records; ++i) {
      ++count[(*data)->Label(i)];
      const absl::StatusOr<Image> image = (*data)->Load(i);
      ASSERT_THAT(image, IsOk());
      for (const char byte : image->rgb) sum += static_cast<uint8_t>(byte);
    }
    EXPECT_EQ(count.size(), static_cast<size_t>(task.classes));
    for (const auto& [label, images] : count) EXPECT_EQ(images, records / task.classes) << label;
    EXPECT_NEAR(sum / records / 3072, 121, 3);  // the data sets' mean byte
  }

  fs::path folder_;
};

TEST_F(RealCifarTest, Cifar10HasAHundredOfEachClass) { ExpectBalanced(Cifar10Task(), "cifar10_train_a.bin", 1000); }
TEST_F(RealCifarTest, Cifar100HasTwelveOfEachClass) { ExpectBalanced(Cifar100Task(), "cifar100_train_a.bin", 1200); }

TEST_F(RealCifarTest, OneIsNotTheOther) {
  EXPECT_THAT(OpenDataSet(Cifar100Task(), folder_ / "cifar10_train_a.bin"),
              StatusIs(kInvalid, HasSubstr("fit CIFAR-10")));
  EXPECT_THAT(OpenDataSet(Cifar10Task(), folder_ / "cifar100_train_a.bin"),
              StatusIs(kInvalid, HasSubstr("fit CIFAR-100")));
}

TEST_F(DataSetTest, ATaskWithoutAReaderSaysWhatElseThereIs) {
  Task task = FolderTask(3);
  task.format = DataSetFormat::kNone;
  EXPECT_THAT(OpenDataSet(task, folder_),
              StatusIs(kInvalid, AllOf(HasSubstr("no reader for the data set of task pictures"),
                                       HasSubstr("zcbench import probe-batch FILE"))));
}

}  // namespace
}  // namespace zcbench
