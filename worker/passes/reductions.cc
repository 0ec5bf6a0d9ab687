#include "worker/passes/reductions.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "worker/passes/kernels.h"

namespace zcbench {
namespace {

constexpr int64_t kTile = 1 << 14;

at::Tensor Scalar(double value) { return at::scalar_tensor(value, at::TensorOptions().dtype(at::kDouble)); }

template <typename Kernel>
at::Tensor Reduce(const at::Tensor& x, const at::Tensor& y, Kernel kernel) {
  const at::Tensor a = x.contiguous();
  const at::Tensor b = y.contiguous();
  double sum = 0;
  AT_DISPATCH_FLOATING_TYPES(a.scalar_type(), "reduce", [&] {
    const scalar_t* pa = a.const_data_ptr<scalar_t>();
    const scalar_t* pb = b.const_data_ptr<scalar_t>();
    sum = SumTiles(a.numel(), [&](int64_t first, int64_t count) {
      return kernel(pa + first, pb + first, static_cast<size_t>(count));
    });
  });
  return Scalar(sum);
}

}  // namespace

double SumTiles(int64_t n, const std::function<double(int64_t, int64_t)>& sum) {
  const int64_t tiles = (n + kTile - 1) / kTile;
  std::vector<double> sums(static_cast<size_t>(tiles));
  at::parallel_for(0, tiles, 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) sums[static_cast<size_t>(t)] = sum(t * kTile, std::min(kTile, n - t * kTile));
  });
  double total = 0;
  for (const double tile : sums) total += tile;
  return total;
}

at::Tensor SumSquares(const at::Tensor& x) {
  if (!x.is_cpu()) return x.to(at::kDouble).square().sum();
  return Reduce(x, x, [](const auto* a, const auto*, size_t n) { return kernels::SumSquares(a, n); });
}

at::Tensor Dot(const at::Tensor& x, const at::Tensor& y) {
  if (!x.is_cpu()) return (x.to(at::kDouble) * y.to(at::kDouble)).sum();
  return Reduce(x, y, [](const auto* a, const auto* b, size_t n) { return kernels::Dot(a, b, n); });
}

at::Tensor AbsDot(const at::Tensor& x, const at::Tensor& y) {
  if (!x.is_cpu()) return (x.to(at::kDouble) * y.to(at::kDouble)).abs().sum();
  return Reduce(x, y, [](const auto* a, const auto* b, size_t n) { return kernels::AbsDot(a, b, n); });
}

at::Tensor AbsDotSpread(const at::Tensor& x, const at::Tensor& y, const at::Tensor& mean) {
  if (!x.is_cpu()) return ((x.to(at::kDouble) * y.to(at::kDouble)).abs() - mean).square().sum();
  const double m = mean.item<double>();
  return Reduce(x, y, [m](const auto* a, const auto* b, size_t n) { return kernels::AbsDotSpread(a, b, m, n); });
}

at::Tensor SumOverDeviation(const at::Tensor& numerator, const at::Tensor& m2, int samples) {
  if (!m2.is_cpu()) {
    const at::Tensor deviation = (m2 / samples).sqrt();
    const at::Tensor terms = numerator.defined() ? numerator / deviation : deviation.reciprocal();
    return at::where(m2 > 0, terms, at::zeros_like(terms)).sum();
  }
  const double* n = numerator.defined() ? numerator.const_data_ptr<double>() : nullptr;
  const double* d = m2.const_data_ptr<double>();
  return Scalar(SumTiles(m2.numel(), [&](int64_t first, int64_t count) {
    return kernels::SumOverDeviation(n == nullptr ? nullptr : n + first, d + first, samples,
                                     static_cast<size_t>(count));
  }));
}

std::vector<double> ToDoubles(const std::vector<at::Tensor>& scalars) {
  std::vector<at::Tensor> defined;
  for (const at::Tensor& scalar : scalars) {
    if (scalar.defined()) defined.push_back(scalar.to(at::kDouble));
  }
  std::vector<double> values(scalars.size(), 0.0);
  if (defined.empty()) return values;
  const at::Tensor host = at::stack(defined).cpu();
  const double* next = host.const_data_ptr<double>();
  for (size_t i = 0; i < scalars.size(); ++i) {
    if (scalars[i].defined()) values[i] = *next++;
  }
  return values;
}

}  // namespace zcbench
