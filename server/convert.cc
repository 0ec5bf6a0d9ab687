#include "server/convert.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"

namespace zcbench {
namespace {

constexpr size_t kShortText = 200;
constexpr size_t kLongText = 1000;

}  // namespace

absl::Status BadField(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", std::string(what)));
}

absl::Status CheckText(std::string_view field, std::string_view text, size_t max, bool may_be_empty) {
  if (text.empty() && !may_be_empty) return BadField(field, "is empty");
  if (text.size() > max) {
    return BadField(field, absl::StrCat("has ", text.size(), " bytes; at most ", max, " are allowed"));
  }
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return BadField(field, "has a control character");
  }
  return absl::OkStatus();
}

absl::Status CheckSeed(std::string_view field, uint64_t seed) {
  if (seed <= static_cast<uint64_t>(INT64_MAX)) return absl::OkStatus();
  return BadField(field, absl::StrCat(seed, " is not below 2^63"));
}

absl::Status CheckDigest(std::string_view field, std::string_view digest) {
  const bool good = digest.size() == 64 && std::all_of(digest.begin(), digest.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (good) return absl::OkStatus();
  return BadField(field, "is no SHA-256 of 64 lower-case hexadecimal digits");
}

bool IsPlainName(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == ':' || c == '-';
  });
}

bool IsVersion(std::string_view text, int parts) {
  if (text.size() > 64) return false;
  int dots = 0;
  bool digit = false;
  for (const char c : text) {
    if (c == '.' || c == '+') {
      if (!digit) return false;
      if (c == '.') ++dots;
      digit = false;
    } else if (c >= '0' && c <= '9') {
      digit = true;
    } else {
      return false;
    }
  }
  return digit && dots == parts - 1;
}

std::string OneLine(std::string text, size_t max) {
  if (text.size() > max) {
    size_t end = max - 3;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;  // not within a character of UTF-8
    text = text.substr(0, end) + "...";
  }
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return text;
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp message;
  const int64_t micros = absl::ToUnixMicros(time);
  message.set_seconds(micros / 1'000'000);
  message.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  return message;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration message;
  const int64_t micros = absl::ToInt64Microseconds(duration);
  message.set_seconds(micros / 1'000'000);
  message.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  return message;
}

