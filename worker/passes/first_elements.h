// The Jacobian of a model's outputs by single weights: element 0 of each of its first tensors (vkdnw).
#ifndef ZCBENCH_WORKER_PASSES_FIRST_ELEMENTS_H_
#define ZCBENCH_WORKER_PASSES_FIRST_ELEMENTS_H_

#include <vector>

#include "worker/passes/observer.h"
#include "worker/passes/run_passes.h"

namespace zcbench {

// Runs the pieces through the model, one derivative of each for every class, and emits kFirstElements to the `members`
// among the subscriptions. Only for models of one output a class, whose images do not influence each other under
// `batch_norm`.
void RunFirstElements(const PassInput& input, BatchNormUse batch_norm, const Weights& weights,
                      const std::vector<Batch>& pieces, const std::vector<Subscription>& subscriptions,
                      const std::vector<size_t>& members);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_FIRST_ELEMENTS_H_
