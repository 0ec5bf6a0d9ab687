#include "nas/data/probe_batch.h"

#include <gtest/gtest.h>

#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
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
      {"\"version\":1", "\"version\":3", "version 3; this program reads versions 1 and 2"},
      {"\"version\":1", "\"version\":2", "at byte 12: the header has no \"channels\""},
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
      {"\"class\"", "\"numbers\"", "the header is not as version 1 writes it"},
      {"89abcdef\"", "\"", "source is not 64 lower-case hexadecimal digits, nor noise"},
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
  EXPECT_THAT(CheckProbeBatch(batch),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("targets are 3 labels, 0 numbers and 0 bytes; there must be 2, 0 and 0")));
  batch = TinyBatch();
  batch.labels[0] = -1;
  EXPECT_THAT(CheckProbeBatch(batch), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("label -1")));
  batch = TinyBatch();
  batch.mean[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(CheckProbeBatch(batch), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mean of channel 1")));
}

// ---- Version 2.

// A batch of every kind of target, two images of 2 x 3 pixels each.
std::vector<ProbeBatch> EveryKind() {
  std::vector<ProbeBatch> batches;
  const auto add = [&](TargetKind target, int classes) -> ProbeBatch& {
    ProbeBatch& batch = batches.emplace_back(TinyBatch());
    batch.target = target;
    batch.classes = classes;
    if (target != TargetKind::kClass) batch.labels.clear();
    return batch;
  };
  ProbeBatch& tiles = add(TargetKind::kClass, 1'000'000);
  tiles.channels = 27;
  tiles.pixels = std::string(2 * 27 * 6, 'x');
  add(TargetKind::kClass, 1'000'000).source = kNoise;
  add(TargetKind::kProbabilities, 3).values = {0.5f, 0.25f, 0.25f, 0, 0, 1};
  add(TargetKind::kNumbers, 3).values = {-1.5f, 0, 1e-7f, 3, std::numeric_limits<float>::max(), -0.0f};
  add(TargetKind::kClassMap, 256).target_pixels = std::string("\0\1\2\3\4\5\6\7\x08\x09\xfe\xff", 12);
  ProbeBatch& image = add(TargetKind::kImage, 3);
  image.target_pixels = std::string(36, '\xff');
  image.target_mean = {0.5f, 0.25f, 0.125f};
  image.target_standard_deviation = {0.5f, 1, 2};
  return batches;
}

// Its file with `from` in the header replaced.
std::string Changed(const ProbeBatch& batch, std::string_view from, std::string_view to) {
  const std::string file = EncodeProbeBatch(batch);
  const size_t size = static_cast<uint8_t>(file[8]) + (size_t{static_cast<uint8_t>(file[9])} << 8);
  const std::string header = Replaced(file.substr(12, size), from, to);
  std::string changed = "ZCBBATCH";
  for (int shift = 0; shift < 32; shift += 8) changed.push_back(static_cast<char>(header.size() >> shift & 0xff));
  return changed + header + file.substr(12 + size);
}

TEST(ProbeBatchTest, EveryKindOfTargetIsWrittenAsTheHeaderSays) {
  const char* const headers[] = {
      R"({"channels":27,"classes":1000000,"height":2,)",
      R"({"channels":3,"classes":1000000,"height":2,"images":2,"mean":[0.485,0.456,0.406],"seed":7,"source":"noise",)",
      R"("target":"probabilities","target_type":"float32","task":"photos","version":2,"width":3})",
      R"("target":"numbers","target_type":"float32","task":"photos","version":2,"width":3})",
      R"("target":"class_map","target_type":"uint8","task":"photos","version":2,"width":3})",
      R"("target":"image","target_mean":[0.5,0.25,0.125],"target_standard_deviation":[0.5,1,2],"target_type":"uint8",)"};
  const std::string targets[] = {
      std::string("\x04\0\0\0\x3f\x42\x0f\0", 8),
      std::string("\x04\0\0\0\x3f\x42\x0f\0", 8),
      std::string("\0\0\0\x3f\0\0\x80\x3e\0\0\x80\x3e\0\0\0\0\0\0\0\0\0\0\x80\x3f", 24),
      std::string("\0\0\xc0\xbf\0\0\0\0\x95\xbf\xd6\x33\0\0\x40\x40\xff\xff\x7f\x7f\0\0\0\x80", 24),
      EveryKind()[4].target_pixels,
      EveryKind()[5].target_pixels};
  for (size_t i = 0; i < std::size(headers); ++i) {
    const ProbeBatch batch = EveryKind()[i];
    const std::string file = EncodeProbeBatch(batch);
    EXPECT_THAT(file, HasSubstr(headers[i])) << i;
    EXPECT_THAT(file, EndsWith(batch.pixels + targets[i])) << i;
    EXPECT_THAT(DecodeProbeBatch(file), IsOkAndHolds(batch)) << i;
  }
}

TEST(ProbeBatchTest, EveryTruncationOfVersion2SaysWhere) {
  for (const ProbeBatch& batch : EveryKind()) {
    const std::string file = EncodeProbeBatch(batch);
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_THAT(DecodeProbeBatch(file.substr(0, size)),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           StartsWith(absl::StrCat("probe batch: at byte ", size, ": truncated"))));
    }
    EXPECT_THAT(DecodeProbeBatch(file + "x"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         StartsWith(absl::StrCat("probe batch: at byte ", file.size(), ": too long"))));
  }
}

