// Numbers that papers print, to stand beside ours. They are data, read off the papers and changed nowhere; their
// networks, weights and images are not ours, so they say what to expect and no more. All in one file,
// published_figures.cc.
#ifndef ZCBENCH_CLIENT_CLI_PUBLISHED_FIGURES_H_
#define ZCBENCH_CLIENT_CLI_PUBLISHED_FIGURES_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zcbench {

// Of NAS-Bench-Suite-Zero's figure 2: Spearman of a proxy (its name here) with the accuracy over 1,000 networks.
// nullopt: none is printed for this space and task.
std::optional<double> PublishedSpearman(std::string_view proxy, std::string_view space, std::string_view task);
inline constexpr char kSpearmanSource[] =
    "Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, arXiv:2210.03230, figure 2 (1,000 networks)";

// Of L-SWAG's table 1: Spearman of what is combined, `method` as MethodResult.method of the server: "LIBRA, rank_sum",
// "az_nas, log_rank", "te_nas, rank_sum", "tcet_...". How LIBRA merges is not printed.
std::optional<double> PublishedCombined(std::string_view method, std::string_view space, std::string_view task);

// Of L-SWAG's table 3, in its order.
struct PublishedAblation {
  bool no_mu = false;   // 1 / sigma instead of mu / sigma
  bool window = false;  // only the layers of the window
  bool psi = false;     // times distinct activation patterns; without the others: of them alone
  std::string text;     // what this row is
};
const std::vector<PublishedAblation>& PublishedAblations();
std::optional<double> PublishedAblationSpearman(size_t row, std::string_view space, std::string_view task);

// Of L-SWAG's table 4: how the second and the third proxy are chosen.
inline constexpr const char* kPublishedSeconds[] = {"best + min gain", "best + max gain"};
inline constexpr const char* kPublishedThirds[] = {"bias matching", "least bias", "without bias"};
std::optional<double> PublishedChoice(std::string_view how, std::string_view space, std::string_view task);

// Of L-SWAG's table 2, in its order.
struct PublishedSearch {
  std::string_view space;
  std::string_view task;
  std::string_view method;
  std::string_view kind;
  double params_millions;
  double gpu_days;
  double test_error_percent;
};
const std::vector<PublishedSearch>& PublishedSearches();

inline constexpr char kLswagSource[] = "Casarin, Escalera, Lanz, L-SWAG, CVPR 2025, arXiv:2505.07300";

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_PUBLISHED_FIGURES_H_
