// Binarised activations, packed one bit a sample: with at most 64 samples every unit is one uint64.
//
// A source is an activation (its input) or a layer (its output); a unit is one element of one sample of it. The bit of
// sample s in unit u is set where the value is > 0 (strictly), so ReLU, GELU, their inputs and their outputs all give
// the same bits.
#ifndef ZCBENCH_WORKER_PASSES_PATTERNS_H_
#define ZCBENCH_WORKER_PASSES_PATTERNS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace zcbench {

class SignPatterns {
 public:
  // A model applies each source up to `calls` times in one forward; every application has units of its own.
  SignPatterns(int sources, int samples, int calls = 1);

  // Takes the signs of x [n, ...] as those of the samples first, ..., first + n - 1 of the `call`-th application of
  // `source`.
  void Add(int source, int64_t first, const at::Tensor& x, int call = 0);

  int sources() const { return static_cast<int>(words_.size()) / calls_; }
  int samples() const { return samples_; }
  int64_t units() const;  // of all sources

  // The counts below leave this source out.
  void LeaveOut(int source);

  // [N, N] float64 on the CPU, of exact integers: over all units of `source` (all sources for -1), in how many the
  // samples i and j agree: b b^T + (1 - b)(1 - b)^T of nwot.
  at::Tensor Agreement(int source = -1) const;
  // For each source the logarithm of the determinant of Agreement(source), and 0 where that is singular. Singular means
  // so in integers: an LU decomposition in floating point finds an arbitrary tiny number there. Computed once.
  const std::vector<double>& LogDeterminants() const;

  // The number of distinct sample-wise patterns (columns) over all units of the sources [first, last]. At most
  // 2^samples.
  uint64_t CountDistinct(int first, int last) const;
  uint64_t CountDistinct() const;  // of all; computed once
  // The number of samples that differ from each other in some unit. At most samples.
  int64_t CountDistinctSamples() const;

 private:
  // The words of the sources [first, last] that are not left out, on the CPU.
  std::vector<at::Tensor> Counted(int first, int last) const;

  int calls_;
  int samples_;
  int64_t words_per_unit_;
  std::vector<at::Tensor> words_;  // [words_per_unit, units] int64, on the device that made them; source by source
  std::vector<bool> left_out_;     // by source
  mutable std::optional<uint64_t> distinct_;
  mutable std::vector<double> log_determinants_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_PATTERNS_H_