TEST(ProbeBatchTest, NoChangedByteOfVersion2IsReadAsTheSameBatch) {
  for (const ProbeBatch& batch : EveryKind()) {
    const std::string file = EncodeProbeBatch(batch);
    for (size_t at = 0; at < file.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = file;
        changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
        const absl::StatusOr<ProbeBatch> read = DecodeProbeBatch(changed);
        if (read.ok()) {
          EXPECT_EQ(EncodeProbeBatch(*read), changed) << "byte " << at << ", bit " << bit;
        } else {
          EXPECT_THAT(read, StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("probe batch: at byte ")));
        }
      }
    }
  }
}

TEST(ProbeBatchTest, RefusesWrongHeadersOfVersion2) {
  enum { kTiles, kNoiseBatch, kSoft, kNumbers, kMap, kPicture };
  struct Case {
    int kind;
    std::string_view from, to, message;
  };
  const Case cases[] = {
      {kTiles, "\"channels\":27", "\"channels\":0", "channels 0 is not a multiple of 3 in [3, 63]"},
      {kTiles, "\"channels\":27", "\"channels\":66", "channels 66 is not a multiple of 3"},
      {kTiles, "\"channels\":27", "\"channels\":28", "channels 28 is not a multiple of 3"},
      {kTiles, "\"channels\":27", "\"channels\":30", "truncated"},
      {kTiles, "\"channels\":27", "\"channels\":3", "is of version 1, which has none"},
      {kTiles, "\"classes\":1000000", "\"classes\":1000001", "classes 1000001 is not in [1, 1000000]"},
      {kTiles, "\"classes\":1000000", "\"classes\":0", "classes 0 is not in"},
      {kTiles, "\"classes\":1000000", "\"classes\":999999", "label 999999 is not in [0, 999999)"},
      {kNoiseBatch, "noise", "noisy", "source is not 64"},
      {kNoiseBatch, "\"version\":2", "\"version\":1", "classes 0 is not in [1, 1000000]"},
      {kSoft, "\"classes\":3", "\"classes\":2", "too long"},
      {kSoft, "\"probabilities\"", "\"boxes\"",
       "\"target\" is none of class, probabilities, numbers, class_map, image"},
      {kSoft, "\"probabilities\"", "4", "\"target\" is none of class"},
      {kSoft, "float32", "float64", "the header is not as version 2 writes it"},
      {kMap, "\"classes\":256", "\"classes\":257", "classes 257 is not in [1, 256]"},
      {kMap, "\"classes\":256", "\"classes\":255", "class 255 is not in [0, 255)"},
      {kMap, "\"class_map\"", "\"image\"", "the header has no \"target_mean\""},
      {kPicture, "\"target_mean\":[0.5", "\"target_mean\":[0.50", "the header is not as version 2 writes it"},
      {kPicture, "\"target_standard_deviation\":[0.5", "\"target_standard_deviation\":[0",
       "target_standard_deviation of channel 0 is 0, not above 0"},
      {kPicture, "\"classes\":3", "\"classes\":1000000", "truncated"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(DecodeProbeBatch(Changed(EveryKind()[static_cast<size_t>(c.kind)], c.from, c.to)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("probe batch: at byte "), HasSubstr(std::string(c.message)))))
        << c.from << " -> " << c.to;
  }
}

