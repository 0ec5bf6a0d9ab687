// The gradients of the summed logits with respect to the images, as jacov and epe_nas correlate them.
#ifndef ZCBENCH_WORKER_PROXIES_INPUT_JACOBIAN_H_
#define ZCBENCH_WORKER_PROXIES_INPUT_JACOBIAN_H_

#include <string>
#include <utility>
#include <vector>

#include "worker/proxies/proxy.h"

namespace zcbench {

// Collects J[n] = d(sum of all logits)/dx[n] of the pass `input_ones` or `eval_ones`.
class InputJacobian : public Proxy {
 public:
  explicit InputJacobian(std::string pass) : pass_(std::move(pass)) {}
  std::vector<Observation> Observes() const override { return {{{pass_}, kInputGradients}}; }
  void OnInputGradient(const PassRun& run, int64_t first, const at::Tensor& gradient) override;

 protected:
  // [N, N] float64 on the CPU: the correlation coefficients of the flattened rows, clipped to [-1, 1] as numpy does.
  // NaN where a row is constant.
  at::Tensor Correlation() const;

  at::Tensor labels_;  // [N] int64

 private:
  std::string pass_;
  std::vector<at::Tensor> rows_;  // [n, 3 H W]
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PROXIES_INPUT_JACOBIAN_H_
