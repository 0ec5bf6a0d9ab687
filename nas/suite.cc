// The 25 cells of L-SWAG's section 4. Probe batches have 64 images, on TransNAS-Bench-101 32, as in
// NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022, arXiv:2210.03230), whose 19 cells the convolutional ones
// are. NAS-Bench-301 is the DARTS space.
#include "nas/suite.h"

namespace zcbench {
namespace {

constexpr int kImages = 64;
constexpr int kTransnasImages = 32;

std::vector<SuiteCell> Cells(const std::vector<std::string>& spaces, const std::vector<std::string>& tasks,
                             int images) {
  std::vector<SuiteCell> cells;
  for (const std::string& space : spaces) {
    for (const std::string& task : tasks) cells.push_back({space, task, images});
  }
  return cells;
}

std::vector<SuiteCell> operator+(std::vector<SuiteCell> cells, const std::vector<SuiteCell>& more) {
  cells.insert(cells.end(), more.begin(), more.end());
  return cells;
}

Registry<Suite> Suites() {
  const std::vector<SuiteCell> transnas =
      Cells({"transnas_micro", "transnas_macro"},
            {"jigsaw", "class_object", "class_scene", "autoencoder", "room_layout", "normal", "segmentsemantic"},
            kTransnasImages);
  const std::vector<SuiteCell> conv = Cells({"nasbench201"}, {"cifar10", "cifar100", "imagenet16_120"}, kImages) +
                                      Cells({"nasbench101", "darts"}, {"cifar10"}, kImages) + transnas;
  const std::vector<SuiteCell> vit =
      Cells({"autoformer_small"}, {"imagenet", "cifar10", "cifar100", "pets", "svhn", "spherical_cifar100"}, kImages);
  Registry<Suite> suites("suite");
  suites.Add({"vit6", "AutoFormer-S on six tasks", vit});
  suites.Add({"conv19", "NAS-Bench-201, -101 and -301, TransNAS-Bench-101: the 19 convolutional cells", conv});
  suites.Add({"transnas14", "TransNAS-Bench-101, micro and macro, on its seven tasks", transnas});
  suites.Add({"paper", "all 25 cells of L-SWAG: conv19 and vit6", conv + vit});
  return suites;
}

}  // namespace

const Registry<Suite>& suite_registry() {
  static const Registry<Suite> suites = Suites();
  return suites;
}

}  // namespace zcbench
