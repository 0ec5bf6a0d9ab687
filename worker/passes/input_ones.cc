#include "worker/passes/pass.h"

namespace zcbench {

ZCB_REGISTER(pass, PassDefinition, input_ones) {
  registry.Add({.name = "input_ones", .version = 1, .graph = {}, .backward = Backward::kOutputToImages});
}

}  // namespace zcbench