TEST(ProbeBatchTest, RefusesTargetsOutOfRange) {
  const auto with = [](size_t kind, size_t byte, std::string_view bytes) {
    const ProbeBatch batch = EveryKind()[kind];
    std::string file = EncodeProbeBatch(batch);
    const size_t targets = 4 * batch.values.size() + batch.target_pixels.size();
    return DecodeProbeBatch(file.replace(file.size() - targets + byte, bytes.size(), bytes));
  };
  constexpr std::string_view kNan("\0\0\xc0\x7f", 4);
  constexpr std::string_view kTwo("\0\0\0\x40", 4);
  constexpr std::string_view kMinusOne("\0\0\x80\xbf", 4);
  constexpr std::string_view kZero("\0\0\0\0", 4);
  const auto refused = [](std::string_view message) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(message)));
  };
  EXPECT_THAT(with(2, 4, kNan), refused("number nan is not finite"));
  EXPECT_THAT(with(2, 4, kTwo), refused("probability 2 is not in [0, 1]"));
  EXPECT_THAT(with(2, 4, kMinusOne), refused("probability -1 is not in [0, 1]"));
  EXPECT_THAT(with(2, 20, kZero), refused("the probabilities of image 1 have the sum 0, not 1"));
  EXPECT_THAT(with(3, 8, kNan), refused("number nan is not finite"));
  EXPECT_THAT(with(3, 8, kTwo), IsOk());
}

TEST(ProbeBatchTest, CheckWantsTheTargetsOfItsKindAlone) {
  for (const ProbeBatch& good : EveryKind()) {
    EXPECT_THAT(CheckProbeBatch(good), IsOk());
    const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("there must be"));
    ProbeBatch batch = good;
    batch.labels.push_back(0);
    EXPECT_THAT(CheckProbeBatch(batch), refused);
    batch = good;
    batch.values.push_back(0);
    EXPECT_THAT(CheckProbeBatch(batch), refused);
    batch = good;
    batch.target_pixels.push_back('\0');
    EXPECT_THAT(CheckProbeBatch(batch), refused);
  }
}

TEST(ProbeBatchTest, FitsTheCellThatItWasMadeFor) {
  const ProbeBatch good = TinyBatch();
  const Cell cell{.space = "any", .task = "photos", .height = 2, .width = 3, .classes = 1'000'000, .images = 2};
  EXPECT_THAT(CheckProbeBatchFits(good, cell), IsOk());
  const auto refused = [&](auto change, std::string_view message) {
    Cell other = cell;
    change(other);
    EXPECT_THAT(CheckProbeBatchFits(good, other),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(message))));
  };
  refused([](Cell& c) { c.task = "cifar10"; }, "is of task photos, not of cifar10");
  refused([](Cell& c) { c.images = 3; }, "has 2 images of 3 x 2 x 3, the cell takes 3 of 3 x 2 x 3");
  refused([](Cell& c) { c.channels = 27; }, "the cell takes 2 of 27 x 2 x 3");
  refused([](Cell& c) { c.classes = 999'999; }, "has label 999999, task photos has 999999 classes");
  refused([](Cell& c) { c.kind = TaskKind::kSegmentation; }, "are `class`, task photos needs `class_map`");
  ProbeBatch numbers = EveryKind()[3];
  Cell regression = cell;
  regression.kind = TaskKind::kRegression;
  regression.classes = 3;
  EXPECT_THAT(CheckProbeBatchFits(numbers, regression), IsOk());
  regression.classes = 9;
  EXPECT_THAT(CheckProbeBatchFits(numbers, regression),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 3 classes, task photos has 9")));
}

TEST(ProbeBatchTest, FitsItsTaskInSomeSpace) {
  ProbeBatch batch = TinyBatch();
  EXPECT_THAT(FindProbeBatchCell(batch),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("has images of 2 x 3 pixels, which no search space takes; those of task photos"),
                             HasSubstr("32 x 32"))));
  batch.height = batch.width = 32;
  batch.pixels.resize(size_t{2} * 3 * 32 * 32);
  EXPECT_THAT(FindProbeBatchCell(batch), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("label 999999")));
  batch.labels[1] = 0;
  EXPECT_THAT(FindProbeBatchCell(batch), IsOk());
  batch.task = "fotos";
  EXPECT_THAT(FindProbeBatchCell(batch), StatusIs(absl::StatusCode::kNotFound, HasSubstr("photos")));
}

}  // namespace
}  // namespace zcbench
