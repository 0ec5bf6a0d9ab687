#include "worker/models/plain_operators.h"

#include "base/status_macros.h"

namespace zcbench {

at::Tensor ApplyLayer(const Layer& layer, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (layer.kind == LayerKind::kLinear) return at::linear(x, weight, bias);
  return at::conv2d(x, weight, bias, {layer.stride, layer.stride}, {layer.padding, layer.padding},
                    {layer.dilation, layer.dilation}, layer.groups);
}

at::Tensor PlainOperators::Apply(const Layer& layer, const at::Tensor& x) {
  return ApplyLayer(layer, x, Get(layer.weight), layer.bias < 0 ? at::Tensor() : Get(layer.bias));
}

at::Tensor PlainOperators::Apply(const Norm& norm, const at::Tensor& x) { return Normalise(norm, x, Get(norm.weight)); }

at::Tensor PlainOperators::Normalise(const Norm& norm, const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor bias = Get(norm.bias);
  if (norm.kind == NormKind::kLayer) return at::layer_norm(x, {x.size(-1)}, weight, bias, norm.epsilon);
  switch (batch_norm_) {
    case BatchNormUse::kIdentity:
      return x;
    case BatchNormUse::kRunning:
      return at::batch_norm(x, weight, bias, at::zeros_like(weight), at::ones_like(weight), /*training=*/false, 0,
                            norm.epsilon, false);
    case BatchNormUse::kSample:
      return at::instance_norm(x, weight, bias, {}, {}, /*use_input_stats=*/true, 0, norm.epsilon, false);
    case BatchNormUse::kBatch:
      break;
  }
  return at::batch_norm(x, weight, bias, {}, {}, /*training=*/true, 0, norm.epsilon, false);
}

at::Tensor PlainOperators::Apply(const Activation& activation, const at::Tensor& x) {
  switch (activation.kind) {
    case ActivationKind::kRelu:
      return at::relu(x);
    case ActivationKind::kGelu:
      return at::gelu(x, "none");
    case ActivationKind::kLeakyRelu:
      return at::leaky_relu(x, 0.2);
  }
  ZCB_CHECK(false);
}

at::Tensor PlainOperators::Apply(const TransposedConvolution& layer, const at::Tensor& x) {
  return at::conv_transpose2d(x, Get(layer.weight), Get(layer.bias), {layer.stride, layer.stride},
                              {layer.padding, layer.padding}, {layer.output_padding, layer.output_padding});
}

}  // namespace zcbench
