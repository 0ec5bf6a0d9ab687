#include "worker/models/plain_operators.h"

namespace zcbench {

at::Tensor ApplyLayer(const Layer& layer, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (layer.kind == LayerKind::kLinear) return at::linear(x, weight, bias);
  return at::conv2d(x, weight, bias, {layer.stride, layer.stride}, {layer.padding, layer.padding});
}

at::Tensor PlainOperators::Apply(const Layer& layer, const at::Tensor& x) {
  return ApplyLayer(layer, x, Get(layer.weight), layer.bias < 0 ? at::Tensor() : Get(layer.bias));
}

at::Tensor PlainOperators::Apply(const Norm& norm, const at::Tensor& x) {
  const at::Tensor weight = Get(norm.weight);
  const at::Tensor bias = Get(norm.bias);
  if (norm.kind == NormKind::kLayer) return at::layer_norm(x, {x.size(-1)}, weight, bias, norm.epsilon);
  switch (batch_norm_) {
    case BatchNormUse::kIdentity:
      return x;
    case BatchNormUse::kRunning:
      return at::batch_norm(x, weight, bias, at::zeros_like(weight), at::ones_like(weight), /*training=*/false, 0,
                            norm.epsilon, false);
    case BatchNormUse::kBatch:
      break;
  }
  return at::batch_norm(x, weight, bias, {}, {}, /*training=*/true, 0, norm.epsilon, false);
}

at::Tensor PlainOperators::Apply(const Activation& activation, const at::Tensor& x) {
  return activation.kind == ActivationKind::kRelu ? at::relu(x) : at::gelu(x, "none");
}

}  // namespace zcbench
