// What the engine costs, in units: one unit = the plain autograd forward + backward of the same model and images in the
// same process, the faster of one batch and (where the model has no batch normalisation) micro-batches of 8.
//
//   bench_engine [--json FILE] [--batch 64] [--rounds 3] [--subject 0|1] [--filter REGEX]      (scripts/bench engine)
//
// Subject 0 is NAS-Bench-201, 1 AutoFormer-S; without it both. The filter is of item names such as `all proxies
// together`; the plain steps are always run.
//
// For a NAS-Bench-201 architecture and AutoFormer-S, interleaved: the plain step, each pass, all proxies together (the
// registered ones, those of the L-SWAG paper, those without second order and NTK), each proxy alone and the sum of
// those with NTK and SWAP as their authors run them (what a `for` loop over proxies costs), the peak memory of all
// proxies but grasp against the plain step's.
#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <torch/csrc/autograd/autograd.h>
#include <unistd.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/space.h"
#include "worker/models/plain_operators.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

constexpr int64_t kMicroBatch = 8;

// One training step by ordinary autograd with every tensor trained, as a `for` loop in PyTorch does it.
class PlainStep {
 public:
  explicit PlainStep(const Weights& drawn) {
    for (const at::Tensor& tensor : drawn) weights_.push_back(tensor.detach().clone().requires_grad_());
  }

  void Run(const Model& model, const Batch& batch, int64_t pieces) {
    const std::vector<at::Tensor> images = batch.images.chunk(pieces);
    const std::vector<at::Tensor> labels = batch.labels.chunk(pieces);
    PlainOperators operators(weights_, BatchNormUse::kBatch);
    std::vector<at::Tensor> total;
    for (size_t k = 0; k < images.size(); ++k) {
      const at::Tensor loss =
          at::cross_entropy_loss(model.Forward(operators, images[k]), labels[k]) / static_cast<double>(pieces);
      std::vector<at::Tensor> gradients =
          torch::autograd::grad({loss}, weights_, {}, std::nullopt, false, /*allow_unused=*/true);
      if (total.empty()) {
        total = std::move(gradients);
        continue;
      }
      for (size_t i = 0; i < total.size(); ++i) {
        if (total[i].defined()) total[i].add_(gradients[i]);
      }
    }
  }

 private:
  Weights weights_;
};

int64_t StatusBytes(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::stoll(line.substr(line.find(':') + 1)) * 1024;
  }
  return 0;
}

