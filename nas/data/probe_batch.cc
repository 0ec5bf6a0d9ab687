#include "nas/data/probe_batch.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "ZCBBATCH";
constexpr size_t kHeaderAt = 12;  // after the magic and the header's length
constexpr size_t kMaxHeader = 4096;
constexpr int32_t kMaxClasses = 1'000'000;
constexpr int kMaxMapClasses = 256;  // in a byte
constexpr double kSumTolerance = 1e-3;

struct TargetName {
  TargetKind kind;
  const char* name;
  const char* type;
};
constexpr TargetName kTargets[] = {{TargetKind::kClass, "class", "int32"},
                                   {TargetKind::kProbabilities, "probabilities", "float32"},
                                   {TargetKind::kNumbers, "numbers", "float32"},
                                   {TargetKind::kClassMap, "class_map", "uint8"},
                                   {TargetKind::kImage, "image", "uint8"}};

const TargetName& NameOf(TargetKind kind) {
  return *std::find_if(std::begin(kTargets), std::end(kTargets), [&](const TargetName& t) { return t.kind == kind; });
}

absl::Status Invalid(size_t byte, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("probe batch: at byte ", byte, ": ", what));
}

void AppendLittleEndian(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

uint32_t LittleEndian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << 8 * i;
  return value;
}

std::string Shortest(float value) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

std::string FloatList(const std::array<float, 3>& values) {
  return absl::StrCat("[", Shortest(values[0]), ",", Shortest(values[1]), ",", Shortest(values[2]), "]");
}

bool HoldsOnly(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

bool IsDigest(std::string_view text) { return text.size() == 64 && HoldsOnly(text, "0123456789abcdef"); }

// One batch has one spelling: what version 1 can say is never written as version 2.
int VersionOf(const ProbeBatch& batch) {
  return batch.channels == 3 && batch.target == TargetKind::kClass && IsDigest(batch.source) ? 1 : 2;
}

// Every value is a number or of a character set that JSON does not escape.
std::string Header(const ProbeBatch& batch) {
  const int version = VersionOf(batch);
  const TargetName& target = NameOf(batch.target);
  std::string text = "{";
  if (version > 1) absl::StrAppend(&text, "\"channels\":", batch.channels, ",\"classes\":", batch.classes, ",");
  absl::StrAppend(&text, "\"height\":", batch.height, ",\"images\":", batch.images, ",\"mean\":", FloatList(batch.mean),
                  ",\"seed\":", batch.seed, ",\"source\":\"", batch.source,
                  "\",\"standard_deviation\":", FloatList(batch.standard_deviation), ",\"target\":\"", target.name);
  if (batch.target == TargetKind::kImage) {
    absl::StrAppend(&text, "\",\"target_mean\":", FloatList(batch.target_mean),
                    ",\"target_standard_deviation\":", FloatList(batch.target_standard_deviation),
                    ",\"target_type\":\"", target.type);
  } else {
    absl::StrAppend(&text, "\",\"target_type\":\"", target.type);
  }
  absl::StrAppend(&text, "\",\"task\":\"", batch.task, "\",\"version\":", version, ",\"width\":", batch.width, "}");
  return text;
}

size_t Pixels(const ProbeBatch& batch) {
  return static_cast<size_t>(batch.images) * static_cast<size_t>(batch.height) * static_cast<size_t>(batch.width);
}

size_t PixelBytes(const ProbeBatch& batch) { return Pixels(batch) * static_cast<size_t>(batch.channels); }

// Numbers, or bytes of pixels.
size_t TargetCount(const ProbeBatch& batch) {
  const auto classes = static_cast<size_t>(batch.classes);
  switch (batch.target) {
    case TargetKind::kClass:
      return static_cast<size_t>(batch.images);
    case TargetKind::kProbabilities:
    case TargetKind::kNumbers:
      return static_cast<size_t>(batch.images) * classes;
    case TargetKind::kClassMap:
      return Pixels(batch);
    case TargetKind::kImage:
      return Pixels(batch) * classes;
  }
  ZCB_CHECK(false);
}

bool HasTargetPixels(const ProbeBatch& batch) {
  return batch.target == TargetKind::kClassMap || batch.target == TargetKind::kImage;
}

absl::Status CheckRange(const char* field, int value, int high) {
  if (value >= 1 && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " ", value, " is not in [1, ", high, "]"));
}

