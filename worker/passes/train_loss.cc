#include "worker/passes/pass.h"

namespace zcbench {

ZCB_REGISTER(pass, PassDefinition, train_loss) {
  registry.Add({.name = "train_loss", .version = 1, .graph = {}, .backward = Backward::kLossToWeights});
}

}  // namespace zcbench
