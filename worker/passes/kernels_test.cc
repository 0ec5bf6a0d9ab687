#include "worker/passes/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "nas/random.h"

namespace zcbench::kernels {
namespace {

std::vector<float> Normals(size_t n, uint64_t seed) {
  std::vector<float> x(n);
  CounterStream(seed, "test").FillNormal(x, 1);
  return x;
}

TEST(KernelsTest, SumsEqualTheDefinition) {
  for (const size_t n : {0u, 1u, 7u, 8u, 9u, 1000u}) {
    const std::vector<float> x = Normals(n, 1);
    const std::vector<float> y = Normals(n, 2);
    double squares = 0, dot = 0, absolute = 0;
    for (size_t i = 0; i < n; ++i) {
      const double product = static_cast<double>(x[i]) * static_cast<double>(y[i]);
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      dot += product;
      absolute += std::fabs(product);
    }
    EXPECT_NEAR(SumSquares(x.data(), n), squares, 1e-10);
    EXPECT_NEAR(Dot(x.data(), y.data(), n), dot, 1e-10);
    EXPECT_NEAR(AbsDot(x.data(), y.data(), n), absolute, 1e-10);
  }
}

TEST(KernelsTest, SumsOverSamplesEqualTheDefinition) {
  constexpr size_t kSamples = 5;
  for (const size_t n : {0u, 1u, 511u, 1300u}) {
    const size_t stride = n + 3;
    std::vector<float> x = Normals(kSamples * stride, 4);
    for (size_t s = 0; s < kSamples && n > 0; ++s) x[s * stride] = 0;
    const std::vector<double> wide(x.begin(), x.end());
    std::vector<int16_t> signs(n, 2), wide_signs(n, 2);
    AddSigns(x.data(), stride, kSamples, n, signs.data());
    AddSigns(wide.data(), stride, kSamples, n, wide_signs.data());
    std::vector<double> mean(n), m2(n), products(kSamples * kSamples, 1.0);
    UpdateAbsMoments(x.data(), stride, 2, 0, n, mean.data(), m2.data());
    UpdateAbsMoments(wide.data() + 2 * stride, stride, 3, 2, n, mean.data(), m2.data());
    AddProducts(x.data(), stride, kSamples, n, products.data());
    double ratios = 0;
    for (size_t i = 0; i < n; ++i) {
      int sign = 2;
      double sum = 0, deviation = 0;
      for (size_t s = 0; s < kSamples; ++s) {
        const double value = wide[s * stride + i];
        sign += (value > 0) - (value < 0);
        sum += std::fabs(value);
      }
      for (size_t s = 0; s < kSamples; ++s) deviation += std::pow(std::fabs(wide[s * stride + i]) - sum / kSamples, 2);
      EXPECT_EQ(signs[i], sign);
      EXPECT_EQ(wide_signs[i], sign);
      EXPECT_NEAR(mean[i], sum / kSamples, 1e-12);
      EXPECT_NEAR(m2[i], deviation, 1e-12);
      ratios += mean[i] * mean[i] / (m2[i] / kSamples + 0.5);
    }
    EXPECT_NEAR(SumSquareOverVariance(mean.data(), m2.data(), kSamples, 0.5, n), ratios, 1e-9);
    for (size_t a = 0; a < kSamples; ++a) {
      for (size_t b = 0; b < kSamples; ++b) {
        const double product = b > a ? 0 : Dot(x.data() + a * stride, x.data() + b * stride, n);
        EXPECT_NEAR(products[a * kSamples + b], 1 + product, 1e-10);
      }
    }
  }
}

TEST(KernelsTest, MomentsEqualTheTwoPassFormulaAndAreExactlyZeroForEqualSamples) {
  constexpr size_t kN = 37;
  constexpr int kParts = 5;
  std::vector<std::vector<float>> parts;
  for (int k = 0; k < kParts; ++k) {
    parts.push_back(Normals(kN, static_cast<uint64_t>(k)));
    parts.back()[3] = 0.1f;  // the same in all parts
  }
  std::vector<double> mean(kN), m2(kN), mean_abs(kN), m2_abs(kN);
  for (int k = 0; k < kParts; ++k)
    UpdateMoments(parts[static_cast<size_t>(k)].data(), 2.0, k, kN, mean.data(), m2.data(), mean_abs.data(),
                  m2_abs.data());
  for (size_t i = 0; i < kN; ++i) {
    double sum = 0, sum_abs = 0;
    for (const auto& part : parts) {
      sum += 2.0 * static_cast<double>(part[i]);
      sum_abs += std::fabs(2.0 * static_cast<double>(part[i]));
    }
    double deviation = 0, deviation_abs = 0;
    for (const auto& part : parts) {
      deviation += std::pow(2.0 * static_cast<double>(part[i]) - sum / kParts, 2);
      deviation_abs += std::pow(std::fabs(2.0 * static_cast<double>(part[i])) - sum_abs / kParts, 2);
    }
    EXPECT_NEAR(mean[i], sum / kParts, 1e-12);
    EXPECT_NEAR(m2[i], deviation, 1e-12);
    EXPECT_NEAR(mean_abs[i], sum_abs / kParts, 1e-12);
    EXPECT_NEAR(m2_abs[i], deviation_abs, 1e-12);
  }
  EXPECT_EQ(m2[3], 0);
  EXPECT_EQ(m2_abs[3], 0);
  const double zero_deviation = SumOverDeviation(nullptr, m2.data() + 3, kParts, 1);
  EXPECT_EQ(zero_deviation, 0) << "a weight without deviation is dropped";
}

// Signs of samples x units, packed into words of 64 samples.
struct Packed {
  size_t units;
  size_t words_per_unit;
  std::vector<std::vector<float>> rows;  // [samples][units]
  std::vector<uint64_t> words;           // [words_per_unit][units]
};

Packed Pack(int samples, size_t units) {
  Packed packed{units, (static_cast<size_t>(samples) + 63) / 64, {}, {}};
  packed.words.resize(packed.words_per_unit * units);
  for (int s = 0; s < samples; ++s) {
    packed.rows.push_back(Normals(units, static_cast<uint64_t>(s)));
    if (s > 0 && s % 3 == 0) packed.rows.back() = packed.rows[static_cast<size_t>(s) - 1];
    packed.rows.back()[0] = 0;  // not positive
    PackSigns(packed.rows.back().data(), s % 64, units, packed.words.data() + static_cast<size_t>(s) / 64 * units);
  }
  return packed;
}

TEST(KernelsTest, HammingDistancesEqualTheDefinition) {
  for (const int samples : {2, 16, 64, 70}) {
    for (const size_t units : {1u, 63u, 64u, 1000u}) {
      const Packed packed = Pack(samples, units);
      const auto n = static_cast<size_t>(samples);
      std::vector<int64_t> hamming(n * n, 0);
      AddHamming(packed.words.data(), units, units, samples, hamming.data());
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < i; ++j) {
          int64_t expected = 0;
          for (size_t u = 0; u < units; ++u) expected += (packed.rows[i][u] > 0) != (packed.rows[j][u] > 0);
          ASSERT_EQ(hamming[i * n + j], expected) << samples << " " << units << " " << i << " " << j;
        }
      }
    }
  }
}

TEST(KernelsTest, DistinctPatternsEqualASetOfStrings) {
  for (const int samples : {1, 3, 8, 64, 100}) {
    const size_t units = 3000;
    const Packed packed = Pack(samples, units);
    std::set<std::string> patterns;
    for (size_t u = 0; u < units; ++u) {
      std::string pattern;
      for (const auto& row : packed.rows) pattern += row[u] > 0 ? '1' : '0';
      patterns.insert(pattern);
    }
    EXPECT_EQ(CountDistinct(packed.words.data(), units, units, packed.words_per_unit), patterns.size()) << samples;
  }
  EXPECT_EQ(CountDistinct(nullptr, 0, 0, 1), 0u);
}

}  // namespace
}  // namespace zcbench::kernels
