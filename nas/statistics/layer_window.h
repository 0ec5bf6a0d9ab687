// Windows of layers, as L-SWAG (Casarin et al., CVPR 2025, arXiv:2505.07300, section 3.1) selects them: by where a
// layer stands in its own network, so that one window serves networks of different depths.
//
// Layer l of D (l from 1) is in the percentile bin int((l / D * 100) // 10) of Eq. 6: bins 0 to 10, where bin 10 holds
// the last layer alone. A window is a run of bins, written p30-p60: the layers of the bins 3, 4, 5 and 6. `whole` is
// p0-p100.
#ifndef ZCBENCH_NAS_STATISTICS_LAYER_WINDOW_H_
#define ZCBENCH_NAS_STATISTICS_LAYER_WINDOW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr int kPercentileBins = 11;

// The bin of the layer `index` (from 0) of `depth`.
int PercentileBin(int index, int depth);

struct LayerWindow {
  int first_bin = 0;
  int last_bin = kPercentileBins - 1;

  bool operator==(const LayerWindow&) const = default;
};

// INVALID_ARGUMENT: neither `whole` nor pA-pB with tens 0 <= A <= B <= 100.
absl::StatusOr<LayerWindow> ParseLayerWindow(std::string_view text);
std::string PrintLayerWindow(const LayerWindow& window);

// Indices of layers, both ends included.
struct LayerRange {
  int first;
  int last;

  bool operator==(const LayerRange&) const = default;
};

// The layers of a network of `depth` > 0 layers in the window. Where a shallow network has none there, the one whose
// percentile is nearest to the middle of the window, which reaches from A up to B + 10 (at most 100); the earlier of
// two.
LayerRange LayersIn(const LayerWindow& window, int depth);

// What is averaged over networks to find a window: of each layer the log of the mean of 1 / sigma, or of sigma, where
// sigma is a weight's deviation of |gradient| over micro-batches (worker/proxies/layer_statistics.cc).
enum class LayerStatistic { kLogInverseSigma, kLogSigma };

// The proxies, as canonical texts, that give the statistic of an architecture in each bin.
std::array<std::string, kPercentileBins> ProxiesOf(LayerStatistic statistic);

// One bin of a profile.
struct ProfileBin {
  int64_t networks = 0;
  double mean = 0;
  double deviation = 0;  // over networks, with n - 1; 0 for fewer than two

  bool operator==(const ProfileBin&) const = default;
};
using LayerProfile = std::array<ProfileBin, kPercentileBins>;

// Of one bin, from the finite values of the networks that have one.
ProfileBin MakeProfileBin(std::span<const double> values);

// The spike of a profile, without labels. The paper reads windows off a plot; this rule is ours:
//   A bin is in if its mean is above median + 1.4826 MAD of the bins' means. The window is the run of neighbouring bins
//   that are in with the largest area (sum of mean - median). If none is in (a flat profile, or few bins): the three
//   neighbouring bins with the largest sum, or as many as there are in one run.
// The first of equals. A bin without networks is in no run and takes no part. nullopt: no bin has any.
std::optional<LayerWindow> FindSpike(const LayerProfile& profile);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_STATISTICS_LAYER_WINDOW_H_