// Peak resident memory of one piece of work, in bytes, beyond what was there before it: in a fresh process, since this
// one's allocator holds on to what earlier work has freed.
int64_t PeakMemory(size_t subject, const std::string& work, int batch) {
  int ends[2];
  ZCB_CHECK(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "bench_engine", "--batch", std::to_string(batch).c_str(), "--subject",
            std::to_string(subject).c_str(), "--peak", work.c_str(), nullptr);
    ::_exit(1);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[64];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ZCB_CHECK(status == 0 && !text.empty());
  return std::stoll(text);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Subject {
  const char* label;
  const char* space;
  const char* architecture;
  const char* task;
};

constexpr Subject kSubjects[] = {{"NAS-Bench-201", "nasbench201", "3_33_133", "cifar10"},
                                 {"AutoFormer-S", "autoformer_small", "13-384-6657555667767-0101222222212", "cifar10"}};

// Everything of one subject, alive while the benchmarks run.
class Bench {
 public:
  Bench(size_t index, int batch_size, int rounds)
      : index_(index),
        subject_(kSubjects[index]),
        batch_size_(batch_size),
        rounds_(rounds),
        cell_(FindCell(subject_.space, subject_.task, batch_size).value()),
        model_(BuildModel(subject_.architecture, cell_).value()),
        source_(0),
        drawn_(source_.Default(*model_)) {
    batch_ = {at::empty({batch_size, 3, cell_.height, cell_.width}, at::kFloat),
              at::arange(batch_size).remainder(cell_.classes)};
    CounterStream(0, "bench")
        .FillNormal(std::span<float>(batch_.images.data_ptr<float>(), static_cast<size_t>(batch_.images.numel())), 1);
    for (const ProxyDefinition& proxy : proxy_registry().All()) {
      if (proxy.variant || (proxy.undefined_for != nullptr && !proxy.undefined_for(*model_).empty())) continue;
      all_.push_back({proxy.name, {}});
      if (IsOneOf(kPaper, proxy.name)) paper_.push_back(all_.back());
      if (proxy.name != "grasp" && proxy.name.rfind("ntk_", 0) != 0) first_order_.push_back(all_.back());
      if (proxy.name != "grasp") without_grasp_.push_back(all_.back());
    }
  }

  void Register() {
    Add("plain, one batch", [this] { Plain(1); });
    if (!model_->couples_samples()) Add(kPlainPieces, [this] { Plain(batch_size_ / kMicroBatch); });
    Add("draw the weights", [this] { source_.Default(*model_); });
    // Each pass as its proxies ask for it.
    std::map<PassSpec, uint32_t> passes;
    for (const ProxyText& proxy : all_) {
      for (const Observation& observation : CreateProxy(proxy).value()->Observes())
        if (observation.pass.draw == 0) passes[observation.pass] |= observation.events;
    }
    for (const auto& [spec, events] : passes) {
      std::string name = absl::StrCat("pass ", spec.pass);
      if (spec.parts > 1) absl::StrAppend(&name, ", ", spec.parts, " parts");
      if (spec.images > 0) absl::StrAppend(&name, ", ", spec.images, " images");
      Add(name, [this, spec = spec, events = events] { Pass(spec, events); });
    }
    Add(kTogether, [this] { Run(all_); });
    Add("those of the paper", [this] { Run(paper_); });
    Add("all but grasp and NTK", [this] { Run(first_order_); });
    for (const ProxyText& proxy : all_) Add(kAlone + proxy.name, [this, proxy] { Run({proxy}); });
    for (const auto& [name, authors] : kAuthors) {
      const ProxyText proxy = ParseProxyText(authors).value();
      Add(kAlone + PrintProxyText(proxy), [this, proxy] { Run({proxy}); });
    }
  }

  // Does one piece of work and returns its peak memory.
  int64_t PeakOf(const std::string& work) const {
    const int64_t before = StatusBytes("VmRSS");
    if (work == "all") {
      Run(without_grasp_);
    } else if (work == "plain" || work == "pieces") {
      Plain(work == "pieces" ? batch_size_ / kMicroBatch : 1);
    } else {
      Run({{work, {}}});
    }
    return StatusBytes("VmHWM") - before;
  }

  // After the benchmarks: prints the table in units and measures memory.
  nlohmann::ordered_json Report(const std::map<std::string, std::vector<double>>& seconds) const {
    if (!seconds.contains(NameOf("plain, one batch"))) return {};
    const auto median = [&](const std::string& item) { return Median(seconds.at(NameOf(item))); };
    double unit = median("plain, one batch");
    if (!model_->couples_samples()) unit = std::min(unit, median(kPlainPieces));
    nlohmann::ordered_json result = {{"subject", subject_.label}, {"architecture", subject_.architecture},
                                     {"batch", batch_size_},      {"threads", at::get_num_threads()},
                                     {"rounds", rounds_},         {"unit_seconds", unit}};
    std::printf("\n%s (%s), batch %d, %d threads, median of %d rounds: 1 unit = %.3f s\n", subject_.label,
                subject_.architecture, batch_size_, at::get_num_threads(), rounds_, unit);
    double sum = 0;
    for (const std::string& item : items_) {
      if (!seconds.contains(NameOf(item))) continue;
      const double value = median(item);
      if (item.rfind(kAlone, 0) == 0 && !IsReplaced(item.substr(kAlone.size()))) sum += value;
      std::printf("  %-28s %9.3f s %8.3f units\n", item.c_str(), value, value / unit);
      result["items"].push_back({{"name", item}, {"seconds", value}, {"units", value / unit}});
    }
    if (!seconds.contains(NameOf(kTogether))) return result;
    const double together = median(kTogether);
    std::printf("  %-28s %9.3f s %8.3f units, %.1f times all together\n", "sum of each alone", sum, sum / unit,
                sum / together);
    result["sum_alone"] = {{"seconds", sum}, {"units", sum / unit}, {"ratio", sum / together}};

    int64_t plain = PeakMemory(index_, "plain", batch_size_);
    if (!model_->couples_samples()) plain = std::min(plain, PeakMemory(index_, "pieces", batch_size_));
    const int64_t engine = PeakMemory(index_, "all", batch_size_);
    std::printf("  peak memory: all proxies but grasp %.0f MiB, plain step %.0f MiB, ratio %.2f\n",
                static_cast<double>(engine) / 1048576, static_cast<double>(plain) / 1048576,
                static_cast<double>(engine) / static_cast<double>(plain));
    result["peak_memory"] = {{"all_bytes", engine}, {"plain_bytes", plain}};
    return result;
  }

 private:
  static constexpr char kPlainPieces[] = "plain, micro-batches of 8";
  static constexpr char kTogether[] = "all proxies together";
  static inline const std::string kAlone = "alone: ";
  // The proxies that a published comparison of the paper has.
  static constexpr const char* kPaper[] = {"params",
                                           "flops",
                                           "l2_norm",
                                           "grad_norm",
                                           "snip",
                                           "plain",
                                           "grasp",
                                           "synflow",
                                           "fisher",
                                           "jacov",
                                           "epe_nas",
                                           "nwot",
                                           "zen",
                                           "zico",
                                           "swap",
                                           "reg_swap",
                                           "lswag",
                                           "ntk_cond",
                                           "te_regions",
                                           "tcet_syn",
                                           "tcet_syn_log",
                                           "tcet_snip",
                                           "tcet_snip_log",
                                           "az_expressivity",
                                           "az_progressivity",
                                           "az_trainability",
                                           "az_complexity"};
  // A proxy and how its authors run it.
  static constexpr std::pair<const char*, const char*> kAuthors[] = {{"ntk_cond", "ntk_cond(images=72)"},
                                                                     {"swap", "swap_gaussian(repeats=32, samples=16)"}};

  template <size_t n>
  static bool IsOneOf(const char* const (&names)[n], const std::string& name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  }
  // In the sum, the authors' way stands for it.
  static bool IsReplaced(const std::string& proxy) {
    return std::any_of(std::begin(kAuthors), std::end(kAuthors), [&](const auto& pair) { return pair.first == proxy; });
  }

  std::string NameOf(const std::string& item) const { return absl::StrCat(subject_.label, ": ", item); }

  void Add(const std::string& item, std::function<void()> work) {
    items_.push_back(item);
    benchmark::RegisterBenchmark(NameOf(item).c_str(),
                                 [work](benchmark::State& state) {
                                   for (auto _ : state) work();
                                 })
        ->Iterations(1)
        ->Repetitions(rounds_)
        ->UseRealTime()
        ->Unit(benchmark::kSecond);
  }

  void Plain(int64_t pieces) const { PlainStep(drawn_).Run(*model_, batch_, pieces); }
  PassInput Input() const { return {*model_, source_, batch_, {}, at::kFloat, at::kCPU}; }
  void Run(const std::vector<ProxyText>& proxies) const { ZCB_CHECK(Evaluate(Input(), proxies).ok()); }
  void Pass(const PassSpec& spec, uint32_t events) const {
    Observer nobody;
    ZCB_CHECK(RunPasses(Input(), {{spec, events, &nobody}}).ok());
  }

  size_t index_;
  Subject subject_;
  int batch_size_;
  int rounds_;
  Cell cell_;
  std::unique_ptr<Model> model_;
  CounterSource source_;
  Weights drawn_;
  Batch batch_;
  std::vector<ProxyText> all_;
  std::vector<ProxyText> paper_;
  std::vector<ProxyText> first_order_;    // without grasp and NTK
  std::vector<ProxyText> without_grasp_;  // whose graph keeps more than a training step
  std::vector<std::string> items_;
};

// Keeps the seconds of every repetition and says which one is done.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      seconds[run.run_name.function_name].push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
      std::fprintf(stderr, "%s %.3f s\n", run.run_name.function_name.c_str(),
                   seconds[run.run_name.function_name].back());
    }
  }
  std::map<std::string, std::vector<double>> seconds;
};

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  int batch = 64;
  int rounds = 3;
  std::string json;
  std::string filter;
  std::string peak;  // for PeakMemory: plain, pieces, all, or the name of a proxy
  int subject = -1;  // all
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--filter") filter = argv[i + 1];
    if (flag == "--json") json = argv[i + 1];
    if (flag == "--batch") batch = std::atoi(argv[i + 1]);
    if (flag == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (flag == "--peak") peak = argv[i + 1];
    if (flag == "--subject") subject = std::atoi(argv[i + 1]);
  }
  const int subjects = static_cast<int>(std::size(zcbench::kSubjects));
  if (subject >= subjects || batch < 8 || batch % 8 != 0 || rounds < 1) {
    std::fprintf(stderr, "bench_engine: --batch must be a multiple of 8, --rounds at least 1, --subject 0 or 1\n");
    return 2;
  }
  at::set_num_threads(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  if (!peak.empty()) {
    std::printf("%lld\n", static_cast<long long>(zcbench::Bench(static_cast<size_t>(subject), batch, 1).PeakOf(peak)));
    return 0;
  }
  // Repetitions of different items in random order, so that what else the machine does touches all alike.
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::string only = filter.empty() ? "--benchmark_filter=all" : "--benchmark_filter=: plain,|" + filter;
  char* arguments[] = {argv[0], interleave.data(), only.data(), nullptr};
  int count = 3;
  benchmark::Initialize(&count, arguments);

  std::vector<std::unique_ptr<zcbench::Bench>> benches;
  for (int i = 0; i < subjects; ++i) {
    if (subject < 0 || subject == i)
      benches.push_back(std::make_unique<zcbench::Bench>(static_cast<size_t>(i), batch, rounds));
  }
  for (const auto& bench : benches) bench->Register();
  zcbench::Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const auto& bench : benches) results.push_back(bench->Report(collector.seconds));
  if (!json.empty()) std::ofstream(json) << results.dump(2) << "\n";
}
