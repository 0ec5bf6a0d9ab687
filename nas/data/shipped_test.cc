#include "nas/data/shipped.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/data/image.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kPhotos = SourceDir() / "nas/data/photos";

TEST(ShippedTest, EveryPhotoIsAsItsListSays) {
  const absl::StatusOr<std::string> list = ReadFile(kPhotos / "photos.csv");
  ASSERT_THAT(list, IsOk());
  std::vector<std::string> lines = absl::StrSplit(*list, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 146u);
  EXPECT_EQ(lines[0], "file,class,width,height,bytes,sha256,licence,author,source,made_from");
  lines.erase(lines.begin());
  std::set<std::string> listed;
  for (const std::string& line : lines) {
    const std::vector<std::string> fields = absl::StrSplit(line, ',');  // the first seven are never quoted
    ASSERT_GE(fields.size(), 10u) << line;
    const std::string& file = fields[0];
    listed.insert(file);
    EXPECT_EQ(file.substr(0, file.find('/')), fields[1]);
    EXPECT_TRUE(fields[6] == "Public Domain" || fields[6] == "CC0-1.0") << line;
    const absl::StatusOr<std::string> bytes = ReadFile(kPhotos / file);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(absl::StrCat(bytes->size()), fields[4]) << file;
    EXPECT_EQ(Sha256Hex(*bytes), fields[5]) << file;
    const absl::StatusOr<Image> image = DecodeJpeg(*bytes);
    ASSERT_THAT(image, IsOk()) << file;
    EXPECT_EQ(absl::StrCat(image->width), fields[2]) << file;
    EXPECT_EQ(absl::StrCat(image->height), fields[3]) << file;
  }
  std::set<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kPhotos)) {
    if (entry.path().extension() == ".jpg") found.insert(entry.path().lexically_relative(kPhotos).generic_string());
  }
  EXPECT_EQ(found, listed);
}

TEST(ShippedTest, OpensEveryShippedTask) {
  for (const Task& task : task_registry().All()) {
    const auto data = OpenShippedDataSet(task);
    if (task.shipped) {
      ASSERT_THAT(data, IsOk()) << task.name;
      EXPECT_GE((*data)->size(), task.probe_images);
    } else {
      EXPECT_THAT(data, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(task.name)));
    }
  }
}

TEST(ShippedTest, PhotosHasItsFiveClasses) {
  const Task& photos = **task_registry().Find("photos");
  EXPECT_EQ(photos.class_names, (std::vector<std::string>{"animal", "energy", "fish", "monument", "tool"}));
  const auto data = OpenShippedDataSet(photos);
  ASSERT_THAT(data, IsOk());
  ASSERT_EQ((*data)->size(), 145);
  std::vector<int> count(5);
  for (int i = 0; i < 145; ++i) ++count[static_cast<size_t>((*data)->Label(i))];
  EXPECT_EQ(count, (std::vector<int>{24, 28, 28, 27, 38}));
  EXPECT_EQ((*data)->source(), "ffbb3690758bddfa2f3061849a3ae598a2c8f6f8f7b994f3be74aedb6c10e83d");
}

TEST(ShippedTest, TheEnvironmentNamesTheOnlyPlace) {
  ::setenv("ZCB_DATA_DIR", kPhotos.parent_path().c_str(), 1);
  EXPECT_THAT(ShippedDataFolder(), IsOkAndHolds(kPhotos.parent_path()));
  ::setenv("ZCB_DATA_DIR", "/nonexistent/place", 1);
  EXPECT_THAT(ShippedDataFolder(),
              StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("/nonexistent/place"), HasSubstr("ZCB_DATA_DIR"))));
  ::unsetenv("ZCB_DATA_DIR");
  EXPECT_THAT(ShippedDataFolder(), IsOk());
}

}  // namespace
}  // namespace zcbench
