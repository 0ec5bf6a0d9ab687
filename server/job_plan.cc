#include "server/job_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <unordered_set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "nas/data/probe_batch.h"
#include "nas/proxy_text.h"
#include "nas/statistics/layer_window.h"
#include "server/convert.h"

namespace zcbench {
namespace {

constexpr size_t kMaxProxies = 256;
constexpr int kMaxSeeds = 64;
constexpr int kMaxListed = 20'000;
constexpr uint64_t kMaxSampled = 1'000'000;  // they are drawn in memory
constexpr uint64_t kMaxIndexed = uint64_t{1} << 40;

const KnownProxy* Find(std::span<const KnownProxy> known, std::string_view name) {
  for (const KnownProxy& proxy : known) {
    if (proxy.name == name) return &proxy;
  }
  return nullptr;
}

// A pass in parts cuts the probe batch into equal ones, so a number of images that they do not divide fails for every
// architecture.
absl::Status CheckMicroBatches(const std::vector<std::string>& proxies, std::span<const KnownProxy> known, int images) {
  int multiple = 1;
  std::vector<std::string> undivided;
  for (const std::string& text : proxies) {
    ZCB_ASSIGN_OR_RETURN(const ProxyText proxy, ParseProxyText(text));
    std::map<std::string, std::string> options = proxy.options;
    options.insert(Find(known, proxy.name)->options.begin(), Find(known, proxy.name)->options.end());
    int parts = 0;
    if (!absl::SimpleAtoi(options["micro_batches"], &parts) || parts < 1 || parts > images) continue;
    multiple = std::lcm(multiple, parts);
    if (images % parts != 0) undivided.push_back(absl::StrCat(text, " (", parts, ")"));
  }
  if (undivided.empty()) return absl::OkStatus();
  return BadField("spec.images",
                  absl::StrCat(images, " is not divisible by the micro-batches of ", absl::StrJoin(undivided, ", "),
                               "; take a multiple of ", multiple, ": ", (images / multiple + 1) * multiple));
}

}  // namespace

absl::StatusOr<std::string> CanonicalProxy(std::string_view text, std::span<const KnownProxy> known) {
  ZCB_ASSIGN_OR_RETURN(ProxyText proxy, ParseProxyText(text));
  const KnownProxy* definition = Find(known, proxy.name);
  if (definition == nullptr) {
    std::vector<std::string> names;
    for (const KnownProxy& candidate : known) names.push_back(candidate.name);
    return UnknownName("proxy", proxy.name, names);
  }
  std::map<std::string, std::string> options;
  for (const auto& [option, value] : proxy.options) {
    const auto fallback = definition->options.find(option);
    if (fallback == definition->options.end()) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : definition->options) names.push_back(name);
      return UnknownName(absl::StrCat("option of ", proxy.name), option, names);
    }
    if (fallback->second != value) options[option] = value;
  }
  proxy.options = std::move(options);
  return PrintProxyText(proxy);
}

SeriesKey MakeSeriesKey(const std::string& space, const std::string& task, const std::string& text,
                        const KnownProxy& proxy, const std::string& version, uint64_t seed,
                        const std::string& probe_batch, const std::string& numerics) {
  SeriesKey key{.space = space, .task = task, .proxy = text, .version = version, .numerics = numerics};
  if (proxy.needs_seed()) key.seed = seed;
  if (proxy.needs_probe_batch()) key.probe_batch = probe_batch;
  return key;
}

