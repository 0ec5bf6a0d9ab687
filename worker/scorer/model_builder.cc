#include "worker/scorer/model_builder.h"

#include <utility>

#include "base/status_macros.h"

namespace zcbench {
namespace {

absl::StatusOr<BuiltModel> Build(const BuildOrder& order) {
  BuiltModel built;
  ZCB_ASSIGN_OR_RETURN(built.model, BuildModel(order.architecture, order.cell));
  if (order.draw) built.weights = CounterSource(order.seed).Default(*built.model);
  return built;
}

bool Same(const BuildOrder& a, const BuildOrder& b) {
  return a.architecture == b.architecture && a.cell.space == b.cell.space && a.cell.task == b.cell.task &&
         a.cell.height == b.cell.height && a.cell.classes == b.cell.classes && a.seed == b.seed && a.draw == b.draw;
}

}  // namespace

absl::StatusOr<BuiltModel> ModelBuilder::Take(const BuildOrder& order) {
  if (building_.valid()) {
    // Whatever went wrong ahead goes wrong, or not, once more below, where it is reported.
    try {
      absl::StatusOr<BuiltModel> built = building_.get();
      if (built.ok() && Same(order, ahead_)) return built;
    } catch (const std::exception&) {
    }
  }
  return Build(order);
}

void ModelBuilder::Order(BuildOrder order) {
  if (building_.valid()) building_.wait();
  ahead_ = order;
  building_ = std::async(std::launch::async, Build, std::move(order));
}

}  // namespace zcbench