absl::Status CheckNormalisation(const char* prefix, const std::array<float, 3>& mean,
                                const std::array<float, 3>& standard_deviation) {
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(mean[c])) {
      return absl::InvalidArgumentError(absl::StrCat(prefix, "mean of channel ", c, " is ", mean[c]));
    }
    if (!std::isfinite(standard_deviation[c]) || standard_deviation[c] <= 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(prefix, "standard_deviation of channel ", c, " is ", standard_deviation[c], ", not above 0"));
    }
  }
  return absl::OkStatus();
}

// The fields that the header holds; pixels and targets are checked where they are read.
absl::Status CheckHeaderFields(const ProbeBatch& batch) {
  ZCB_RETURN_IF_ERROR(CheckRange("images", batch.images, kMaxProbeImages));
  ZCB_RETURN_IF_ERROR(CheckRange("height", batch.height, kMaxProbeSide));
  ZCB_RETURN_IF_ERROR(CheckRange("width", batch.width, kMaxProbeSide));
  if (batch.channels < 3 || batch.channels > kMaxProbeChannels || batch.channels % 3 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("channels ", batch.channels, " is not a multiple of 3 in [3, ", kMaxProbeChannels, "]"));
  }
  ZCB_RETURN_IF_ERROR(CheckNormalisation("", batch.mean, batch.standard_deviation));
  if (batch.task.empty() || batch.task.size() > 64 || !HoldsOnly(batch.task, "abcdefghijklmnopqrstuvwxyz0123456789_")) {
    return absl::InvalidArgumentError("task is not 1 to 64 characters of a-z, 0-9 and _");
  }
  if (!IsDigest(batch.source) && batch.source != kNoise) {
    return absl::InvalidArgumentError(absl::StrCat("source is not 64 lower-case hexadecimal digits, nor ", kNoise));
  }
  if (VersionOf(batch) == 1) {
    if (batch.classes == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "classes ", batch.classes, ": a batch of three channels with class numbers is of version 1, which has none"));
  }
  ZCB_RETURN_IF_ERROR(
      CheckRange("classes", batch.classes, batch.target == TargetKind::kClassMap ? kMaxMapClasses : kMaxClasses));
  if (batch.target != TargetKind::kImage) return absl::OkStatus();
  return CheckNormalisation("target_", batch.target_mean, batch.target_standard_deviation);
}

struct BadTarget {
  size_t byte;  // counted from the first target
  std::string what;
};

// The first target that is out of its range; their number is right.
std::optional<BadTarget> FindBadTarget(const ProbeBatch& batch) {
  const int32_t classes = batch.classes == 0 ? kMaxClasses : batch.classes;
  for (size_t i = 0; i < batch.labels.size(); ++i) {
    if (batch.labels[i] < 0 || batch.labels[i] >= classes) {
      return BadTarget{4 * i, absl::StrCat("label ", batch.labels[i], " is not in [0, ", classes, ")")};
    }
  }
  double sum = 0;
  for (size_t i = 0; i < batch.values.size(); ++i) {
    const float value = batch.values[i];
    if (!std::isfinite(value)) return BadTarget{4 * i, absl::StrCat("number ", value, " is not finite")};
    if (batch.target != TargetKind::kProbabilities) continue;
    if (value < 0 || value > 1) return BadTarget{4 * i, absl::StrCat("probability ", value, " is not in [0, 1]")};
    const size_t column = i % static_cast<size_t>(classes);
    sum = static_cast<double>(value) + (column == 0 ? 0 : sum);
    if (column + 1 == static_cast<size_t>(classes) && std::abs(sum - 1) > kSumTolerance) {
      return BadTarget{4 * (i - column), absl::StrCat("the probabilities of image ", i / static_cast<size_t>(classes),
                                                      " have the sum ", sum, ", not 1")};
    }
  }
  if (batch.target == TargetKind::kClassMap) {
    for (size_t i = 0; i < batch.target_pixels.size(); ++i) {
      const int pixel = static_cast<uint8_t>(batch.target_pixels[i]);
      if (pixel >= classes) return BadTarget{i, absl::StrCat("class ", pixel, " is not in [0, ", classes, ")")};
    }
  }
  return std::nullopt;
}