absl::StatusOr<std::shared_ptr<JobPlan>> JobPlan::Create(const v1::JobSpec& spec, std::span<const KnownProxy> known) {
  std::shared_ptr<JobPlan> plan(new JobPlan());
  ZCB_RETURN_IF_ERROR(CheckText("spec.space", spec.space(), 64));
  ZCB_RETURN_IF_ERROR(CheckText("spec.task", spec.task(), 64));
  if (spec.images() > 4096) return BadField("spec.images", absl::StrCat(spec.images(), " is more than 4096"));
  ZCB_ASSIGN_OR_RETURN(plan->space_, FindSpace(spec.space()));
  ZCB_ASSIGN_OR_RETURN(plan->cell_, FindCell(plan->space_->name, spec.task(), static_cast<int>(spec.images())));
  const Space& space = *plan->space_->space;
  plan->input_ = spec.input();
  if (!plan->input_.empty() && plan->input_ != kNoise) {
    return BadField("spec.input",
                    absl::StrCat("`", OneLine(plan->input_, 64), "` is neither empty nor `", kNoise, "`"));
  }

  if (spec.seeds().empty()) return BadField("spec.seeds", "is empty; name at least one, e.g. 0");
  const std::set<uint64_t> seeds(spec.seeds().begin(), spec.seeds().end());
  if (seeds.size() > kMaxSeeds) {
    return BadField("spec.seeds", absl::StrCat("has ", seeds.size(), " seeds; at most ", kMaxSeeds, " are allowed"));
  }
  for (const uint64_t seed : seeds) ZCB_RETURN_IF_ERROR(CheckSeed("spec.seeds", seed));
  plan->seeds_.assign(seeds.begin(), seeds.end());

  switch (spec.architectures_case()) {
    case v1::JobSpec::kSampled: {
      const uint64_t most = std::min(kMaxSampled, space.size());
      plan->source_ = Source::kSampled;
      plan->count_ = spec.sampled().count();
      plan->sample_seed_ = spec.sampled().sample_seed();
      ZCB_RETURN_IF_ERROR(CheckSeed("spec.sampled.sample_seed", plan->sample_seed_));
      if (plan->count_ == 0 || plan->count_ > most) {
        return BadField("spec.sampled.count", absl::StrCat(plan->count_, " is outside [1, ", most, "]"));
      }
      break;
    }
    case v1::JobSpec::kIndexed: {
      plan->source_ = Source::kIndexed;
      plan->first_ = spec.indexed().first();
      plan->count_ = spec.indexed().count();
      if (plan->count_ == 0 || plan->count_ > kMaxIndexed || plan->first_ >= space.size() ||
          plan->count_ > space.size() - plan->first_) {
        return BadField("spec.indexed",
                        absl::StrCat("[", plan->first_, ", ", plan->first_, " + ", plan->count_,
                                     ") is no range of the ", space.size(), " architectures of ", plan->space_->name));
      }
      break;
    }
    case v1::JobSpec::kListed: {
      plan->source_ = Source::kListed;
      const auto& texts = spec.listed().architectures();
      if (texts.empty()) return BadField("spec.listed.architectures", "is empty");
      if (texts.size() > kMaxListed) {
        return BadField("spec.listed.architectures",
                        absl::StrCat("has ", texts.size(), " entries; at most ", kMaxListed, " are allowed"));
      }
      std::unordered_set<std::string> seen;
      Sha256Stream digest;
      for (int i = 0; i < texts.size(); ++i) {
        absl::StatusOr<std::string> architecture = space.Parse(texts[i]);
        if (!architecture.ok()) {
          return Annotate(architecture.status(), absl::StrCat("spec.listed.architectures[", i, "]"));
        }
        if (!seen.insert(*architecture).second) continue;
        digest.Update(*architecture);
        digest.Update("\n");
        plan->listed_.push_back(*std::move(architecture));
      }
      plan->count_ = plan->listed_.size();
      plan->list_digest_ = Hex(digest.Finish());
      break;
    }
    case v1::JobSpec::ARCHITECTURES_NOT_SET:
      return BadField("spec.architectures", "is not set; choose sampled, indexed or listed");
  }

  std::vector<std::string> asked(spec.proxies().begin(), spec.proxies().end());
  if (spec.layer_statistics()) {
    if (!asked.empty()) return BadField("spec.layer_statistics", "is set beside spec.proxies; choose one of them");
    for (const LayerStatistic statistic : {LayerStatistic::kLogInverseSigma, LayerStatistic::kLogSigma}) {
      for (std::string& text : ProxiesOf(statistic)) asked.push_back(std::move(text));
    }
  }
  if (asked.empty()) return BadField("spec.proxies", "is empty; name proxies, or `all`");
  if (asked.size() > kMaxProxies) {
    return BadField("spec.proxies", absl::StrCat("has more than ", kMaxProxies, " entries"));
  }
  if (known.empty()) {
    return absl::UnavailableError(
        "no worker has announced its proxies to this store yet; start one (`zcbench up` does) and ask again");
  }
  std::set<std::string> proxies;
  for (const std::string& text : asked) {
    ZCB_RETURN_IF_ERROR(CheckText("spec.proxies", text, 1000));
    if (text == "all") {
      for (const KnownProxy& proxy : known) {
        if (!proxy.variant) proxies.insert(proxy.name);
      }
      continue;
    }
    ZCB_ASSIGN_OR_RETURN(const std::string proxy, CanonicalProxy(text, known));
    proxies.insert(proxy);
  }
  if (proxies.size() > kMaxProxies) {
    return BadField("spec.proxies", absl::StrCat("stands for more than ", kMaxProxies, " proxies"));
  }
  if (proxies.empty()) return BadField("spec.proxies", "`all` is empty: the known proxies are all variants");
  plan->proxies_.assign(proxies.begin(), proxies.end());
  ZCB_RETURN_IF_ERROR(CheckMicroBatches(plan->proxies_, known, plan->cell_.images));
  for (const std::string& text : plan->proxies_) {
    ZCB_ASSIGN_OR_RETURN(const ProxyText proxy, ParseProxyText(text));
    plan->names_.push_back(proxy.name);
    plan->versions_[proxy.name] = absl::StrCat(Find(known, proxy.name)->version, ".", space.version());
  }
  plan->WriteSpecText();
  return plan;
}

