// Sums over whole tensors in float64, as tensors of no dimension on the device, so that nothing is transferred while a
// pass runs. On the CPU: fixed tiles added in order, the same for any number of threads.
#ifndef ZCBENCH_WORKER_PASSES_REDUCTIONS_H_
#define ZCBENCH_WORKER_PASSES_REDUCTIONS_H_

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace zcbench {

at::Tensor SumSquares(const at::Tensor& x);
at::Tensor Dot(const at::Tensor& x, const at::Tensor& y);     // sum of x y; equal shapes
at::Tensor AbsDot(const at::Tensor& x, const at::Tensor& y);  // sum of |x y|
// Sum of (|x y| - mean)^2; mean: of no dimension, where x is.
at::Tensor AbsDotSpread(const at::Tensor& x, const at::Tensor& y, const at::Tensor& mean);

// Sum over the elements with m2 > 0 of numerator / sqrt(m2 / samples), all float64; an undefined numerator stands for
// ones.
at::Tensor SumOverDeviation(const at::Tensor& numerator, const at::Tensor& m2, int samples);

// Sum of mean^2 / (m2 / samples + floor), all float64.
at::Tensor SumSquareOverVariance(const at::Tensor& mean, const at::Tensor& m2, int samples, double floor);

// Running sums over samples, in place: x [n, ...] is contiguous and the others, on its device, are as one sample.
// sums (int16): the positive elements less the negative ones. A NaN has no sign.
void AddSigns(const at::Tensor& x, const at::Tensor& sums);
// Of |x|, float64: Welford's update by the samples first, ..., first + n - 1, which come in order. Equal samples leave
// m2 = 0.
void UpdateAbsMoments(const at::Tensor& x, int64_t first, const at::Tensor& mean, const at::Tensor& m2);

// Adds the inner products of the rows of x [n, ...], contiguous, to products [n, n], float64, on the CPU.
void AddProducts(const at::Tensor& x, const at::Tensor& products);

// All of them in one transfer. An undefined tensor is 0.
std::vector<double> ToDoubles(const std::vector<at::Tensor>& scalars);

// Adds `sum(first, count)` over tiles of [0, n), computed by several threads and added in order.
double SumTiles(int64_t n, const std::function<double(int64_t first, int64_t count)>& sum);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_REDUCTIONS_H_