absl::Status ReadInt(const json& value, int& out) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT32_MAX) {
    return absl::InvalidArgumentError("not an integer in [0, 2147483647]");
  }
  out = static_cast<int>(value.get<uint64_t>());
  return absl::OkStatus();
}

absl::Status ReadSeed(const json& value, uint64_t& out) {
  if (!value.is_number_unsigned()) return absl::InvalidArgumentError("not an integer in [0, 2^64)");
  out = value.get<uint64_t>();
  return absl::OkStatus();
}

absl::Status ReadFloats(const json& value, std::array<float, 3>& out) {
  if (!value.is_array() || value.size() != 3 ||
      !std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_number(); })) {
    return absl::InvalidArgumentError("not a list of three numbers");
  }
  for (size_t c = 0; c < 3; ++c) out[c] = value[c].get<float>();
  return absl::OkStatus();
}

absl::Status ReadText(const json& value, std::string& out) {
  if (!value.is_string()) return absl::InvalidArgumentError("not a string");
  out = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadTarget(const json& value, TargetKind& out) {
  const auto* const text = value.get_ptr<const std::string*>();
  const auto* const found = std::find_if(std::begin(kTargets), std::end(kTargets),
                                         [&](const TargetName& t) { return text != nullptr && t.name == *text; });
  if (found == std::end(kTargets)) {
    return absl::InvalidArgumentError("none of class, probabilities, numbers, class_map, image");
  }
  out = found->kind;
  return absl::OkStatus();
}

// The batch without its pixels and targets.
absl::StatusOr<ProbeBatch> DecodeHeader(std::string_view text) {
  json header;
  try {
    header = json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    // The library counts bytes from 1.
    return Invalid(kHeaderAt + std::max<size_t>(error.byte, 1) - 1, "the header is not JSON");
  } catch (const json::exception& error) {
    return Invalid(kHeaderAt, absl::StrCat("the header holds a number that does not exist: ", error.what()));
  }
  if (!header.is_object()) return Invalid(kHeaderAt, "the header is not a JSON object");

  ProbeBatch batch;
  absl::Status status;
  // Calls read(value, out) and says where the value is if it is missing or of another type.
  const auto field = [&](const char* name, auto read, auto& out) {
    if (!status.ok()) return;
    const auto found = header.find(name);
    if (found == header.end()) {
      status = Invalid(kHeaderAt, absl::StrCat("the header has no \"", name, "\""));
    } else if (const absl::Status bad = read(*found, out); !bad.ok()) {
      const size_t at = text.find(absl::StrCat("\"", name, "\""));
      status = Invalid(kHeaderAt + (at == std::string_view::npos ? 0 : at),
                       absl::StrCat("\"", name, "\" is ", bad.message()));
    }
  };
  int version = 0;
  field("version", ReadInt, version);  // first: another version may have other fields
  if (status.ok() && version != 1 && version != 2) {
    return Invalid(kHeaderAt + std::min(text.find("\"version\""), text.size()),
                   absl::StrCat("version ", version, "; this program reads versions 1 and 2"));
  }
  if (version == 2) {
    field("channels", ReadInt, batch.channels);
    field("classes", ReadInt, batch.classes);
    field("target", ReadTarget, batch.target);
    if (batch.target == TargetKind::kImage) {
      field("target_mean", ReadFloats, batch.target_mean);
      field("target_standard_deviation", ReadFloats, batch.target_standard_deviation);
    }
  }
  field("height", ReadInt, batch.height);
  field("images", ReadInt, batch.images);
  field("mean", ReadFloats, batch.mean);
  field("seed", ReadSeed, batch.seed);
  field("source", ReadText, batch.source);
  field("standard_deviation", ReadFloats, batch.standard_deviation);
  field("task", ReadText, batch.task);
  field("width", ReadInt, batch.width);
  ZCB_RETURN_IF_ERROR(status);
  if (const absl::Status bad = CheckHeaderFields(batch); !bad.ok()) return Invalid(kHeaderAt, bad.message());

  // One batch has one digest: no other spelling, no other key, no other type of target.
  const std::string canonical = Header(batch);
  if (text != canonical) {
    const auto [a, b] = std::mismatch(text.begin(), text.end(), canonical.begin(), canonical.end());
    const auto at = static_cast<size_t>(a - text.begin());
    return Invalid(kHeaderAt + at,
                   absl::StrCat("the header is not as version ", VersionOf(batch), " writes it: expected `",
                                std::string(b, canonical.end()).substr(0, 24), "`"));
  }
  return batch;
}

}  // namespace

