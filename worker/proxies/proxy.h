// A proxy: a function from an untrained model and a batch to a score. It observes passes and never runs or changes the
// model; it reduces events to a few numbers as they come and returns one score at the end.
#ifndef ZCBENCH_WORKER_PROXIES_PROXY_H_
#define ZCBENCH_WORKER_PROXIES_PROXY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"
#include "nas/proxy_text.h"
#include "worker/passes/observer.h"

namespace zcbench {

// What a score depends on beside the architecture: part of its key.
enum Reads : uint32_t { kNothing = 0, kWeights = 1 << 0, kImages = 1 << 1, kLabels = 1 << 2 };

// The layers of a model, for proxies that need no pass: Score() sees it.
struct ModelView {
  const Model& model;
  const Weights* weights;  // as drawn, float32 or float64; null unless the proxy reads weights without a pass
};

struct Observation {
  PassSpec pass;
  uint32_t events;  // Event bits
};

// Lives for one model; events come first, then one Score().
class Proxy : public Observer {
 public:
  virtual std::vector<Observation> Observes() const { return {}; }
  // A number that is not finite is recorded as such. FAILED_PRECONDITION: the proxy is not defined for what it saw, and
  // why, which is an outcome. Other errors: INVALID_ARGUMENT only.
  virtual absl::StatusOr<double> Score(const ModelView& view) = 0;
};

// Options of one use of a proxy, complete: defaults filled in.
class ProxyOptions {
 public:
  explicit ProxyOptions(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  // INVALID_ARGUMENT names the option: not a whole number, or outside [low, high].
  absl::StatusOr<int> Integer(const std::string& name, int low, int high) const;
  // Likewise. A number has one spelling (0.1, not .10), since the text is part of a score's key.
  absl::StatusOr<double> Number(const std::string& name, double low, double high) const;
  absl::StatusOr<bool> Flag(const std::string& name) const;  // true or false
  const std::string& Text(const std::string& name) const;

 private:
  std::map<std::string, std::string> values_;
};

struct ProxyDefinition {
  std::string name;
  int version = 1;      // raised when a score of any model would change
  std::string summary;  // one line
  std::string paper;
  uint32_t reads = kNothing;
  std::vector<std::string> passes = {};  // names, for the version text
  bool larger_is_better = true;
  bool variant = false;                             // left out of `all`
  double tolerance = 1e-3;                          // relative: two float32 scores of one key within it are the same
  std::map<std::string, std::string> options = {};  // defaults
  absl::StatusOr<std::unique_ptr<Proxy>> (*create)(const ProxyOptions& options);
  // Why the proxy is not defined for the model, or null / an empty text.
  std::string (*undefined_for)(const Model& model) = nullptr;
};

const Registry<ProxyDefinition>& proxy_registry();

// The usual `create` of a proxy without options.
template <typename P>
absl::StatusOr<std::unique_ptr<Proxy>> Create(const ProxyOptions&) {
  return std::make_unique<P>();
}

// Canonical form of a text with options at their defaults left out. NOT_FOUND: unknown proxy. INVALID_ARGUMENT: unknown
// option (with the nearest name) or a value out of range.
absl::StatusOr<ProxyText> CanonicalProxy(const ProxyText& text);

// The proxy of a canonical text, ready to observe.
absl::StatusOr<std::unique_ptr<Proxy>> CreateProxy(const ProxyText& text);

// `proxy.pass`: the version of the proxy and those of its passes joined by `+` (0 without a pass). With the space's
// version behind it, it is the version of a series, so a fix in a model or a pass never mixes with old numbers.
std::string VersionText(const ProxyDefinition& proxy);

// Per-layer terms of a proxy: the value of the layer in module order, 0 where none came. On the device until Values().
class LayerTerms {
 public:
  void Set(const Layer& layer, at::Tensor scalar);
  void Add(const Layer& layer, const at::Tensor& scalar);
  std::vector<double> Values() const;  // one transfer
  double Sum() const;                  // in module order, float64

 private:
  std::vector<at::Tensor> scalars_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PROXIES_PROXY_H_
