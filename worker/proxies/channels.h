// Second moments of features over their positions, for proxies that look at spectra: everything that outlives an event
// is [C, C] or smaller.
#ifndef ZCBENCH_WORKER_PROXIES_CHANNELS_H_
#define ZCBENCH_WORKER_PROXIES_CHANNELS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace zcbench {

// [N, C, H, W] or [N, T, C] -> [C, positions of all samples].
at::Tensor ByChannel(const at::Tensor& x);

// a b^T of [m, P] and [n, P]: products of 1024 columns in the tensors' own precision, their sum in float64.
at::Tensor Products(const at::Tensor& a, const at::Tensor& b);

// Correlation coefficients of the rows of [R, P], by Products, on the CPU, cut to [-1, 1]. NaN where a row is constant.
at::Tensor Correlation(const at::Tensor& rows);

// The covariance of channels over the positions of all pieces of a batch: centred sums of products, merged as Chan,
// Golub and LeVeque (1983) do.
class ChannelCovariance {
 public:
  void Add(const at::Tensor& x);  // [C, P]
  at::Tensor Value() const;       // [C, C] float64, population
 private:
  int64_t count_ = 0;
  at::Tensor mean_;     // [C]
  at::Tensor scatter_;  // [C, C]
};

// The eigenvalues of symmetric float64 matrices, ascending, on the CPU; NaN for a matrix that is not finite.
std::vector<at::Tensor> Eigenvalues(const std::vector<at::Tensor>& matrices);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PROXIES_CHANNELS_H_
