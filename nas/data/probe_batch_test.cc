#include "nas/data/probe_batch.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kSource[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

// Two images of 2 rows and 3 columns.
ProbeBatch TinyBatch() {
  ProbeBatch batch{.task = "photos",
                   .seed = 7,
                   .images = 2,
                   .height = 2,
                   .width = 3,
                   .mean = {0.485f, 0.456f, 0.406f},
                   .standard_deviation = {0.229f, 1e-7f, 1.0f},
                   .source = kSource,
                   .pixels = {},
                   .labels = {4, 999'999}};
  for (int i = 0; i < 36; ++i) batch.pixels.push_back(static_cast<char>(7 * i));
  return batch;
}

constexpr char kTinyHeader[] =
    R"({"height":2,"images":2,"mean":[0.485,0.456,0.406],"seed":7,)"
    R"("source":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",)"
    R"("standard_deviation":[0.229,1e-07,1],"target":"class","target_type":"int32","task":"photos","version":1,"width":3})";

// The file around any header text.
std::string FileOf(std::string_view header) {
  std::string file = "ZCBBATCH";
  for (int shift = 0; shift < 32; shift += 8) file.push_back(static_cast<char>(header.size() >> shift & 0xff));
  const std::string encoded = EncodeProbeBatch(TinyBatch());
  return file + std::string(header) + encoded.substr(encoded.size() - 36 - 8);
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ProbeBatchTest, IsWrittenAsTheHeaderSays) {
  const std::string file = EncodeProbeBatch(TinyBatch());
  EXPECT_EQ(file.substr(0, 8), "ZCBBATCH");
  ASSERT_EQ(file.size(), 12 + std::string_view(kTinyHeader).size() + 36 + 8);
  EXPECT_EQ(file.substr(8, 4), std::string({static_cast<char>(std::string_view(kTinyHeader).size()), 0, 0, 0}));
  EXPECT_EQ(file.substr(12, std::string_view(kTinyHeader).size()), kTinyHeader);
  EXPECT_EQ(file.substr(file.size() - 44, 36), TinyBatch().pixels);
  EXPECT_EQ(file.substr(file.size() - 8), std::string("\x04\0\0\0\x3f\x42\x0f\0", 8));
}

TEST(ProbeBatchTest, DigestNeverChanges) {
  EXPECT_EQ(ProbeBatchDigest(EncodeProbeBatch(TinyBatch())),
            "f5119a3ea6c0d7676f023aa44086cbf69ce90de55b8b01283b49f6506e23aaf2");
}

TEST(ProbeBatchTest, DecodesWhatItEncodes) {
  EXPECT_THAT(DecodeProbeBatch(EncodeProbeBatch(TinyBatch())), IsOkAndHolds(TinyBatch()));
  EXPECT_THAT(DecodeProbeBatch(FileOf(kTinyHeader)), IsOkAndHolds(TinyBatch()));
}

TEST(ProbeBatchTest, EveryFloatAndSeedComesBack) {
  ProbeBatch batch = TinyBatch();
  batch.seed = std::numeric_limits<uint64_t>::max();
  for (float value = std::numeric_limits<float>::denorm_min(); value < 1e38f; value *= 1.37f) {
    batch.mean = {value, -value, 0.0f};
    batch.standard_deviation = {value, 1 / 3.0f, std::numeric_limits<float>::max()};
    ASSERT_THAT(DecodeProbeBatch(EncodeProbeBatch(batch)), IsOkAndHolds(batch));
    if (value < 1e-44f) value *= 2;  // the smallest ones do not grow by a third
  }
}

TEST(ProbeBatchTest, EveryTruncationSaysWhere) {
  const std::string file = EncodeProbeBatch(TinyBatch());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(DecodeProbeBatch(file.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         StartsWith(absl::StrCat("probe batch: at byte ", size, ": truncated"))));
  }
  EXPECT_THAT(DecodeProbeBatch(file + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith(absl::StrCat("probe batch: at byte ", file.size(), ": too long"))));
}

TEST(ProbeBatchTest, NoChangedByteBeforeThePixelsIsReadAsTheSameBatch) {
  const std::string file = EncodeProbeBatch(TinyBatch());
  for (size_t at = 0; at < file.size() - 44; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
      const absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(changed);
      if (batch.ok()) {  // another valid header
        EXPECT_EQ(EncodeProbeBatch(*batch), changed) << "byte " << at << ", bit " << bit;
      } else {
        EXPECT_THAT(batch, StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("probe batch: at byte ")));
      }
    }
  }
}

