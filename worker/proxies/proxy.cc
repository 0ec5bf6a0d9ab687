#include "worker/proxies/proxy.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "worker/passes/reductions.h"

namespace zcbench {

absl::StatusOr<int> ProxyOptions::Integer(const std::string& name, int low, int high) const {
  const std::string& text = Text(name);
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < low || value > high) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", name, "=", text, " is not a whole number from ", low, " to ", high));
  }
  return value;
}

absl::StatusOr<double> ProxyOptions::Number(const std::string& name, double low, double high) const {
  const std::string& text = Text(name);
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !(value >= low && value <= high)) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", name, "=", text, " is not a number from ", low, " to ", high));
  }
  if (absl::StrCat(value) != text) {
    return absl::InvalidArgumentError(absl::StrCat("option ", name, "=", text, ": write ", value));
  }
  return value;
}

absl::StatusOr<bool> ProxyOptions::Flag(const std::string& name) const {
  const std::string& text = Text(name);
  if (text == "true" || text == "false") return text == "true";
  return absl::InvalidArgumentError(absl::StrCat("option ", name, "=", text, " is neither true nor false"));
}

const std::string& ProxyOptions::Text(const std::string& name) const {
  const auto it = values_.find(name);
  ZCB_CHECK(it != values_.end());
  return it->second;
}

absl::StatusOr<ProxyText> CanonicalProxy(const ProxyText& text) {
  ZCB_ASSIGN_OR_RETURN(const ProxyDefinition* const proxy, proxy_registry().Find(text.name));
  ProxyText canonical{text.name, {}};
  std::vector<std::string> known;
  for (const auto& [name, value] : proxy->options) known.push_back(name);
  for (const auto& [name, value] : text.options) {
    const auto it = proxy->options.find(name);
    if (it == proxy->options.end()) {
      const absl::Status unknown = UnknownName("option", name, known);
      return absl::InvalidArgumentError(absl::StrCat("proxy ", text.name, ": ", unknown.message()));
    }
    if (value != it->second) canonical.options.emplace(name, value);
  }
  ZCB_RETURN_IF_ERROR(CreateProxy(canonical).status());
  return canonical;
}

absl::StatusOr<std::unique_ptr<Proxy>> CreateProxy(const ProxyText& text) {
  ZCB_ASSIGN_OR_RETURN(const ProxyDefinition* const proxy, proxy_registry().Find(text.name));
  std::map<std::string, std::string> options = text.options;
  options.insert(proxy->options.begin(), proxy->options.end());  // those given stay
  auto created = proxy->create(ProxyOptions(std::move(options)));
  if (!created.ok()) return Annotate(created.status(), absl::StrCat("proxy ", text.name));
  return created;
}

std::string VersionText(const ProxyDefinition& proxy) {
  std::string passes;
  for (const std::string& name : proxy.passes) {
    const auto pass = pass_registry().Find(name);
    ZCB_CHECK(pass.ok());
    absl::StrAppend(&passes, passes.empty() ? "" : "+", (*pass)->version);
  }
  return absl::StrCat(proxy.version, ".", passes.empty() ? "0" : passes);
}

void LayerTerms::Set(const Layer& layer, at::Tensor scalar) {
  const auto i = static_cast<size_t>(layer.index);
  if (scalars_.size() <= i) scalars_.resize(i + 1);
  scalars_[i] = std::move(scalar);
}

void LayerTerms::Add(const Layer& layer, const at::Tensor& scalar) {
  const auto i = static_cast<size_t>(layer.index);
  if (scalars_.size() <= i) scalars_.resize(i + 1);
  scalars_[i] = scalars_[i].defined() ? scalars_[i] + scalar : scalar;
}

std::vector<double> LayerTerms::Values() const { return ToDoubles(scalars_); }

double LayerTerms::Sum() const {
  double sum = 0;
  for (const double value : Values()) sum += value;
  return sum;
}

}  // namespace zcbench
