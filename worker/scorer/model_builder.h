// Builds models, the next one while the current one is being scored.
#ifndef ZCBENCH_WORKER_SCORER_MODEL_BUILDER_H_
#define ZCBENCH_WORKER_SCORER_MODEL_BUILDER_H_

#include <cstdint>
#include <future>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nas/task.h"
#include "worker/models/model.h"
#include "worker/models/weights.h"

namespace zcbench {

// A model as it starts: its default weights are drawn when some proxy reads weights.
struct BuiltModel {
  std::unique_ptr<Model> model;
  Weights weights;  // empty: not drawn
};

struct BuildOrder {
  Cell cell;
  std::string architecture;
  uint64_t seed = 0;
  bool draw = true;  // the default weights too
};

// Not thread-safe; its own second thread lives while a build does.
class ModelBuilder {
 public:
  // What was ordered ahead, if it is this, else built now. Errors as BuildModel.
  absl::StatusOr<BuiltModel> Take(const BuildOrder& order);
  // Starts building. One build ahead at a time: an earlier one that nobody took is waited for and dropped.
  void Order(BuildOrder order);

 private:
  BuildOrder ahead_;
  std::future<absl::StatusOr<BuiltModel>> building_;
};

// Answers with the weights that were drawn ahead and passes all else on.
class DrawnAhead final : public RandomSource {
 public:
  DrawnAhead(uint64_t seed, Weights weights) : source_(seed), weights_(std::move(weights)) {}
  Weights Draw(const Model& model, Scheme scheme, int draw) const override {
    return scheme == Scheme::kDefault && !weights_.empty() ? weights_ : source_.Draw(model, scheme, draw);
  }
  at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const override {
    return source_.Normal(purpose, shape);
  }
  at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const override {
    return source_.Signs(draw, first_element, shape);
  }

 private:
  CounterSource source_;
  Weights weights_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_SCORER_MODEL_BUILDER_H_