TargetKind TargetOf(TaskKind kind) {
  switch (kind) {
    case TaskKind::kClassification:
    case TaskKind::kJigsaw:
      return TargetKind::kClass;
    case TaskKind::kSoftClassification:
      return TargetKind::kProbabilities;
    case TaskKind::kRegression:
      return TargetKind::kNumbers;
    case TaskKind::kSegmentation:
      return TargetKind::kClassMap;
    case TaskKind::kImage:
      return TargetKind::kImage;
  }
  ZCB_CHECK(false);
}

absl::Status CheckProbeBatch(const ProbeBatch& batch) {
  ZCB_RETURN_IF_ERROR(CheckHeaderFields(batch));
  if (batch.pixels.size() != PixelBytes(batch)) {
    return absl::InvalidArgumentError(absl::StrCat("pixels are ", batch.pixels.size(), " bytes, the shape [",
                                                   batch.images, ", ", batch.channels, ", ", batch.height, ", ",
                                                   batch.width, "] needs ", PixelBytes(batch)));
  }
  const size_t labels = batch.target == TargetKind::kClass ? TargetCount(batch) : 0;
  const size_t pixels = HasTargetPixels(batch) ? TargetCount(batch) : 0;
  const size_t values = TargetCount(batch) - labels - pixels;
  if (batch.labels.size() != labels || batch.values.size() != values || batch.target_pixels.size() != pixels) {
    return absl::InvalidArgumentError(absl::StrCat("targets are ", batch.labels.size(), " labels, ",
                                                   batch.values.size(), " numbers and ", batch.target_pixels.size(),
                                                   " bytes; there must be ", labels, ", ", values, " and ", pixels));
  }
  if (const std::optional<BadTarget> bad = FindBadTarget(batch)) return absl::InvalidArgumentError(bad->what);
  return absl::OkStatus();
}

absl::Status CheckProbeBatchFits(const ProbeBatch& batch, const Cell& cell) {
  if (batch.task != cell.task) {
    return absl::InvalidArgumentError(absl::StrCat("the probe batch is of task ", batch.task, ", not of ", cell.task));
  }
  if (batch.images != cell.images || batch.channels != cell.channels || batch.height != cell.height ||
      batch.width != cell.width) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the probe batch has ", batch.images, " images of ", batch.channels, " x ", batch.height, " x ", batch.width,
        ", the cell takes ", cell.images, " of ", cell.channels, " x ", cell.height, " x ", cell.width));
  }
  const TargetKind target = TargetOf(cell.kind);
  if (batch.target != target) {
    return absl::InvalidArgumentError(absl::StrCat("the targets of the probe batch are `", NameOf(batch.target).name,
                                                   "`, task ", cell.task, " needs `", NameOf(target).name, "`"));
  }
  const auto label = std::max_element(batch.labels.begin(), batch.labels.end());
  if (batch.classes == 0 && label != batch.labels.end() && *label >= cell.classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the probe batch has label ", *label, ", task ", cell.task, " has ", cell.classes, " classes"));
  }
  if (batch.classes != 0 && batch.classes != cell.classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the probe batch has ", batch.classes, " classes, task ", cell.task, " has ", cell.classes));
  }
  return absl::OkStatus();
}

