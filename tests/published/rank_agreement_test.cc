// Our scores rank architectures as the published ones do: NAS-Bench-Suite-Zero's on NAS-Bench-201 and CIFAR-10, which
// come from another initialisation and other images, so that only ranks can agree. Needs the folder of published tables
// and images that ZCB_TEST_DATA names; skipped without it.
//
// The bars stand below what two published runs of the same proxy agree at (.9998, .991, .985, .983, .977, .957 in the
// order below). epe_nas, grasp and plain do not repeat from run to run: no bar on them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_matchers.h"
#include "nas/data/make_probe_batch.h"
#include "nas/random.h"
#include "nas/space.h"
#include "nas/statistics/correlation.h"
#include "worker/scorer/engine.h"

namespace zcbench {
namespace {

constexpr int kArchitectures = 80;
constexpr double kFailed = -1e8;  // NaN or infinity in the original run

struct Bar {
  const char* proxy;
  double spearman;
};
constexpr Bar kBars[] = {{"synflow", .99},   {"nwot", .97},  {"snip", .95},
                         {"grad_norm", .95}, {"fisher", .9}, {"jacov", .85}};

// Column name -> values of the rows that were drawn; `index` is the official number of the architecture.
std::map<std::string, std::vector<double>> DrawRows(const std::filesystem::path& table) {
  const std::string text = ReadFile(table).value();
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  const std::vector<std::string> names = absl::StrSplit(lines.front(), ',');
  lines.erase(lines.begin());
  Draws draws(0, "rank agreement");
  std::map<std::string, std::vector<double>> columns;
  for (int i = 0; i < kArchitectures; ++i) {
    std::swap(lines[static_cast<size_t>(i)],
              lines[static_cast<size_t>(i) + draws.Below(lines.size() - static_cast<size_t>(i))]);
    const std::vector<std::string> fields = absl::StrSplit(lines[static_cast<size_t>(i)], ',');
    for (size_t k = 0; k < names.size(); ++k) {
      double value = 0;
      if (absl::SimpleAtod(fields.at(k), &value)) columns[names[k]].push_back(value);
    }
  }
  return columns;
}

TEST(RankAgreementTest, ScoresOfNasbench201RankAsThePublishedOnes) {
  const char* const folder = std::getenv("ZCB_TEST_DATA");
  if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "ZCB_TEST_DATA does not name the folder of published data";
  const std::filesystem::path data(folder);
  const std::map<std::string, std::vector<double>> published = DrawRows(data / "nb201_zc_cifar10.csv");

  const Cell cell = FindCell("nasbench201", "cifar10").value();
  const Task& task = *task_registry().Find("cifar10").value();
  const auto images = OpenDataSet(task, data / "cifar10_train_a.bin");
  ASSERT_THAT(images, IsOk());
  const auto batch = MakeProbeBatch(**images, task, cell, /*seed=*/0);
  ASSERT_THAT(batch, IsOk());
  const auto engine = Engine::Create({.device = "cpu", .threads = 1});
  ASSERT_THAT(engine, IsOk());

  ScoringRequest request;
  request.cell = cell;
  for (const Bar& bar : kBars) request.proxies.push_back(bar.proxy);
  request.proxies.push_back("params");
  std::vector<std::vector<double>> ours(request.proxies.size());
  const Space& space = *FindSpace("nasbench201").value()->space;
  for (const double index : published.at("idx")) {
    request.architecture = space.At(static_cast<uint64_t>(index)).value();
    const auto scores = (*engine)->Score(request, &*batch);
    ASSERT_THAT(scores, IsOk()) << request.architecture;
    for (size_t p = 0; p < scores->size(); ++p) {
      ours[p].push_back((*scores)[p].outcome == ScoreOutcome::kOk ? (*scores)[p].score : kFailed);
    }
  }

  for (size_t p = 0; p < std::size(kBars); ++p) {
    std::vector<double> x, y;
    for (size_t i = 0; i < ours[p].size(); ++i) {
      const double theirs = published.at(kBars[p].proxy)[i];
      if (theirs <= kFailed || ours[p][i] <= kFailed) continue;
      x.push_back(ours[p][i]);
      y.push_back(theirs);
    }
    const Correlation rho = Spearman(x, y);
    ASSERT_TRUE(rho.value) << kBars[p].proxy;
    EXPECT_GE(*rho.value, kBars[p].spearman) << kBars[p].proxy << " over " << rho.pairs << " architectures";
    EXPECT_GE(rho.pairs, kArchitectures - 4) << kBars[p].proxy;
    RecordProperty(kBars[p].proxy, absl::StrCat(*rho.value));
    std::printf("%-10s rho %.4f over %d\n", kBars[p].proxy, *rho.value, static_cast<int>(rho.pairs));
  }
  for (size_t i = 0; i < ours.back().size(); ++i) EXPECT_NEAR(ours.back()[i] / 1e6, published.at("params")[i], 1e-9);
}

}  // namespace
}  // namespace zcbench
