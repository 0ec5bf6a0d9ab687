#include "client/cli/arguments.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"

namespace zcbench {
namespace {

constexpr size_t kMaxSeeds = 64;

absl::StatusOr<uint64_t> ParseSeed(const std::string& text, const std::string& whole) {
  uint64_t seed = 0;
  if (text.empty() || text.front() == '-' || !absl::SimpleAtoi(text, &seed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` in the seeds `", whole, "` is no number; write them as 0,1 or 0..4"));
  }
  return seed;
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> ParseSeeds(const std::string& text) {
  std::vector<uint64_t> seeds;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::pair<std::string, std::string> ends = absl::StrSplit(part, absl::MaxSplits("..", 1));
    ZCB_ASSIGN_OR_RETURN(const uint64_t first, ParseSeed(ends.first, text));
    uint64_t last = first;
    if (part.find("..") != std::string::npos) {
      ZCB_ASSIGN_OR_RETURN(last, ParseSeed(ends.second, text));
    }
    if (last < first) {
      return absl::InvalidArgumentError(absl::StrCat("the range `", part, "` of seeds ends before it begins"));
    }
    if (last - first >= kMaxSeeds || seeds.size() + (last - first) >= kMaxSeeds) {
      return absl::InvalidArgumentError(absl::StrCat("`", text, "` are more than ", kMaxSeeds, " seeds"));
    }
    for (uint64_t i = 0; i <= last - first; ++i) {
      if (std::find(seeds.begin(), seeds.end(), first + i) != seeds.end()) {
        return absl::InvalidArgumentError(absl::StrCat("the seeds `", text, "` hold ", first + i, " twice"));
      }
      seeds.push_back(first + i);
    }
  }
  return seeds;
}

absl::StatusOr<std::vector<std::string>> ParseProxies(std::string_view text) {
  ZCB_ASSIGN_OR_RETURN(const std::vector<ProxyText> proxies, ParseProxyList(text));
  std::vector<std::string> texts;
  for (const ProxyText& proxy : proxies) texts.push_back(PrintProxyText(proxy));
  return texts;
}

absl::StatusOr<int64_t> ParseJobId(const std::string& text) {
  int64_t id = 0;
  if (text.empty() || text == "last") return 0;
  if (!absl::SimpleAtoi(text, &id) || id <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is no job: give its number (see: zcbench list jobs), or `last`"));
  }
  return id;
}

}  // namespace zcbench
