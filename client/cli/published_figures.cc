#include "client/cli/published_figures.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace zcbench {
namespace {

struct Place {
  std::string_view space;
  std::string_view task;
};

// The columns of NAS-Bench-Suite-Zero's figure 2 and of L-SWAG's table 1.
constexpr size_t kColumns = 19;
constexpr Place kPlaces[kColumns] = {{"nasbench201", "cifar10"},
                                     {"nasbench201", "cifar100"},
                                     {"nasbench201", "imagenet16_120"},
                                     {"nasbench101", "cifar10"},
                                     {"darts", "cifar10"},
                                     {"transnas_micro", "autoencoder"},
                                     {"transnas_micro", "room_layout"},
                                     {"transnas_micro", "class_object"},
                                     {"transnas_micro", "class_scene"},
                                     {"transnas_micro", "jigsaw"},
                                     {"transnas_micro", "normal"},
                                     {"transnas_micro", "segmentsemantic"},
                                     {"transnas_macro", "autoencoder"},
                                     {"transnas_macro", "room_layout"},
                                     {"transnas_macro", "class_object"},
                                     {"transnas_macro", "class_scene"},
                                     {"transnas_macro", "jigsaw"},
                                     {"transnas_macro", "normal"},
                                     {"transnas_macro", "segmentsemantic"}};

struct Row {
  std::string_view name;
  std::array<double, kColumns> values;
};

constexpr Row kSuiteZero[] = {
    {"plain",
     {-0.26, -0.21, -0.22, -0.32, -0.32, 0.07, 0.36, 0.34, 0.24, 0.35, 0.03, -0.02, -0.10, -0.18, -0.19, -0.19, -0.30,
      -0.04, 0.00}},
    {"grasp",
     {0.51, 0.54, 0.55, 0.27, 0.34, -0.12, -0.29, -0.22, -0.27, -0.12, 0.01, 0.00, -0.02, -0.10, -0.64, -0.43, -0.26,
      -0.05, -0.02}},
    {"fisher",
     {0.50, 0.54, 0.48, -0.28, -0.28, -0.58, 0.30, 0.44, 0.66, 0.30, 0.16, 0.12, -0.19, -0.21, -0.30, -0.13, -0.26,
      0.15, 0.03}},
    {"epe_nas",
     {0.70, 0.60, 0.33, 0.00, 0.00, 0.00, 0.40, 0.39, 0.51, 0.16, 0.00, 0.00, 0.00, 0.00, -0.02, 0.01, 0.00, 0.00,
      0.00}},
    {"grad_norm",
     {0.58, 0.63, 0.57, -0.25, -0.04, -0.32, 0.25, 0.39, 0.65, 0.36, 0.36, 0.60, 0.31, -0.26, -0.56, -0.33, -0.27, 0.35,
      0.21}},
    {"snip",
     {0.58, 0.63, 0.57, -0.19, -0.05, -0.27, 0.32, 0.45, 0.70, 0.41, 0.49, 0.68, 0.20, -0.19, -0.38, -0.14, -0.19, 0.45,
      0.27}},
    {"synflow",
     {0.73, 0.76, 0.75, 0.31, 0.18, 0.00, 0.30, 0.48, 0.72, 0.47, 0.00, 0.00, 0.00, -0.01, 0.12, 0.27, 0.34, 0.00,
      0.00}},
    {"l2_norm",
     {0.68, 0.72, 0.69, 0.50, 0.45, 0.04, 0.18, 0.32, 0.53, 0.35, 0.50, 0.48, -0.20, -0.03, 0.08, 0.28, 0.15, 0.30,
      0.18}},
    {"params",
     {0.72, 0.73, 0.69, 0.37, 0.46, -0.01, 0.30, 0.45, 0.64, 0.44, 0.62, 0.68, -0.18, 0.00, 0.16, 0.32, 0.15, 0.30,
      0.06}},
    {"zen",
     {0.35, 0.35, 0.39, 0.59, 0.43, 0.14, 0.38, 0.54, 0.72, 0.51, 0.71, 0.67, -0.01, -0.04, 0.10, 0.27, 0.24, 0.38,
      0.27}},
    {"jacov",
     {0.75, 0.71, 0.71, -0.29, -0.04, 0.18, 0.40, 0.51, 0.75, 0.56, 0.75, 0.80, 0.45, 0.08, 0.07, 0.19, 0.19, 0.50,
      0.57}},
    {"flops",
     {0.69, 0.71, 0.67, 0.36, 0.42, -0.02, 0.30, 0.46, 0.65, 0.45, 0.64, 0.69, 0.76, 0.48, 0.79, 0.85, 0.64, 0.76,
      0.60}},
    {"nwot",
     {0.77, 0.80, 0.77, 0.31, 0.47, 0.03, 0.25, 0.39, 0.60, 0.42, 0.57, 0.53, 0.67, 0.63, 0.83, 0.89, 0.76, 0.78,
      0.80}},
};

constexpr Row kTable1[] = {
    {"TE-NAS",
     {0.70, 0.67, 0.64, 0.12, 0.37, -0.41, 0.51, 0.37, 0.25, 0.13, 0.10, 0.34, -0.55, 0.05, 0.13, 0.28, 0.65, 0.61,
      0.03}},
    {"T-CET",
     {0.77, 0.80, 0.81, 0.23, 0.42, 0.31, 0.34, 0.49, 0.70, 0.54, 0.46, 0.64, 0.27, 0.23, 0.49, 0.63, 0.44, 0.44,
      0.59}},
    {"AZ-NAS",
     {0.91, 0.90, 0.89, 0.54, 0.70, 0.31, 0.53, 0.58, 0.79, 0.41, 0.60, 0.72, 0.52, 0.65, 0.90, 0.82, 0.77, 0.85,
      0.77}},
    {"LIBRA",
     {0.89, 0.90, 0.87, 0.77, 0.74, 0.45, 0.57, 0.61, 0.79, 0.60, 0.76, 0.87, 0.83, 0.64, 0.92, 0.91, 0.82, 0.85,
      0.83}},
};

// Of table 3.
constexpr Place kAblationPlaces[] = {
    {"nasbench201", "cifar10"},        {"nasbench201", "cifar100"},  {"nasbench201", "imagenet16_120"},
    {"transnas_micro", "autoencoder"}, {"transnas_micro", "jigsaw"}, {"transnas_micro", "normal"},
    {"transnas_macro", "autoencoder"}, {"transnas_macro", "jigsaw"}, {"transnas_macro", "normal"}};
// The ticks before each row are garbled in the paper's text layer; these follow its prose.
constexpr std::array<double, 9> kTable3[] = {
    {0.75, 0.80, 0.78, 0.16, 0.53, 0.68, 0.19, 0.05, 0.53}, {0.78, 0.81, 0.79, 0.19, 0.54, 0.68, 0.20, 0.40, 0.64},
    {0.77, 0.81, 0.79, 0.18, 0.53, 0.69, 0.24, 0.32, 0.61}, {0.71, 0.75, 0.71, 0.01, 0.38, 0.53, 0.71, 0.74, 0.79},
    {0.79, 0.82, 0.80, 0.28, 0.56, 0.73, 0.37, 0.56, 0.80}, {0.79, 0.82, 0.80, 0.27, 0.55, 0.71, 0.74, 0.75, 0.81},
    {0.79, 0.77, 0.75, 0.11, 0.45, 0.55, 0.76, 0.76, 0.82}, {0.79, 0.83, 0.80, 0.31, 0.58, 0.75, 0.79, 0.78, 0.84},
};

// Of table 4: columns as kPublishedSeconds, then kPublishedThirds. "best + min gain" and "without bias" are the same
// choice.
constexpr Place kChoicePlaces[] = {{"nasbench201", "imagenet16_120"},
                                   {"darts", "cifar10"},
                                   {"transnas_micro", "class_scene"},
                                   {"transnas_macro", "class_scene"}};
constexpr struct {
  std::string_view how;
  std::array<double, 4> values;
} kTable4[] = {{"best + min gain", {0.86, 0.71, 0.77, 0.90}},
               {"best + max gain", {0.64, 0.53, 0.62, 0.60}},
               {"bias matching", {0.87, 0.74, 0.79, 0.91}},
               {"least bias", {0.85, 0.71, 0.79, 0.87}},
               {"without bias", {0.86, 0.71, 0.77, 0.90}}};

template <size_t n>
size_t PlaceOf(const Place (&places)[n], std::string_view space, std::string_view task) {
  return static_cast<size_t>(
      std::find_if(places, places + n, [&](const Place& p) { return p.space == space && p.task == task; }) - places);
}

template <size_t n>
std::optional<double> Find(const Row (&rows)[n], std::string_view name, std::string_view space, std::string_view task) {
  const size_t column = PlaceOf(kPlaces, space, task);
  if (column == kColumns) return std::nullopt;
  for (const Row& row : rows) {
    if (row.name == name) return row.values[column];
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> PublishedSpearman(std::string_view proxy, std::string_view space, std::string_view task) {
  return Find(kSuiteZero, proxy, space, task);
}

std::optional<double> PublishedCombined(std::string_view method, std::string_view space, std::string_view task) {
  // A method says how it merges: "az_nas, log_rank".
  const std::string_view name = method.substr(0, method.find(','));
  if (name.starts_with("tcet_")) return Find(kTable1, "T-CET", space, task);
  return Find(kTable1, name == "az_nas" ? "AZ-NAS" : name == "te_nas" ? "TE-NAS" : name, space, task);
}

const std::vector<PublishedAblation>& PublishedAblations() {
  static const std::vector<PublishedAblation> rows = {
      {.text = "mean / sigma over all layers (ZiCo)"},
      {.no_mu = true, .text = "1 / sigma over all layers"},
      {.window = true, .text = "mean / sigma within the window"},
      {.psi = true, .text = "patterns alone, all layers"},
      {.no_mu = true, .window = true, .text = "1 / sigma within the window"},
      {.no_mu = true, .psi = true, .text = "1 / sigma and patterns, all layers"},
      {.window = true, .psi = true, .text = "patterns alone, within the window"},
      {.no_mu = true, .window = true, .psi = true, .text = "L-SWAG: all three"}};
  return rows;
}

std::optional<double> PublishedAblationSpearman(size_t row, std::string_view space, std::string_view task) {
  const size_t column = PlaceOf(kAblationPlaces, space, task);
  if (column == std::size(kAblationPlaces) || row >= std::size(kTable3)) return std::nullopt;
  return kTable3[row][column];
}

std::optional<double> PublishedChoice(std::string_view how, std::string_view space, std::string_view task) {
  const size_t column = PlaceOf(kChoicePlaces, space, task);
  if (column == std::size(kChoicePlaces)) return std::nullopt;
  for (const auto& row : kTable4) {
    if (row.how == how) return row.values[column];
  }
  return std::nullopt;
}

const std::vector<PublishedSearch>& PublishedSearches() {
  static const std::vector<PublishedSearch> rows = {
      {"darts_eval", "cifar10", "PC-DARTS", "gradient", 3.6, 0.1, 2.57},
      {"darts_eval", "cifar10", "AmoebaNet-A", "evolution", 3.2, 3150, 3.34},
      {"darts_eval", "cifar10", "ENAS", "RL", 4.6, 0.5, 2.89},
      {"darts_eval", "cifar10", "SynFlow", "training-free", 5.08, 0.11, 7.85},
      {"darts_eval", "cifar10", "AZ-NAS", "training-free", 4.1, 0.4, 2.55},
      {"darts_eval", "cifar10", "L-SWAG", "training-free", 3.6, 0.01, 2.47},
      {"darts_eval", "cifar10", "LIBRA", "training-free", 3.1, 0.08, 2.45},
      {"darts_eval", "imagenet", "PC-DARTS", "gradient", 5.3, 3.8, 24.2},
      {"darts_eval", "imagenet", "AmoebaNet-C", "evolution", 6.4, 3150, 24.3},
      {"darts_eval", "imagenet", "NASNet-A", "RL", 5.3, 2000, 26.0},
      {"darts_eval", "imagenet", "SynFlow", "training-free", 6.3, 0.5, 30.1},
      {"darts_eval", "imagenet", "AZ-NAS", "training-free", 6.2, 0.7, 23.6},
      {"darts_eval", "imagenet", "L-SWAG", "training-free", 5.8, 0.11, 23.4},
      {"darts_eval", "imagenet", "LIBRA", "training-free", 5.7, 0.3, 23.1},
      {"autoformer_small", "imagenet", "AutoFormer", "evolution", 22.9, 24, 18.3},
      {"autoformer_small", "imagenet", "AZ-NAS", "training-free", 23.8, 0.07, 17.8},
      {"autoformer_small", "imagenet", "TF-TAS", "training-free", 23.9, 0.5, 18.1},
      {"autoformer_small", "imagenet", "L-SWAG", "training-free", 23.7, 0.05, 17.8},
      {"autoformer_small", "imagenet", "LIBRA", "training-free", 23.1, 0.1, 17.0},
  };
  return rows;
}

}  // namespace zcbench
