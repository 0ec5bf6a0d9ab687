#include "nas/statistics/layer_window.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"

namespace zcbench {
namespace {

constexpr double kDeviationsOfMad = 1.4826;  // of a normal distribution
constexpr int kFallbackBins = 3;

// Takes `pA` with A in {0, 10, ..., 100} off the front of `text`; its bin, or nothing.
std::optional<int> TakeBin(std::string_view& text) {
  for (int bin = kPercentileBins - 1; bin >= 0; --bin) {  // p100 before p10
    const std::string name = absl::StrCat("p", 10 * bin);
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return bin;
  }
  return std::nullopt;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

// In integers: (l / D * 100) // 10 rounds to the other side of no multiple of ten.
int PercentileBin(int index, int depth) { return 10 * (index + 1) / depth; }

absl::StatusOr<LayerWindow> ParseLayerWindow(std::string_view text) {
  if (text == "whole") return LayerWindow{};
  std::string_view rest = text;
  const std::optional<int> first = TakeBin(rest);
  if (first.has_value() && rest.starts_with('-')) {
    rest.remove_prefix(1);
    const std::optional<int> last = TakeBin(rest);
    if (last.has_value() && rest.empty() && *first <= *last) return LayerWindow{*first, *last};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "window=", std::string(text), " is neither `whole` nor pA-pB with tens 0 <= A <= B <= 100, as p30-p60"));
}

std::string PrintLayerWindow(const LayerWindow& window) {
  if (window == LayerWindow{}) return "whole";
  return absl::StrCat("p", 10 * window.first_bin, "-p", 10 * window.last_bin);
}

LayerRange LayersIn(const LayerWindow& window, int depth) {
  LayerRange range{depth, -1};
  const int middle = 10 * window.first_bin + std::min(10 * window.last_bin + 10, 100);  // twice, in percent
  int nearest = 0;
  const auto distance = [&](int index) { return std::abs(200 * (index + 1) - middle * depth); };
  for (int index = 0; index < depth; ++index) {
    const int bin = PercentileBin(index, depth);
    if (window.first_bin <= bin && bin <= window.last_bin) {
      range.first = std::min(range.first, index);
      range.last = index;
    }
    if (distance(index) < distance(nearest)) nearest = index;
  }
  return range.last < 0 ? LayerRange{nearest, nearest} : range;
}

std::array<std::string, kPercentileBins> ProxiesOf(LayerStatistic statistic) {
  std::array<std::string, kPercentileBins> texts;
  ProxyText proxy{statistic == LayerStatistic::kLogSigma ? "layer_log_sigma" : "layer_log_inverse_sigma", {}};
  for (int bin = 0; bin < kPercentileBins; ++bin) {
    if (bin > 0) proxy.options["bin"] = absl::StrCat(bin);  // 0 is the default
    texts[static_cast<size_t>(bin)] = PrintProxyText(proxy);
  }
  return texts;
}

ProfileBin MakeProfileBin(std::span<const double> values) {
  ProfileBin bin{.networks = static_cast<int64_t>(values.size())};
  if (values.empty()) return bin;
  // From the first one, so that equal values have exactly their mean, whatever their number.
  for (const double value : values) bin.mean += value - values[0];
  bin.mean = values[0] + bin.mean / static_cast<double>(values.size());
  if (values.size() < 2) return bin;
  double squares = 0;
  for (const double value : values) squares += (value - bin.mean) * (value - bin.mean);
  bin.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return bin;
}

std::optional<LayerWindow> FindSpike(const LayerProfile& profile) {
  std::vector<double> means;
  for (const ProfileBin& bin : profile) {
    if (bin.networks > 0) means.push_back(bin.mean);
  }
  if (means.empty()) return std::nullopt;
  const double median = Median(means);
  for (double& mean : means) mean = std::abs(mean - median);
  const double threshold = median + kDeviationsOfMad * Median(std::move(means));

  std::optional<LayerWindow> best;
  double largest = 0;
  for (int first = 0; first < kPercentileBins; ++first) {
    double area = 0;
    for (int last = first; last < kPercentileBins; ++last) {  // every bin that is in adds to the area
      const ProfileBin& bin = profile[static_cast<size_t>(last)];
      if (bin.networks == 0 || !(bin.mean > threshold)) break;
      area += bin.mean - median;
      if (area > largest) best = LayerWindow{first, last}, largest = area;
    }
  }
  for (int length = kFallbackBins; length > 0 && !best.has_value(); --length) {
    for (int first = 0; first + length <= kPercentileBins; ++first) {
      const auto run = std::span(profile).subspan(static_cast<size_t>(first), static_cast<size_t>(length));
      double sum = 0;
      for (const ProfileBin& bin : run) sum += bin.mean;
      if (std::any_of(run.begin(), run.end(), [](const ProfileBin& bin) { return bin.networks == 0; })) continue;
      if (!best.has_value() || sum > largest) best = LayerWindow{first, first + length - 1}, largest = sum;
    }
  }
  return best;
}

}  // namespace zcbench
