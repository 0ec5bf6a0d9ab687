#include "worker/passes/pass.h"

namespace zcbench {

ZCB_REGISTER(pass, PassDefinition, eval_forward) {
  registry.Add({.name = "eval_forward",
                .version = 1,
                .graph = {.batch_norm = BatchNormUse::kRunning},
                .backward = Backward::kNone});
}

}  // namespace zcbench