std::shared_ptr<JobPlan> JobPlan::CreateAudit(const JobPlan& plan, Audit audit,
                                              std::vector<std::string> architectures) {
  std::shared_ptr<JobPlan> copy(new JobPlan());
  copy->cell_ = plan.cell_;
  copy->input_ = plan.input_;
  copy->space_ = plan.space_;
  copy->proxies_ = plan.proxies_;
  copy->names_ = plan.names_;
  copy->seeds_ = plan.seeds_;
  copy->versions_ = plan.versions_;
  copy->source_ = Source::kListed;
  copy->audit_ = std::move(audit);
  Sha256Stream digest;
  for (const std::string& architecture : architectures) {
    digest.Update(architecture);
    digest.Update("\n");
  }
  copy->count_ = architectures.size();
  copy->list_digest_ = Hex(digest.Finish());
  copy->listed_ = std::move(architectures);
  copy->WriteSpecText();
  return copy;
}

void JobPlan::WriteSpecText() {
  nlohmann::json architectures;
  switch (source_) {
    case Source::kSampled:
      architectures = {{"sampled", {{"count", count_}, {"sample_seed", sample_seed_}}}};
      break;
    case Source::kIndexed:
      architectures = {{"indexed", {{"count", count_}, {"first", first_}}}};
      break;
    case Source::kListed:
      architectures = {{"listed", {{"count", count_}, {"sha256", list_digest_}}}};
      break;
  }
  nlohmann::json spec = nlohmann::json{
      {"architectures", architectures}, {"images", cell_.images}, {"proxies", proxies_},  {"seeds", seeds_},
      {"space", cell_.space},           {"task", cell_.task},     {"versions", versions_}};
  if (!input_.empty()) spec["input"] = input_;
  if (audit_.has_value()) {
    spec["audit"] = {{"job", static_cast<int64_t>(audit_->job)},
                     {"numerics", audit_->numerics},
                     {"fraction", audit_->fraction},
                     {"sample_seed", audit_->sample_seed}};
  }
  spec_text_ = spec.dump();
}

