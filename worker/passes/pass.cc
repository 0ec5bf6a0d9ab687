// The table of passes; pass.h says what each is.
#include "worker/passes/pass.h"

namespace zcbench {

ZCB_REGISTER(pass, PassDefinition, pass) {
  registry.Add({.name = "train_loss", .version = 1, .graph = {}, .backward = Backward::kLossToWeights});
  registry.Add({.name = "hessian", .version = 1, .graph = {}, .backward = Backward::kHessian});
  registry.Add({.name = "input_ones", .version = 1, .graph = {}, .backward = Backward::kOutputToImages});
  registry.Add({.name = "each_loss", .version = 1, .graph = {}, .backward = Backward::kEachLossToWeights});
  registry.Add({.name = "per_image",
                .version = 1,
                .graph = {.batch_norm = BatchNormUse::kSample},
                .backward = Backward::kLossToWeights});
  registry.Add({.name = "each_output",
                .version = 1,
                .graph = {.weights = WeightUse::kKaimingFanOut, .norm_gradients = true},
                .backward = Backward::kEachOutputToWeights});
  registry.Add({.name = "linearised",
                .version = 1,
                .graph = {.weights = WeightUse::kAbsolute,
                          .batch_norm = BatchNormUse::kIdentity,
                          .input = GraphInput::kOnes,
                          .in_double = true},
                .backward = Backward::kOutputToWeights});
  registry.Add({.name = "linearised_bn",
                .version = 1,
                .graph = {.weights = WeightUse::kAbsolute, .input = GraphInput::kOnes, .in_double = true},
                .backward = Backward::kOutputToWeights});
  registry.Add({.name = "signed_ones",
                .version = 1,
                .graph = {.weights = WeightUse::kAbsoluteTokens, .input = GraphInput::kOnes, .in_double = true},
                .backward = Backward::kOutputToWeights});
  registry.Add({.name = "eval_forward",
                .version = 1,
                .graph = {.batch_norm = BatchNormUse::kRunning},
                .backward = Backward::kNone});
  registry.Add({.name = "eval_ones",
                .version = 1,
                .graph = {.batch_norm = BatchNormUse::kRunning},
                .backward = Backward::kOutputToImages});
  registry.Add({.name = "features",
                .version = 1,
                .graph = {.weights = WeightUse::kKaimingFanIn},
                .backward = Backward::kFeatures});
  registry.Add(
      {.name = "gaussian", .version = 1, .graph = {.weights = WeightUse::kGaussian}, .backward = Backward::kNone});
  registry.Add({.name = "gaussian_noise",
                .version = 1,
                .graph = {.weights = WeightUse::kGaussian, .input = GraphInput::kRandom},
                .backward = Backward::kNone});
  registry.Add({.name = "gaussian_perturbed",
                .version = 1,
                .graph = {.weights = WeightUse::kGaussian, .input = GraphInput::kPerturbed},
                .backward = Backward::kNone});
  registry.Add({.name = "constant_low",
                .version = 1,
                .graph = {.weights = WeightUse::kConstantLow, .in_double = true},
                .backward = Backward::kNone});
  registry.Add({.name = "constant_high",
                .version = 1,
                .graph = {.weights = WeightUse::kConstantHigh, .in_double = true},
                .backward = Backward::kNone});
  registry.Add({.name = "first_elements",
                .version = 1,
                .graph = {.weights = WeightUse::kKaimingFanIn,
                          .batch_norm = BatchNormUse::kRunning,
                          .input = GraphInput::kRandom,
                          .first_elements = true},
                .backward = Backward::kNone});
  registry.Add({.name = "thin_noise",
                .version = 1,
                .graph = {.weights = WeightUse::kKaimingFanIn, .input = GraphInput::kRandom, .network = Network::kThin},
                .backward = Backward::kNone});
  registry.Add(
      {.name = "surrogate", .version = 1, .graph = {.network = Network::kSurrogate}, .backward = Backward::kNone});
}

}  // namespace zcbench
