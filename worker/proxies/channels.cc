#include "worker/proxies/channels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

namespace zcbench {
namespace {

constexpr int64_t kColumns = 1024;

// Calls work(first, count) for tiles of the columns of `x`.
template <typename Work>
void ForTiles(const at::Tensor& x, Work work) {
  for (int64_t first = 0; first < x.size(1); first += kColumns) work(first, std::min(kColumns, x.size(1) - first));
}

}  // namespace

at::Tensor ByChannel(const at::Tensor& x) {
  if (x.dim() == 3) return x.reshape({-1, x.size(2)}).t();
  return x.transpose(0, 1).reshape({x.size(1), -1});
}

at::Tensor Products(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor sum = at::zeros({a.size(0), b.size(0)}, a.options().dtype(at::kDouble));
  ForTiles(a, [&](int64_t first, int64_t count) {
    sum.add_(at::mm(a.narrow(1, first, count), b.narrow(1, first, count).t()));
  });
  return sum;
}

at::Tensor Correlation(const at::Tensor& rows) {
  const at::Tensor centred = rows - rows.mean(1, /*keepdim=*/true);
  const at::Tensor covariance = Products(centred, centred).cpu();
  const at::Tensor deviation = covariance.diagonal().sqrt();
  return (covariance / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clamp(-1, 1);
}

void ChannelCovariance::Add(const at::Tensor& x) {
  const at::Tensor mean = x.mean(1);
  const at::Tensor centred = x - mean.unsqueeze(1);
  const int64_t count = x.size(1);
  if (!mean_.defined()) {
    mean_ = at::zeros({x.size(0)}, x.options().dtype(at::kDouble));
    scatter_ = at::zeros({x.size(0), x.size(0)}, mean_.options());
  }
  const at::Tensor step = mean - mean_;
  const double share = static_cast<double>(count) / static_cast<double>(count_ + count);
  scatter_.add_(Products(centred, centred)).addr_(step, step, 1, share * static_cast<double>(count_));
  mean_.add_(step, share);
  count_ += count;
}

at::Tensor ChannelCovariance::Value() const { return scatter_ / static_cast<double>(count_); }

std::vector<at::Tensor> Eigenvalues(const std::vector<at::Tensor>& matrices) {
  std::vector<at::Tensor> values(matrices.size());
  // Small problems: one a thread is faster than threads in each.
  at::parallel_for(0, static_cast<int64_t>(matrices.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor matrix = matrices[static_cast<size_t>(i)].cpu();
      // A solver fails on what is not finite.
      values[static_cast<size_t>(i)] =
          at::isfinite(matrix).all().item<bool>()
              ? at::linalg_eigvalsh(matrix)
              : at::full({matrix.size(0)}, std::numeric_limits<double>::quiet_NaN(), matrix.options());
    }
  });
  return values;
}

}  // namespace zcbench