absl::StatusOr<Cell> FindProbeBatchCell(const ProbeBatch& batch) {
  absl::Status unanswered;
  std::set<std::string> sizes;
  for (const SpaceDefinition& space : space_registry().All()) {
    const absl::StatusOr<Cell> cell = FindCell(space.name, batch.task, batch.images);
    if (!cell.ok()) {
      unanswered = cell.status();
      continue;
    }
    if (cell->height == batch.height && cell->width == batch.width) {
      ZCB_RETURN_IF_ERROR(CheckProbeBatchFits(batch, *cell));
      return cell;
    }
    sizes.insert(absl::StrCat(cell->height, " x ", cell->width));
  }
  if (sizes.empty()) return unanswered;
  return absl::InvalidArgumentError(absl::StrCat("the probe batch has images of ", batch.height, " x ", batch.width,
                                                 " pixels, which no search space takes; those of task ", batch.task,
                                                 " are ", absl::StrJoin(sizes, " or ")));
}

std::string EncodeProbeBatch(const ProbeBatch& batch) {
  ZCB_CHECK(CheckProbeBatch(batch).ok());
  const std::string header = Header(batch);
  std::string out;
  out.reserve(kHeaderAt + header.size() + batch.pixels.size() + 4 * batch.labels.size() + 4 * batch.values.size() +
              batch.target_pixels.size());
  out.append(kMagic);
  AppendLittleEndian(static_cast<uint32_t>(header.size()), out);
  out.append(header);
  out.append(batch.pixels);
  for (const int32_t label : batch.labels) AppendLittleEndian(static_cast<uint32_t>(label), out);
  for (const float value : batch.values) AppendLittleEndian(std::bit_cast<uint32_t>(value), out);
  out.append(batch.target_pixels);
  return out;
}

absl::StatusOr<ProbeBatch> DecodeProbeBatch(std::string_view bytes) {
  const auto [differs, unused] = std::mismatch(bytes.begin(), bytes.end(), kMagic.begin(), kMagic.end());
  const auto same = static_cast<size_t>(differs - bytes.begin());
  if (same < kMagic.size() && same < bytes.size()) {
    return Invalid(same, "not a probe batch, which begins with `ZCBBATCH`");
  }
  if (bytes.size() < kHeaderAt) {
    return Invalid(bytes.size(), absl::StrCat("truncated: the header begins at byte ", kHeaderAt));
  }
  const size_t header_bytes = LittleEndian(bytes, kMagic.size());
  if (header_bytes > kMaxHeader) {
    return Invalid(kMagic.size(), absl::StrCat("a header of ", header_bytes, " bytes; at most ", kMaxHeader));
  }
  const size_t images_at = kHeaderAt + header_bytes;
  if (bytes.size() < images_at) {
    return Invalid(bytes.size(), absl::StrCat("truncated: the header ends at byte ", images_at));
  }
  ZCB_ASSIGN_OR_RETURN(ProbeBatch batch, DecodeHeader(bytes.substr(kHeaderAt, header_bytes)));

  const size_t targets_at = images_at + PixelBytes(batch);
  const size_t end = targets_at + TargetCount(batch) * (HasTargetPixels(batch) ? 1 : 4);
  if (bytes.size() != end) {
    return Invalid(
        std::min(bytes.size(), end),
        absl::StrCat(bytes.size() < end ? "truncated" : "too long", ": ", batch.images, " images of ", batch.height,
                     " x ", batch.width, " end at byte ", end, ", the file at ", bytes.size()));
  }
  batch.pixels = bytes.substr(images_at, PixelBytes(batch));
  if (HasTargetPixels(batch)) {
    batch.target_pixels = bytes.substr(targets_at);
  } else {
    for (size_t at = targets_at; at < end; at += 4) {
      const uint32_t word = LittleEndian(bytes, at);
      if (batch.target == TargetKind::kClass) {
        batch.labels.push_back(static_cast<int32_t>(word));
      } else {
        batch.values.push_back(std::bit_cast<float>(word));
      }
    }
  }
  if (const std::optional<BadTarget> bad = FindBadTarget(batch)) return Invalid(targets_at + bad->byte, bad->what);
  return batch;
}

std::string ProbeBatchDigest(std::string_view encoded) { return Sha256Hex(encoded); }

}  // namespace zcbench
