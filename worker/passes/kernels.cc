#include "worker/passes/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

// One clone a vector width; the loader picks. Resolvers of clones run before a sanitizer is ready.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ZCB_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ZCB_CLONES
#endif

namespace zcbench::kernels {
namespace {

// Eight running sums, added in a fixed order: what a vector unit does, written out so that every clone does the same.
constexpr size_t kLanes = 8;

template <typename Term>
[[gnu::always_inline]] inline double SumTerms(size_t n, Term term) {
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (; i < n; ++i) lanes[i % kLanes] += term(i);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

template <typename T>
[[gnu::always_inline]] inline void Moments(const T* g, double scale, int k, size_t n, double* mean, double* m2,
                                           double* mean_abs, double* m2_abs) {
  const double share = 1.0 / (k + 1);
  for (size_t i = 0; i < n; ++i) {
    const double value = scale * static_cast<double>(g[i]);
    const double step = value - mean[i];
    mean[i] += step * share;
    m2[i] += step * (value - mean[i]);
    const double magnitude = std::fabs(value);
    const double step_abs = magnitude - mean_abs[i];
    mean_abs[i] += step_abs * share;
    m2_abs[i] += step_abs * (magnitude - mean_abs[i]);
  }
}

// Columns that stay in the first level of the cache while the samples go by.
constexpr size_t kBlock = 512;

template <typename T>
[[gnu::always_inline]] inline void Signs(const T* x, size_t stride, size_t samples, size_t n, int16_t* sums) {
  T counts[kBlock];  // as wide as x for the vector unit
  for (size_t first = 0; first < n; first += kBlock) {
    const size_t count = std::min(kBlock, n - first);
    std::fill_n(counts, count, T{0});
    for (size_t s = 0; s < samples; ++s) {
      const T* const row = x + s * stride + first;
      for (size_t i = 0; i < count; ++i) counts[i] += (row[i] > 0 ? T{1} : T{0}) - (row[i] < 0 ? T{1} : T{0});
    }
    for (size_t i = 0; i < count; ++i) sums[first + i] = static_cast<int16_t>(sums[first + i] + counts[i]);
  }
}

template <typename T>
[[gnu::always_inline]] inline void AbsMoments(const T* x, size_t stride, size_t samples, int k, size_t n, double* mean,
                                              double* m2) {
  for (size_t first = 0; first < n; first += kBlock) {
    const size_t count = std::min(kBlock, n - first);
    for (size_t s = 0; s < samples; ++s) {
      const T* const row = x + s * stride + first;
      const double share = 1.0 / (k + static_cast<int>(s) + 1);
      for (size_t i = 0; i < count; ++i) {
        const double value = std::fabs(static_cast<double>(row[i]));
        const double step = value - mean[first + i];
        mean[first + i] += step * share;
        m2[first + i] += step * (value - mean[first + i]);
      }
    }
  }
}

// Four products at a time, of four rows with two: as many as the registers of AVX2 hold.
using Lanes = double __attribute__((vector_size(32), aligned(8), may_alias));
constexpr size_t kLanesOfBlock = kBlock / 4;

template <typename T>
[[gnu::always_inline]] inline void Products(const T* x, size_t stride, size_t samples, size_t n, double* products) {
  const size_t padded = (samples + 3) / 4 * 4;
  std::vector<double> values(padded * kBlock);  // zeros beyond the samples and the columns
  const auto* const rows = reinterpret_cast<const Lanes*>(values.data());
  for (size_t first = 0; first < n; first += kBlock) {
    const size_t count = std::min(kBlock, n - first);
    for (size_t s = 0; s < samples; ++s) {
      double* const row = values.data() + s * kBlock;
      for (size_t i = 0; i < count; ++i) row[i] = static_cast<double>(x[s * stride + first + i]);
      std::fill(row + count, row + kBlock, 0);
    }
    for (size_t a = 0; a < padded; a += 4) {
      for (size_t b = 0; b < a + 4; b += 2) {
        const Lanes* const left = rows + a * kLanesOfBlock;
        const Lanes* const right = rows + b * kLanesOfBlock;
        Lanes sums[4][2] = {};
        for (size_t k = 0; k < (count + 3) / 4; ++k) {
          for (size_t i = 0; i < 4; ++i) {
            for (size_t j = 0; j < 2; ++j) sums[i][j] += left[i * kLanesOfBlock + k] * right[j * kLanesOfBlock + k];
          }
        }
        for (size_t i = 0; i < 4; ++i) {
          for (size_t j = 0; j < 2; ++j) {
            if (a + i >= samples || b + j > a + i) continue;
            const Lanes& sum = sums[i][j];
            products[(a + i) * samples + b + j] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
          }
        }
      }
    }
  }
}

template <typename T>
[[gnu::always_inline]] inline void Pack(const T* x, int bit, size_t n, uint64_t* words) {
  for (size_t u = 0; u < n; ++u) words[u] |= static_cast<uint64_t>(x[u] > 0) << bit;
}

// Transposes a 64 x 64 bit matrix in place: bit j of row i becomes bit i of row j.
[[gnu::always_inline]] inline void Transpose64(uint64_t* rows) {
  uint64_t mask = 0x00000000FFFFFFFFull;
  for (int width = 32; width != 0; width >>= 1, mask ^= mask << width) {
    for (int k = 0; k < 64; k = ((k | width) + 1) & ~width) {
      const uint64_t swap = ((rows[k] >> width) ^ rows[k | width]) & mask;
      rows[k] ^= swap << width;
      rows[k | width] ^= swap;
    }
  }
}

}  // namespace

ZCB_CLONES double SumSquares(const float* x, size_t n) {
  return SumTerms(n, [=](size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
}
ZCB_CLONES double SumSquares(const double* x, size_t n) {
  return SumTerms(n, [=](size_t i) { return x[i] * x[i]; });
}
ZCB_CLONES double Dot(const float* x, const float* y, size_t n) {
  return SumTerms(n, [=](size_t i) { return static_cast<double>(x[i]) * static_cast<double>(y[i]); });
}
ZCB_CLONES double Dot(const double* x, const double* y, size_t n) {
  return SumTerms(n, [=](size_t i) { return x[i] * y[i]; });
}
ZCB_CLONES double AbsDot(const float* x, const float* y, size_t n) {
  return SumTerms(n, [=](size_t i) { return std::fabs(static_cast<double>(x[i]) * static_cast<double>(y[i])); });
}
ZCB_CLONES double AbsDot(const double* x, const double* y, size_t n) {
  return SumTerms(n, [=](size_t i) { return std::fabs(x[i] * y[i]); });
}

ZCB_CLONES double AbsDotSpread(const float* x, const float* y, double mean, size_t n) {
  return SumTerms(n, [=](size_t i) {
    const double step = std::fabs(static_cast<double>(x[i]) * static_cast<double>(y[i])) - mean;
    return step * step;
  });
}
ZCB_CLONES double AbsDotSpread(const double* x, const double* y, double mean, size_t n) {
  return SumTerms(n, [=](size_t i) {
    const double step = std::fabs(x[i] * y[i]) - mean;
    return step * step;
  });
}

ZCB_CLONES void UpdateMoments(const float* g, double scale, int k, size_t n, double* mean, double* m2, double* mean_abs,
                              double* m2_abs) {
  Moments(g, scale, k, n, mean, m2, mean_abs, m2_abs);
}
ZCB_CLONES void UpdateMoments(const double* g, double scale, int k, size_t n, double* mean, double* m2,
                              double* mean_abs, double* m2_abs) {
  Moments(g, scale, k, n, mean, m2, mean_abs, m2_abs);
}

ZCB_CLONES double SumOverDeviation(const double* numerator, const double* m2, int samples, size_t n) {
  const double inverse = 1.0 / samples;
  if (numerator == nullptr)
    return SumTerms(n, [=](size_t i) { return m2[i] > 0 ? 1 / std::sqrt(m2[i] * inverse) : 0.0; });
  return SumTerms(n, [=](size_t i) { return m2[i] > 0 ? numerator[i] / std::sqrt(m2[i] * inverse) : 0.0; });
}

ZCB_CLONES double SumSquareOverVariance(const double* mean, const double* m2, int samples, double floor, size_t n) {
  const double inverse = 1.0 / samples;
  return SumTerms(n, [=](size_t i) { return mean[i] * mean[i] / (m2[i] * inverse + floor); });
}

ZCB_CLONES void AddSigns(const float* x, size_t stride, size_t samples, size_t n, int16_t* sums) {
  Signs(x, stride, samples, n, sums);
}
ZCB_CLONES void AddSigns(const double* x, size_t stride, size_t samples, size_t n, int16_t* sums) {
  Signs(x, stride, samples, n, sums);
}
ZCB_CLONES void UpdateAbsMoments(const float* x, size_t stride, size_t samples, int k, size_t n, double* mean,
                                 double* m2) {
  AbsMoments(x, stride, samples, k, n, mean, m2);
}
ZCB_CLONES void UpdateAbsMoments(const double* x, size_t stride, size_t samples, int k, size_t n, double* mean,
                                 double* m2) {
  AbsMoments(x, stride, samples, k, n, mean, m2);
}
ZCB_CLONES void AddProducts(const float* x, size_t stride, size_t samples, size_t n, double* products) {
  Products(x, stride, samples, n, products);
}
ZCB_CLONES void AddProducts(const double* x, size_t stride, size_t samples, size_t n, double* products) {
  Products(x, stride, samples, n, products);
}

ZCB_CLONES void PackSigns(const float* x, int bit, size_t n, uint64_t* words) { Pack(x, bit, n, words); }
ZCB_CLONES void PackSigns(const double* x, int bit, size_t n, uint64_t* words) { Pack(x, bit, n, words); }

ZCB_CLONES void AddHamming(const uint64_t* words, size_t stride, size_t units, int samples, int64_t* hamming) {
  const size_t words_per_unit = (static_cast<size_t>(samples) + 63) / 64;
  std::vector<uint64_t> rows(words_per_unit * 64);  // of 64 units: row s holds the bits of sample s
  for (size_t first = 0; first < units; first += 64) {
    const size_t count = std::min<size_t>(64, units - first);
    for (size_t w = 0; w < words_per_unit; ++w) {
      uint64_t* block = rows.data() + w * 64;
      std::copy_n(words + w * stride + first, count, block);
      std::fill(block + count, block + 64, 0);
      Transpose64(block);
    }
    for (int i = 1; i < samples; ++i) {
      int64_t* out = hamming + static_cast<size_t>(i) * static_cast<size_t>(samples);
      const uint64_t row = rows[static_cast<size_t>(i)];
      for (int j = 0; j < i; ++j) out[j] += std::popcount(row ^ rows[static_cast<size_t>(j)]);
    }
  }
}

uint64_t CountDistinct(const uint64_t* words, size_t stride, size_t units, size_t words_per_unit) {
  if (units == 0) return 0;
  // Open addressing over unit numbers + 1; equal columns are compared word by word.
  const size_t capacity = std::bit_ceil(units * 2);
  const size_t mask = capacity - 1;
  std::vector<uint32_t> slots(capacity, 0);
  std::vector<uint64_t> keys(words_per_unit == 1 ? capacity : 0);  // the word beside its slot saves a second cache miss
  uint64_t distinct = 0;
  for (size_t u = 0; u < units; ++u) {
    uint64_t hash = 0;
    for (size_t w = 0; w < words_per_unit; ++w) {
      hash = (hash ^ words[w * stride + u]) * 0x9E3779B97F4A7C15ull;
      hash ^= hash >> 29;
    }
    size_t slot = (hash * 0xBF58476D1CE4E5B9ull >> 20) & mask;
    for (;; slot = (slot + 1) & mask) {
      if (slots[slot] == 0) {
        slots[slot] = static_cast<uint32_t>(u) + 1;
        if (words_per_unit == 1) keys[slot] = words[u];
        ++distinct;
        break;
      }
      if (words_per_unit == 1) {
        if (keys[slot] == words[u]) break;
        continue;
      }
      const size_t other = slots[slot] - 1;
      bool equal = true;
      for (size_t w = 0; w < words_per_unit && equal; ++w) equal = words[w * stride + u] == words[w * stride + other];
      if (equal) break;
    }
  }
  return distinct;
}

}  // namespace zcbench::kernels