absl::StatusOr<std::shared_ptr<JobPlan>> JobPlan::Restore(const std::string& spec_text) {
  std::shared_ptr<JobPlan> plan(new JobPlan());
  plan->spec_text_ = spec_text;
  try {
    const nlohmann::json spec = nlohmann::json::parse(spec_text);
    ZCB_ASSIGN_OR_RETURN(plan->space_, FindSpace(spec.at("space").get<std::string>()));
    ZCB_ASSIGN_OR_RETURN(
        plan->cell_, FindCell(plan->space_->name, spec.at("task").get<std::string>(), spec.at("images").get<int>()));
    plan->proxies_ = spec.at("proxies").get<std::vector<std::string>>();
    plan->seeds_ = spec.at("seeds").get<std::vector<uint64_t>>();
    plan->input_ = spec.value("input", "");
    plan->versions_ = spec.at("versions").get<std::map<std::string, std::string>>();
    if (spec.contains("audit")) {
      const nlohmann::json& audit = spec["audit"];
      plan->audit_ = Audit{.job = JobId{audit.at("job").get<int64_t>()},
                           .numerics = audit.at("numerics").get<std::string>(),
                           .fraction = audit.at("fraction").get<double>(),
                           .sample_seed = audit.at("sample_seed").get<uint64_t>()};
    }
    const nlohmann::json& architectures = spec.at("architectures");
    if (architectures.contains("sampled")) {
      plan->source_ = Source::kSampled;
      plan->count_ = architectures["sampled"].at("count").get<uint64_t>();
      plan->sample_seed_ = architectures["sampled"].at("sample_seed").get<uint64_t>();
    } else if (architectures.contains("indexed")) {
      plan->source_ = Source::kIndexed;
      plan->count_ = architectures["indexed"].at("count").get<uint64_t>();
      plan->first_ = architectures["indexed"].at("first").get<uint64_t>();
    } else {
      plan->source_ = Source::kListed;
      plan->count_ = architectures.at("listed").at("count").get<uint64_t>();
      plan->list_digest_ = architectures.at("listed").at("sha256").get<std::string>();
    }
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(absl::StrCat("the stored spec of a job: ", error.what()));
  }
  if (plan->count_ == 0 || plan->seeds_.empty()) return absl::DataLossError("the stored spec of a job is empty");
  for (const std::string& text : plan->proxies_) {
    ZCB_ASSIGN_OR_RETURN(const ProxyText proxy, ParseProxyText(text));
    plan->names_.push_back(proxy.name);
  }
  return plan;
}

ProbeBatchKey JobPlan::BatchKey(uint64_t seed) const {
  return {.task = cell_.task,
          .height = cell_.height,
          .width = cell_.width,
          .images = cell_.images,
          .seed = seed,
          .input = input_};
}

v1::JobSpec JobPlan::ToSpec() const {
  v1::JobSpec spec;
  spec.set_space(cell_.space);
  spec.set_task(cell_.task);
  for (const std::string& proxy : proxies_) spec.add_proxies(proxy);
  for (const uint64_t seed : seeds_) spec.add_seeds(seed);
  spec.set_images(static_cast<uint32_t>(cell_.images));
  spec.set_input(input_);
  switch (source_) {
    case Source::kSampled:
      spec.mutable_sampled()->set_count(count_);
      spec.mutable_sampled()->set_sample_seed(sample_seed_);
      break;
    case Source::kIndexed:
      spec.mutable_indexed()->set_first(first_);
      spec.mutable_indexed()->set_count(count_);
      break;
    case Source::kListed:
      spec.mutable_listed();
      break;
  }
  return spec;
}

absl::StatusOr<std::vector<std::string>> JobPlan::Architectures(Store& store, JobId job, uint64_t first,
                                                                uint64_t count) {
  const uint64_t begin = first % count_;
  if (count > count_ - begin) return absl::DataLossError("a stored work unit is not within its job");
  std::vector<std::string> architectures;
  if (source_ == Source::kListed) {
    ZCB_RETURN_IF_ERROR(store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(architectures, reader.GetListedArchitectures(job, begin, count));
      return absl::OkStatus();
    }));
    if (architectures.size() != count) return absl::DataLossError("a job's list of architectures has gaps");
    return architectures;
  }
  architectures.reserve(count);
  if (source_ == Source::kIndexed) {
    for (uint64_t i = 0; i < count; ++i) {
      ZCB_ASSIGN_OR_RETURN(std::string architecture, space_->space->At(first_ + begin + i));
      architectures.push_back(std::move(architecture));
    }
    return architectures;
  }
  MutexLock lock(mutex_);
  if (!samples_.has_value()) samples_.emplace(*space_, sample_seed_);
  for (uint64_t i = 0; i < count; ++i) {
    ZCB_ASSIGN_OR_RETURN(std::string architecture, samples_->At(begin + i));
    architectures.push_back(std::move(architecture));
  }
  return architectures;
}

}  // namespace zcbench