TEST(ProbeBatchTest, RefusesForeignFilesAndHugeHeaders) {
  EXPECT_THAT(DecodeProbeBatch("\xff\xd8\xff\xe0 a photograph"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at byte 0: not a probe batch")));
  EXPECT_THAT(DecodeProbeBatch("ZCBbatch"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at byte 3: not a probe batch")));
  EXPECT_THAT(DecodeProbeBatch("ZCBBATCH\xff\xff\xff\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at byte 8: a header of 4294967295 bytes")));
}

TEST(ProbeBatchTest, RefusesWrongHeaders) {
  struct Case {
    std::string_view from, to, message;
  };
  const Case cases[] = {
      {kTinyHeader, "", "at byte 12: the header is not JSON"},
      {kTinyHeader, "[1]", "at byte 12: the header is not a JSON object"},
      {"\"height\":2", "\"height\":1e999", "at byte 12: the header holds a number that does not exist"},
      {"\"version\":1", "\"version\":2", "version 2; this program reads version 1"},
      {"\"version\":1,", "", "the header has no \"version\""},
      {"\"height\":2,", "", "the header has no \"height\""},
      {"\"height\":2", "\"height\":3", "truncated: 2 images of 3 x 3"},
      {"\"height\":2", "\"height\":-2", "at byte 13: \"height\" is not an integer"},
      {"\"height\":2", "\"height\":2.0", "at byte 13: \"height\" is not an integer"},
      {"\"height\":2", "\"height\":4097", "height 4097 is not in [1, 4096]"},
      {"\"height\":2", "\"height\":4096", "truncated: 2 images of 4096 x 3"},
      {"\"height\":2", "\"height\":99999999999999999999", "\"height\" is not an integer"},
      {"\"height\":2", "\"height\": 2", "at byte 22: the header is not as version 1 writes it: expected `2,"},
      {"\"height\":2", "\"extra\":0,\"height\":2", "at byte 14: the header is not as version 1 writes it"},
      {"\"height\":2", "\"height\":1,\"height\":2", "the header is not as version 1 writes it"},
      {"\"images\":2", "\"images\":0", "images 0 is not in [1, 4096]"},
      {"\"width\":3", "\"width\":4294967299", "\"width\" is not an integer"},
      {"0.485", "0.4850", "the header is not as version 1 writes it"},
      {"0.485", "null", "\"mean\" is not a list of three numbers"},
      {"0.485,", "", "\"mean\" is not a list of three numbers"},
      {"0.485", "1e39", "mean of channel 0 is inf"},
      {"0.229", "-0.229", "standard_deviation of channel 0 is -0.229, not above 0"},
      {"\"seed\":7", "\"seed\":-7", "\"seed\" is not an integer in [0, 2^64)"},
      {"89abcdef\"", "89abcdeg\"", "source is not 64 lower-case hexadecimal digits"},
      {"89abcdef\"", "89abcde\"", "source is not 64 lower-case hexadecimal digits"},
      {"\"photos\"", "\"../photos\"", "task is not 1 to 64 characters"},
      {"\"photos\"", "\"\"", "task is not 1 to 64 characters"},
      {"\"photos\"", "\"phot\xff\"", "the header is not JSON"},
      {"\"photos\"", "5", "\"task\" is not a string"},
      {"int32", "int64", "the header is not as version 1 writes it"},
      {"class", "boxes", "the header is not as version 1 writes it"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(DecodeProbeBatch(FileOf(Replaced(kTinyHeader, c.from, c.to))),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("probe batch: at byte "), HasSubstr(std::string(c.message)))))
        << c.to;
  }
  const std::string nested(4000, '[');
  EXPECT_THAT(DecodeProbeBatch(FileOf(nested)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not JSON")));
}

TEST(ProbeBatchTest, RefusesLabelsOutOfRange) {
  std::string file = EncodeProbeBatch(TinyBatch());
  file[file.size() - 4] = '\x40';  // 1,000,000
  EXPECT_THAT(DecodeProbeBatch(file),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("at byte ", file.size() - 4, ": label 1000000 is not in"))));
  file.back() = '\xff';
  EXPECT_THAT(DecodeProbeBatch(file), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("label -")));
}

TEST(ProbeBatchTest, CheckNamesTheInconsistentField) {
  EXPECT_THAT(CheckProbeBatch(TinyBatch()), IsOk());
  ProbeBatch batch = TinyBatch();
  batch.pixels.pop_back();
  EXPECT_THAT(CheckProbeBatch(batch),
              StatusIs(absl::StatusCode::kInvalidArgument, "pixels are 35 bytes, the shape [2, 3, 2, 3] needs 36"));
  batch = TinyBatch();
  batch.labels.push_back(0);
  EXPECT_THAT(CheckProbeBatch(batch), StatusIs(absl::StatusCode::kInvalidArgument, "3 labels for 2 images"));
  batch = TinyBatch();
  batch.labels[0] = -1;
  EXPECT_THAT(CheckProbeBatch(batch), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("label -1")));
  batch = TinyBatch();
  batch.mean[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(CheckProbeBatch(batch), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mean of channel 1")));
}

}  // namespace
}  // namespace zcbench
