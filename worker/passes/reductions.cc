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

// Calls `take(pointer to the first row, first, stride, rows, count)` for the tiles of the columns of x [rows, ...], on
// several threads.
template <typename Take>
void OverColumns(const at::Tensor& x, Take take) {
  const int64_t rows = x.size(0);
  const int64_t columns = x.numel() / rows;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "columns", [&] {
    const scalar_t* const from = x.const_data_ptr<scalar_t>();
    at::parallel_for(0, (columns + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin * kTile; first < std::min(end * kTile, columns); first += kTile) {
        take(from + first, first, static_cast<size_t>(columns), static_cast<size_t>(rows),
             static_cast<size_t>(std::min(kTile, columns - first)));
      }
    });
  });
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

at::Tensor SumSquareOverVariance(const at::Tensor& mean, const at::Tensor& m2, int samples, double floor) {
  if (!m2.is_cpu()) return (mean.square() / (m2 / samples + floor)).sum();
  const double* const a = mean.const_data_ptr<double>();
  const double* const b = m2.const_data_ptr<double>();
  return Scalar(SumTiles(m2.numel(), [&](int64_t first, int64_t count) {
    return kernels::SumSquareOverVariance(a + first, b + first, samples, floor, static_cast<size_t>(count));
  }));
}

void AddSigns(const at::Tensor& x, const at::Tensor& sums) {
  if (!x.is_cpu()) {
    sums.add_((x > 0).sum(0, false, at::kShort) - (x < 0).sum(0, false, at::kShort));
    return;
  }
  int16_t* const to = sums.data_ptr<int16_t>();
  OverColumns(x, [&](const auto* from, int64_t first, size_t stride, size_t samples, size_t count) {
    kernels::AddSigns(from, stride, samples, count, to + first);
  });
}

void UpdateAbsMoments(const at::Tensor& x, int64_t first, const at::Tensor& mean, const at::Tensor& m2) {
  if (!x.is_cpu()) {
    for (int64_t s = 0; s < x.size(0); ++s) {
      const at::Tensor value = x[s].to(at::kDouble).abs();
      const at::Tensor step = value - mean;
      mean.add_(step, 1.0 / static_cast<double>(first + s + 1));
      m2.addcmul_(step, value - mean);
    }
    return;
  }
  double* const means = mean.data_ptr<double>();
  double* const squares = m2.data_ptr<double>();
  OverColumns(x, [&](const auto* from, int64_t column, size_t stride, size_t samples, size_t count) {
    kernels::UpdateAbsMoments(from, stride, samples, static_cast<int>(first), count, means + column, squares + column);
  });
}

void AddProducts(const at::Tensor& x, const at::Tensor& products) {
  const int64_t samples = x.size(0);
  if (!x.is_cpu()) {
    const at::Tensor rows = x.view({samples, -1}).to(at::kDouble);
    products.add_(at::mm(rows, rows.t()).cpu());
    return;
  }
  // A matrix for each tile, added in order.
  const int64_t tiles = (x.numel() / samples + kTile - 1) / kTile;
  const at::Tensor parts = at::zeros({tiles, samples, samples}, at::kDouble);
  double* const to = parts.data_ptr<double>();
  OverColumns(x, [&](const auto* from, int64_t first, size_t stride, size_t rows, size_t count) {
    kernels::AddProducts(from, stride, rows, count, to + first / kTile * samples * samples);
  });
  for (const at::Tensor& part : parts.unbind()) products.add_(part).add_(part.tril(-1).t());
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
