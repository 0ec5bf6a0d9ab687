// The few loops that decide the engine's speed, without ATen, so that they can be built for several instruction sets
// and chosen at run time. All work on one piece of a tensor; the callers cut tensors into fixed tiles and add the
// tiles' sums in order, so a result does not depend on the number of threads.
#ifndef ZCBENCH_WORKER_PASSES_KERNELS_H_
#define ZCBENCH_WORKER_PASSES_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace zcbench::kernels {

// Sums in float64 over n elements.
double SumSquares(const float* x, size_t n);
double SumSquares(const double* x, size_t n);
double Dot(const float* x, const float* y, size_t n);  // sum of x y
double Dot(const double* x, const double* y, size_t n);
double AbsDot(const float* x, const float* y, size_t n);  // sum of |x y|
double AbsDot(const double* x, const double* y, size_t n);
double AbsDotSpread(const float* x, const float* y, double mean, size_t n);  // sum of (|x y| - mean)^2
double AbsDotSpread(const double* x, const double* y, double mean, size_t n);

// Welford's update of four moments by the value `scale * g` of the k-th sample (k from 0): the mean and the sum of
// squared deviations, of the value and of its absolute. Equal samples leave a deviation of exactly 0.
void UpdateMoments(const float* g, double scale, int k, size_t n, double* mean, double* m2, double* mean_abs,
                   double* m2_abs);
void UpdateMoments(const double* g, double scale, int k, size_t n, double* mean, double* m2, double* mean_abs,
                   double* m2_abs);

// Sum over the elements with m2 > 0 of numerator / sqrt(m2 / samples); numerator = null stands for 1.
double SumOverDeviation(const double* numerator, const double* m2, int samples, size_t n);

// Sum of mean^2 / (m2 / samples + floor).
double SumSquareOverVariance(const double* mean, const double* m2, int samples, double floor, size_t n);

// x: `samples` rows of n elements, `stride` apart.
// Adds the number of positive elements of each column less that of the negative ones.
void AddSigns(const float* x, size_t stride, size_t samples, size_t n, int16_t* sums);
void AddSigns(const double* x, size_t stride, size_t samples, size_t n, int16_t* sums);
// Welford's update of two moments by the absolute values of the samples k, k + 1, ... (k from 0).
void UpdateAbsMoments(const float* x, size_t stride, size_t samples, int k, size_t n, double* mean, double* m2);
void UpdateAbsMoments(const double* x, size_t stride, size_t samples, int k, size_t n, double* mean, double* m2);
// Adds the inner products of rows i >= j to products[i * samples + j].
void AddProducts(const float* x, size_t stride, size_t samples, size_t n, double* products);
void AddProducts(const double* x, size_t stride, size_t samples, size_t n, double* products);

// Sets bit `bit` of words[u] where x[u] > 0.
void PackSigns(const float* x, int bit, size_t n, uint64_t* words);
void PackSigns(const double* x, int bit, size_t n, uint64_t* words);

// Adds to hamming[i * samples + j], i > j, in how many of the `units` the samples i and j differ. words:
// [words_per_unit][stride], of which the units from 0 are read; sample s is bit s % 64 of word s / 64.
void AddHamming(const uint64_t* words, size_t stride, size_t units, int samples, int64_t* hamming);

// The number of distinct columns of words [words_per_unit][stride] among the first `units`.
uint64_t CountDistinct(const uint64_t* words, size_t stride, size_t units, size_t words_per_unit);

}  // namespace zcbench::kernels

#endif  // ZCBENCH_WORKER_PASSES_KERNELS_H_
