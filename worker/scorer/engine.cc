#include "worker/scorer/engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/space.h"
#include "worker/proxies/evaluate.h"
#include "worker/scorer/batch_tensors.h"
#include "worker/scorer/model_builder.h"

namespace zcbench {
namespace {

int AcceleratorCount() { return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0; }

uint64_t MachineMemory() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

ScoreOutcome OutcomeOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return ScoreOutcome::kOk;
    case Outcome::kNotFinite:
      return ScoreOutcome::kNotFinite;
    case Outcome::kUndefined:
      return ScoreOutcome::kUndefined;
  }
  ZCB_CHECK(false);
}

}  // namespace

struct Engine::Device {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  std::string name;
  ModelBuilder builder;
};

std::vector<std::string> AvailableDevices() {
  std::vector<std::string> devices = {"cpu"};
  for (int i = 0; i < AcceleratorCount(); ++i) devices.push_back(absl::StrCat("cuda:", i));
  return devices;
}

Engine::Engine(std::unique_ptr<Device> device) : device_(std::move(device)) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options) {
  auto device = std::make_unique<Device>();
  const std::vector<std::string> devices = AvailableDevices();
  device->name = options.device == "auto" ? devices.back() == "cpu" ? "cpu" : "cuda:0" : options.device;
  if (std::find(devices.begin(), devices.end(), device->name) == devices.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no device `", options.device, "` here; LibTorch sees: ", absl::StrJoin(devices, " ")));
  }
  if (device->name != "cpu") device->device = at::Device(device->name);
  if (options.dtype == "float64") {
    device->dtype = at::kDouble;
  } else if (options.dtype != "float32") {
    return absl::InvalidArgumentError(absl::StrCat("dtype `", options.dtype, "` is neither float32 nor float64"));
  }
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (options.threads < 0 || options.threads > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads = ", options.threads, " is not between 0 (all cores) and 1024"));
  }
  at::set_num_threads(options.threads == 0 ? cores : options.threads);
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  return std::unique_ptr<Engine>(new Engine(std::move(device)));
}

ScorerDescription Engine::Describe() {
  ScorerDescription description;
  const std::string precision = device_->dtype == at::kFloat ? "float32" : "float64";
  if (device_->device.is_cpu()) {
    description.device = "cpu";
    description.numerics = absl::StrCat("cpu ", at::get_cpu_capability(), " torch-", TORCH_VERSION, " ", precision,
                                        " threads=", at::get_num_threads());
    description.memory_bytes = MachineMemory();
  } else {
    description.device = device_->name;
    description.numerics = absl::StrCat("cuda torch-", TORCH_VERSION, " ", precision, " no-tf32 deterministic");
  }
  description.zcbench_version = ZCB_VERSION;
  description.commit = ZCB_COMMIT;
  for (const SpaceDefinition& space : space_registry().All()) {
    if (model_registry().Find(space.name).ok())
      description.spaces.push_back({space.name, absl::StrCat(space.space->version())});
  }
  for (const ProxyDefinition& proxy : proxy_registry().All()) {
    description.proxies.push_back({.name = proxy.name,
                                   .summary = proxy.summary,
                                   .paper = proxy.paper,
                                   .version = VersionText(proxy),
                                   .reads_weights = (proxy.reads & kWeights) != 0,
                                   .reads_images = (proxy.reads & kImages) != 0,
                                   .reads_labels = (proxy.reads & kLabels) != 0,
                                   .options = proxy.options,
                                   .tolerance = proxy.tolerance,
                                   .larger_is_better = proxy.larger_is_better,
                                   .variant = proxy.variant});
  }
  return description;
}

absl::Status Engine::LoadProbeBatch(const std::string& digest, std::string bytes) {
  if (ProbeBatchDigest(bytes) != digest) {
    return absl::DataLossError(
        absl::StrCat("probe batch ", digest, ": its bytes have the digest ", ProbeBatchDigest(bytes)));
  }
  ZCB_ASSIGN_OR_RETURN(ProbeBatch batch, DecodeProbeBatch(bytes));
  batches_.push_back({digest, std::move(batch)});
  if (batches_.size() > kProbeBatchesHeld) batches_.pop_front();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ScoredProxy>> Engine::Score(const ScoringRequest& request) {
  if (request.probe_batch.empty()) return Score(request, nullptr);
  for (const Loaded& loaded : batches_) {
    if (loaded.digest == request.probe_batch) return Score(request, &loaded.batch);
  }
  return absl::FailedPreconditionError(absl::StrCat("probe batch ", request.probe_batch, " was not loaded"));
}

absl::StatusOr<std::vector<ScoredProxy>> Engine::Score(const ScoringRequest& request, const ProbeBatch* batch) {
  std::vector<ProxyText> proxies;
  bool takes_parts = false;
  bool reads_weights = false;
  for (const std::string& text : request.proxies) {
    ZCB_ASSIGN_OR_RETURN(const ProxyText parsed, ParseProxyText(text));
    ZCB_ASSIGN_OR_RETURN(proxies.emplace_back(), CanonicalProxy(parsed));
    ZCB_ASSIGN_OR_RETURN(const ProxyDefinition* const definition, proxy_registry().Find(parsed.name));
    reads_weights |= (definition->reads & kWeights) != 0;
    takes_parts |= definition->options.contains("micro_batches");
    if (batch == nullptr && (definition->reads & (kImages | kLabels))) {
      return absl::InvalidArgumentError(absl::StrCat("proxy ", text, " reads images, and there is no probe batch"));
    }
  }
  BuildOrder order{request.cell, request.architecture, request.seed, reads_weights};
  ZCB_ASSIGN_OR_RETURN(BuiltModel built, device_->builder.Take(order));
  if (!request.next_architecture.empty()) {
    order.architecture = request.next_architecture;
    device_->builder.Order(std::move(order));
  }
  const Model& model = *built.model;
  if (batch != nullptr) ZCB_RETURN_IF_ERROR(CheckProbeBatchFits(*batch, request.cell));
  if (takes_parts && model.couples_samples() && request.cell.images < 32 && !warned_of_small_parts_) {
    warned_of_small_parts_ = true;
    Log(LogLevel::kWarning,
        "batch normalisation over micro-batches of less than 4 images: zico and lswag are noisy; take 32 images or "
        "more",
        {{"images", absl::StrCat(request.cell.images)}, {"micro_batches", "8"}});
  }
  const DrawnAhead weights(request.seed, std::move(built.weights));
  const PassInput input{model, weights,        batch == nullptr ? Blank(request.cell) : ToTensors(*batch),
                        {},    device_->dtype, device_->device};
  ZCB_ASSIGN_OR_RETURN(std::vector<ProxyScore> scores, Evaluate(input, proxies));
  std::vector<ScoredProxy> result;
  for (ProxyScore& score : scores)
    result.push_back({OutcomeOf(score.outcome), score.score, score.seconds, std::move(score.reason)});
  return result;
}

}  // namespace zcbench
