#include "nas/data/probe_batch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "ZCBBATCH";
constexpr size_t kHeaderAt = 12;  // after the magic and the header's length
constexpr size_t kMaxHeader = 4096;
constexpr int kVersion = 1;
constexpr int32_t kMaxLabels = 1'000'000;

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

// Every value is a number or of a character set that JSON does not escape.
std::string Header(const ProbeBatch& batch) {
  return absl::StrCat("{\"height\":", batch.height, ",\"images\":", batch.images, ",\"mean\":", FloatList(batch.mean),
                      ",\"seed\":", batch.seed, ",\"source\":\"", batch.source,
                      "\",\"standard_deviation\":", FloatList(batch.standard_deviation),
                      ",\"target\":\"class\",\"target_type\":\"int32\",\"task\":\"", batch.task,
                      "\",\"version\":", kVersion, ",\"width\":", batch.width, "}");
}

size_t PixelBytes(const ProbeBatch& batch) {
  return size_t{3} * static_cast<size_t>(batch.images) * static_cast<size_t>(batch.height) *
         static_cast<size_t>(batch.width);
}

// The fields that the header holds; the pixels and labels are checked where they are read.
absl::Status CheckHeaderFields(const ProbeBatch& batch) {
  const auto in_range = [](const char* field, int value, int high) {
    if (value >= 1 && value <= high) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(field, " ", value, " is not in [1, ", high, "]"));
  };
  ZCB_RETURN_IF_ERROR(in_range("images", batch.images, kMaxProbeImages));
  ZCB_RETURN_IF_ERROR(in_range("height", batch.height, kMaxProbeSide));
  ZCB_RETURN_IF_ERROR(in_range("width", batch.width, kMaxProbeSide));
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(batch.mean[c])) {
      return absl::InvalidArgumentError(absl::StrCat("mean of channel ", c, " is ", batch.mean[c]));
    }
    if (!std::isfinite(batch.standard_deviation[c]) || batch.standard_deviation[c] <= 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("standard_deviation of channel ", c, " is ", batch.standard_deviation[c], ", not above 0"));
    }
  }
  const auto is_one_of = [](std::string_view characters) {
    return [characters](char c) { return characters.find(c) != std::string_view::npos; };
  };
  if (batch.task.empty() || batch.task.size() > 64 ||
      !std::all_of(batch.task.begin(), batch.task.end(), is_one_of("abcdefghijklmnopqrstuvwxyz0123456789_"))) {
    return absl::InvalidArgumentError("task is not 1 to 64 characters of a-z, 0-9 and _");
  }
  if (batch.source.size() != 64 ||
      !std::all_of(batch.source.begin(), batch.source.end(), is_one_of("0123456789abcdef"))) {
    return absl::InvalidArgumentError("source is not 64 lower-case hexadecimal digits");
  }
  return absl::OkStatus();
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

// The batch without its pixels and labels.
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
  if (status.ok() && version != kVersion) {
    return Invalid(kHeaderAt + std::min(text.find("\"version\""), text.size()),
                   absl::StrCat("version ", version, "; this program reads version ", kVersion));
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

  // One batch has one digest: no other spelling, no other key, no other kind of target.
  const std::string canonical = Header(batch);
  if (text != canonical) {
    const auto [a, b] = std::mismatch(text.begin(), text.end(), canonical.begin(), canonical.end());
    const auto at = static_cast<size_t>(a - text.begin());
    return Invalid(kHeaderAt + at, absl::StrCat("the header is not as version 1 writes it: expected `",
                                                std::string(b, canonical.end()).substr(0, 24), "`"));
  }
  return batch;
}

}  // namespace

absl::Status CheckProbeBatch(const ProbeBatch& batch) {
  ZCB_RETURN_IF_ERROR(CheckHeaderFields(batch));
  if (batch.pixels.size() != PixelBytes(batch)) {
    return absl::InvalidArgumentError(absl::StrCat("pixels are ", batch.pixels.size(), " bytes, the shape [",
                                                   batch.images, ", 3, ", batch.height, ", ", batch.width, "] needs ",
                                                   PixelBytes(batch)));
  }
  if (batch.labels.size() != static_cast<size_t>(batch.images)) {
    return absl::InvalidArgumentError(absl::StrCat(batch.labels.size(), " labels for ", batch.images, " images"));
  }
  for (const int32_t label : batch.labels) {
    if (label < 0 || label >= kMaxLabels) {
      return absl::InvalidArgumentError(absl::StrCat("label ", label, " is not in [0, ", kMaxLabels, ")"));
    }
  }
  return absl::OkStatus();
}

std::string EncodeProbeBatch(const ProbeBatch& batch) {
  ZCB_CHECK(CheckProbeBatch(batch).ok());
  const std::string header = Header(batch);
  std::string out;
  out.reserve(kHeaderAt + header.size() + batch.pixels.size() + 4 * batch.labels.size());
  out.append(kMagic);
  AppendLittleEndian(static_cast<uint32_t>(header.size()), out);
  out.append(header);
  out.append(batch.pixels);
  for (const int32_t label : batch.labels) AppendLittleEndian(static_cast<uint32_t>(label), out);
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

  const size_t labels_at = images_at + PixelBytes(batch);
  const size_t end = labels_at + 4 * static_cast<size_t>(batch.images);
  if (bytes.size() != end) {
    return Invalid(
        std::min(bytes.size(), end),
        absl::StrCat(bytes.size() < end ? "truncated" : "too long", ": ", batch.images, " images of ", batch.height,
                     " x ", batch.width, " end at byte ", end, ", the file at ", bytes.size()));
  }
  batch.pixels = bytes.substr(images_at, PixelBytes(batch));
  for (size_t at = labels_at; at < end; at += 4) {
    const auto label = static_cast<int32_t>(LittleEndian(bytes, at));
    if (label < 0 || label >= kMaxLabels) {
      return Invalid(at, absl::StrCat("label ", label, " is not in [0, ", kMaxLabels, ")"));
    }
    batch.labels.push_back(label);
  }
  return batch;
}

std::string ProbeBatchDigest(std::string_view encoded) { return Sha256Hex(encoded); }

}  // namespace zcbench
