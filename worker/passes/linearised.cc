#include "worker/passes/pass.h"

namespace zcbench {

ZCB_REGISTER(pass, PassDefinition, linearised) {
  registry.Add({.name = "linearised",
                .version = 1,
                .graph = {WeightUse::kAbsolute, BatchNormUse::kIdentity, GraphInput::kOnes},
                .backward = Backward::kOutputToWeights});
}

}  // namespace zcbench