absl::StatusOr<absl::Duration> FromProto(std::string_view field, const google::protobuf::Duration& duration) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || duration.nanos() > 999'999'999) {
    return BadField(field, "is no duration of zero or more");
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::StatusOr<absl::Time> FromProto(std::string_view field, const google::protobuf::Timestamp& time) {
  if (time.seconds() < 0 || time.nanos() < 0 || time.nanos() > 999'999'999) {
    return BadField(field, "is no time after 1970");
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

v1::TaskKind ToProto(TaskKind kind) { return static_cast<v1::TaskKind>(static_cast<int>(kind) + 1); }

absl::StatusOr<KnownProxy> FromProto(const v1::ProxyInfo& info) {
  const absl::StatusOr<ProxyText> name = ParseProxyText(info.name());
  if (!name.ok() || name->name != info.name()) {
    return BadField("proxies.name", absl::StrCat("`", info.name(), "` is no name of a proxy"));
  }
  const std::string field = absl::StrCat("proxies (", info.name(), ").");
  ZCB_RETURN_IF_ERROR(CheckText(field + "name", info.name(), 64));
  ZCB_RETURN_IF_ERROR(CheckText(field + "summary", info.summary(), kLongText, true));
  ZCB_RETURN_IF_ERROR(CheckText(field + "paper", info.paper(), kLongText, true));
  if (!IsVersion(info.version(), 2)) {
    return BadField(field + "version", absl::StrCat("`", info.version(), "` is not of the form proxy.pass, as 1.1"));
  }
  if (!std::isfinite(info.tolerance()) || info.tolerance() < 0) {
    return BadField(field + "tolerance", absl::StrCat(info.tolerance(), " is not finite and >= 0"));
  }
  if (info.options_size() > 32) return BadField(field + "options", "has more than 32 entries");
  KnownProxy proxy{.name = info.name(),
                   .summary = info.summary(),
                   .paper = info.paper(),
                   .version = info.version(),
                   .reads_weights = info.reads_weights(),
                   .reads_images = info.reads_images(),
                   .reads_labels = info.reads_labels(),
                   .tolerance = info.tolerance(),
                   .larger_is_better = info.larger_is_better(),
                   .variant = info.variant()};
  for (const auto& [option, value] : info.options()) {
    ZCB_RETURN_IF_ERROR(CheckText(field + "options", option, 64));
    ZCB_RETURN_IF_ERROR(CheckText(field + "options." + option, value, kShortText, true));
    proxy.options[option] = value;
  }
  return proxy;
}

v1::ProxyInfo ToProto(const KnownProxy& proxy) {
  v1::ProxyInfo info;
  info.set_name(proxy.name);
  info.set_summary(proxy.summary);
  info.set_paper(proxy.paper);
  info.set_version(proxy.version);
  info.set_reads_weights(proxy.reads_weights);
  info.set_reads_images(proxy.reads_images);
  info.set_reads_labels(proxy.reads_labels);
  for (const auto& [option, value] : proxy.options) (*info.mutable_options())[option] = value;
  info.set_tolerance(proxy.tolerance);
  info.set_larger_is_better(proxy.larger_is_better);
  info.set_variant(proxy.variant);
  return info;
}

absl::StatusOr<Execution> FromProto(const v1::Execution& execution) {
  ZCB_RETURN_IF_ERROR(CheckText("execution.worker", execution.worker(), 64));
  ZCB_RETURN_IF_ERROR(CheckText("execution.host", execution.host(), kShortText, true));
  ZCB_RETURN_IF_ERROR(CheckText("execution.device", execution.device(), kShortText));
  ZCB_RETURN_IF_ERROR(CheckText("execution.numerics", execution.numerics(), kShortText));
  ZCB_RETURN_IF_ERROR(CheckText("execution.zcbench_version", execution.zcbench_version(), kShortText, true));
  ZCB_RETURN_IF_ERROR(CheckText("execution.commit", execution.commit(), kShortText, true));
  return Execution{.worker = execution.worker(),
                   .host = execution.host(),
                   .device = execution.device(),
                   .numerics = execution.numerics(),
                   .zcbench_version = execution.zcbench_version(),
                   .commit = execution.commit()};
}

v1::Execution ToProto(const Execution& execution) {
  v1::Execution message;
  message.set_worker(execution.worker);
  message.set_host(execution.host);
  message.set_device(execution.device);
  message.set_numerics(execution.numerics);
  message.set_zcbench_version(execution.zcbench_version);
  message.set_commit(execution.commit);
  return message;
}

v1::ProbeBatchInfo ToProto(const ProbeBatchRow& row) {
  v1::ProbeBatchInfo info;
  v1::ProbeBatchKey& key = *info.mutable_key();
  key.set_task(row.key.task);
  key.set_height(static_cast<uint32_t>(row.key.height));
  key.set_width(static_cast<uint32_t>(row.key.width));
  key.set_images(static_cast<uint32_t>(row.key.images));
  key.set_seed(row.key.seed);
  key.set_input(row.key.input);
  info.set_digest(row.digest);
  info.set_bytes(row.bytes);
  *info.mutable_created() = ToProto(row.created);
  return info;
}

v1::Series ToProto(const SeriesInfo& series) {
  v1::Series message;
  message.set_id(static_cast<uint64_t>(series.id));
  message.set_space(series.key.space);
  message.set_task(series.key.task);
  message.set_proxy(series.key.proxy);
  message.set_version(series.key.version);
  if (series.key.seed.has_value()) message.set_seed(*series.key.seed);
  message.set_probe_batch(series.key.probe_batch);
  message.set_numerics(series.key.numerics);
  message.set_source(series.key.source);
  message.set_finite(series.finite);
  message.set_not_finite(series.not_finite);
  message.set_undefined(series.undefined);
  return message;
}

absl::StatusOr<int64_t> ParsePageToken(const std::string& token) {
  int64_t key = 0;
  if (token.empty()) return key;
  if (token.size() > 20 || !absl::SimpleAtoi(token, &key) || key < 0)
    return BadField("page_token", "is not of an earlier answer");
  return key;
}

int PageSize(uint32_t requested) { return requested == 0 ? 100 : static_cast<int>(std::min(requested, 1000u)); }

}  // namespace zcbench
