#include "worker/proxies/evaluate.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <cmath>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Draws the default weights once, however many passes and proxies ask. Not thread-safe.
class DrawnOnce final : public RandomSource {
 public:
  explicit DrawnOnce(const RandomSource& source) : source_(source) {}
  Weights Draw(const Model& model, Scheme scheme, int draw) const override {
    if (scheme != Scheme::kDefault) return source_.Draw(model, scheme, draw);
    if (drawn_.empty()) drawn_ = source_.Draw(model, scheme, draw);
    return drawn_;
  }
  at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const override {
    return source_.Normal(purpose, shape);
  }
  at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const override {
    return source_.Signs(draw, first_element, shape);
  }

 private:
  const RandomSource& source_;
  mutable Weights drawn_;
};

absl::StatusOr<std::vector<ProxyScore>> EvaluateOrThrow(const PassInput& asked, const std::vector<ProxyText>& proxies) {
  const DrawnOnce drawn(asked.weights);
  const PassInput input{asked.model, drawn, asked.batch, asked.parts, asked.dtype, asked.device};
  std::vector<ProxyScore> scores(proxies.size());
  std::vector<std::unique_ptr<Proxy>> observers(proxies.size());
  std::vector<Subscription> subscriptions;
  std::vector<size_t> owners;  // of the subscriptions
  bool weights_without_pass = false;
  for (size_t i = 0; i < proxies.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(const ProxyDefinition* const definition, proxy_registry().Find(proxies[i].name));
    if (definition->undefined_for != nullptr) {
      scores[i].reason = definition->undefined_for(input.model);
      if (!scores[i].reason.empty()) {
        scores[i].outcome = Outcome::kUndefined;
        continue;
      }
    }
    ZCB_ASSIGN_OR_RETURN(observers[i], CreateProxy(proxies[i]));
    const std::vector<Observation> observations = observers[i]->Observes();
    for (const Observation& observation : observations) {
      subscriptions.push_back({observation.pass, observation.events, observers[i].get()});
      owners.push_back(i);
    }
    if (observations.empty() && (definition->reads & kWeights)) weights_without_pass = true;
  }

  ZCB_ASSIGN_OR_RETURN(const std::vector<double> seconds, RunPasses(input, subscriptions));
  for (size_t s = 0; s < owners.size(); ++s) scores[owners[s]].seconds += seconds[s];

  Weights weights;
  if (weights_without_pass) {
    for (const at::Tensor& tensor : input.weights.Default(input.model))
      weights.push_back(tensor.to(input.device, input.dtype));
  }
  for (size_t i = 0; i < proxies.size(); ++i) {
    if (observers[i] == nullptr) continue;
    const auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<double> score =
        observers[i]->Score(ModelView{input.model, weights.empty() ? nullptr : &weights});
    observers[i].reset();
    scores[i].seconds += SecondsSince(start);
    if (absl::IsFailedPrecondition(score.status())) {
      scores[i].outcome = Outcome::kUndefined;
      scores[i].reason = std::string(score.status().message());
      continue;
    }
    if (!score.ok()) return score.status();
    if (std::isfinite(*score)) {
      scores[i].score = *score;
    } else {
      scores[i].outcome = Outcome::kNotFinite;
      scores[i].reason = std::isnan(*score) ? "NaN" : (*score > 0 ? "infinity" : "-infinity");
    }
  }
  return scores;
}

}  // namespace

absl::StatusOr<std::vector<ProxyScore>> Evaluate(const PassInput& input, const std::vector<ProxyText>& proxies) {
  // The one place where LibTorch's exceptions end.
  try {
    return EvaluateOrThrow(input, proxies);
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  }
}

}  // namespace zcbench
