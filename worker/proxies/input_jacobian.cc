#include "worker/proxies/input_jacobian.h"

namespace zcbench {

void InputJacobian::OnInputGradient(const PassRun& run, int64_t, const at::Tensor& gradient) {
  labels_ = run.labels;
  rows_.push_back(gradient.flatten(1));
}

at::Tensor InputJacobian::Correlation() const {
  const at::Tensor rows = at::cat(rows_).to(at::kDouble);
  const at::Tensor centred = rows - rows.mean(1, /*keepdim=*/true);
  const at::Tensor covariance = at::mm(centred, centred.t()).cpu();
  const at::Tensor deviation = covariance.diagonal().sqrt();
  return (covariance / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clamp(-1, 1);
}

}  // namespace zcbench
