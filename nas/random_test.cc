#include "nas/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "base/sha256.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

std::string DigestOf(const std::vector<float>& values) {
  return Sha256Hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

// The known answers of Random123's distribution (kat_vectors, philox4x32 10).
TEST(PhiloxTest, EqualsThePublishedKnownAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(Philox4x32({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(Philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

// The vectors from here to FrozenDraws never change: every stored score rests on them. They were computed twice, here
// and in Python (hashlib, its own Philox, and statistics.NormalDist.inv_cdf, which is the same algorithm).
struct FrozenElement {
  uint32_t word;
  double uniform;
  double normal;
};

struct FrozenStream {
  uint64_t seed;
  std::string purpose;
  uint64_t first;
  std::vector<FrozenElement> elements;
};

TEST(CounterStreamTest, FrozenElements) {
  const std::vector<FrozenStream> streams = {
      {0,
       "weights/stem.weight",
       0,
       {{0x7eee6646u, 0x1.fbb9991ap-2, -0x1.56e9e2cc05c2ep-7},
        {0xbc2041bbu, 0x1.78408377p-1, 0x1.4154de5f1552dp-1},
        {0x59e13123u, 0x1.6784c48ep-2, -0x1.878cc0bff72a4p-2},
        {0x9ef3b60au, 0x1.3de76c15p-1, 0x1.3b401cb819c46p-2},
        {0x7068986bu, 0x1.c1a261aep-2, -0x1.39e134f44aef9p-3},
        {0xc3d27b34u, 0x1.87a4f669p-1, 0x1.71cb1b763228ep-1}}},
      {0x123456789abcdef0u,  // a seed of 64 bits; across the end of the counter's low half
       "probe_batch/cifar10",
       uint64_t{4294967294} * 4 + 1,
       {{0x79429bc1u, 0x1.e50a6f06p-2, -0x1.0e80f303aebcbp-4},
        {0xdd933decu, 0x1.bb267bd9p-1, 0x1.1b01e40263cb9p+0},
        {0x2f03fb34u, 0x1.781fd9a4p-3, -0x1.cd94bf072194ap-1},
        {0x146745f8u, 0x1.46745f88p-4, -0x1.6836d72da2475p+0},
        {0xbe2256c2u, 0x1.7c44ad85p-1, 0x1.4daf35e06327ep-1},
        {0xd92efc4du, 0x1.b25df89bp-1, 0x1.078c1448c72aap+0}}},
      {1,
       "",
       7,
       {{0x3533a6f5u, 0x1.a99d37acp-3, -0x1.a0c603f375c95p-1},
        {0x22e6a92bu, 0x1.1735495cp-3, -0x1.18d1924215e0dp+0},
        {0x714f221fu, 0x1.c53c887ep-2, -0x1.279ebe125d747p-3},
        {0x8ffe560bu, 0x1.1ffcac17p-1, 0x1.420a52b035ee2p-3},
        {0x8c19f6c0u, 0x1.1833ed81p-1, 0x1.e67b47e87fdb6p-4},
        {0x31560397u, 0x1.8ab01cbcp-3, -0x1.bc602ce03f46cp-1}}},
  };
  for (const FrozenStream& frozen : streams) {
    const CounterStream stream(frozen.seed, frozen.purpose);
    for (size_t i = 0; i < frozen.elements.size(); ++i) {
      const uint64_t element = frozen.first + i;
      EXPECT_EQ(stream.Word(element), frozen.elements[i].word) << frozen.purpose << " " << element;
      EXPECT_EQ(stream.Uniform(element), frozen.elements[i].uniform) << frozen.purpose << " " << element;
      EXPECT_EQ(stream.Normal(element), frozen.elements[i].normal) << frozen.purpose << " " << element;
    }
  }
}

TEST(CounterStreamTest, FrozenFills) {
  const CounterStream stream(3, "weights/blocks.0.qkv.weight");
  std::vector<float> values(6);
  stream.FillUniform(values, -0.5, 0.25);
  EXPECT_THAT(values, ElementsAre(-0x1.ee6daap-2f, 0x1.161888p-6f, 0x1.d4a206p-6f, 0x1.734528p-3f, 0x1.6f5abap-4f,
                                  -0x1.7e393ep-4f));
  stream.FillNormal(values, 0.02);
  EXPECT_THAT(values, ElementsAre(-0x1.4749a8p-5f, 0x1.43a84ap-7f, 0x1.60c272p-7f, 0x1.b416dcp-6f, 0x1.040124p-6f,
                                  0x1.161c74p-9f));
  stream.FillTruncatedNormal(values, 1.0, 0.75);
  EXPECT_THAT(values, ElementsAre(-0x1.6b0cd4p-1f, 0x1.0cb596p-2f, 0x1.234ca6p-2f, 0x1.2f6abap-1f, 0x1.9c9d08p-2f,
                                  0x1.da8cep-5f));
}

TEST(CounterStreamTest, FrozenDigestsOfLargeFills) {
  const CounterStream stream(0, "weights/head.weight");
  std::vector<float> values(100000);
  stream.FillUniform(values, -1.0, 1.0);
  EXPECT_EQ(DigestOf(values), "691edd28fd7458167f0d3d3249a00ee97a0824f3754ec5204cee3ba9f1e5372b");
  stream.FillNormal(values, 1.0);
  EXPECT_EQ(DigestOf(values), "ec884334a0857d1a34c990fce7c2a88490dd3cc95691948dc005627ccfe59d0c");
  stream.FillTruncatedNormal(values, 0.5, 1.0);
  EXPECT_EQ(DigestOf(values), "4df29ff09a3d5ca8e21d720a38fb5aefe32e03c4ab4eba49bc95d816a4709d06");
}

TEST(DrawsTest, FrozenDraws) {
  Draws draws(5, "draws");
  std::vector<uint64_t> values;
  for (const uint64_t bound : {uint64_t{10}, uint64_t{10}, uint64_t{10}, uint64_t{1}, uint64_t{3}, uint64_t{1} << 32,
                               (uint64_t{1} << 32) + 1, ~uint64_t{0}, (uint64_t{1} << 63) + 1}) {
    values.push_back(draws.Below(bound));
  }
  EXPECT_THAT(values,
              ElementsAre(7u, 0u, 1u, 0u, 2u, 2519927594u, 649559984u, 18383036579551840039u, 4255395638279376643u));
  EXPECT_EQ(draws.Uniform(), 0x1.3ea44569p-1);
}

TEST(CounterStreamTest, FillsAreTheElementsWhateverTheCut) {
  const CounterStream stream(11, "weights/any");
  std::vector<uint32_t> words(300);
  for (const uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{6}, uint64_t{0xfffffffe}, ~uint64_t{0} / 2}) {
    for (size_t length = 0; length < words.size(); length += 1 + length / 3) {
      stream.FillWords(std::span(words).first(length), first);
      for (size_t i = 0; i < length; ++i) ASSERT_EQ(words[i], stream.Word(first + i)) << first << " " << i;
    }
  }
  std::vector<float> filled;
  for (const size_t length : {0, 1, 3, 63, 64, 65, 127, 1000}) {
    filled.assign(length, 0);
    stream.FillUniform(filled, -2.0, 3.0);
    for (size_t i = 0; i < length; ++i) {
      ASSERT_EQ(filled[i], static_cast<float>(-2.0 + 5.0 * stream.Uniform(i))) << length << " " << i;
    }
    stream.FillNormal(filled, 0.3);
    for (size_t i = 0; i < length; ++i) {
      ASSERT_EQ(filled[i], static_cast<float>(0.3 * stream.Normal(i))) << length << " " << i;
    }
  }
}

TEST(CounterStreamTest, SeedAndPurposeBothChangeTheStream) {
  const CounterStream stream(1, "weights/a");
  EXPECT_NE(stream.Word(0), CounterStream(2, "weights/a").Word(0));
  EXPECT_NE(stream.Word(0), CounterStream(uint64_t{1} << 32 | 1, "weights/a").Word(0));
  EXPECT_NE(stream.Word(0), CounterStream(1, "weights/b").Word(0));
}

TEST(CounterStreamTest, NormalsHaveTheMomentsOfTheDistribution) {
  std::vector<float> values(1000000);
  CounterStream(7, "moments").FillNormal(values, 1.0);
  double mean = 0;
  double square = 0;
  double fourth = 0;
  for (const double value : values) {
    mean += value / 1e6;
    square += value * value / 1e6;
    fourth += value * value * value * value / 1e6;
  }
  EXPECT_NEAR(mean, 0, 0.005);
  EXPECT_NEAR(square, 1, 0.008);
  EXPECT_NEAR(fourth, 3, 0.06);
}

TEST(CounterStreamTest, ATruncatedNormalStaysInsideAndHasItsVariance) {
  std::vector<float> values(1000000);
  CounterStream(7, "truncated").FillTruncatedNormal(values, 0.5, 1.0);
  double square = 0;
  for (const double value : values) {
    ASSERT_LE(std::fabs(value), 1.0);
    square += value * value / 1e6;
  }
  const double density = std::exp(-2.0) / std::sqrt(2 * std::numbers::pi);  // at 2 standard deviations
  EXPECT_NEAR(square, 0.25 * (1 - 2 * 2 * density / std::erf(std::sqrt(2.0))), 0.001);
}

TEST(CounterStreamTest, ACutBeyondEveryWordIsNoCut) {
  const CounterStream stream(0, "weights/blocks.3.fc1.weight");
  std::vector<float> cut(10000);
  std::vector<float> whole(10000);
  stream.FillTruncatedNormal(cut, 0.02, 2.0);  // AutoFormer's: 100 standard deviations
  stream.FillNormal(whole, 0.02);
  EXPECT_THAT(cut, ElementsAreArray(whole));
  stream.FillTruncatedNormal(cut, 1.0, 6.2);  // just inside the farthest word: cut, but hardly
  stream.FillNormal(whole, 1.0);
  for (size_t i = 0; i < cut.size(); ++i) ASSERT_NEAR(cut[i], whole[i], 1e-6) << i;
}

// For x < 0 a relative error e of x moves p = erfc(-x / sqrt 2) / 2 by about x^2 e of p.
TEST(InverseNormalCdfTest, InvertsErfc) {
  for (int i = 1; i < 200000; ++i) {
    const double p = i / 400000.0;
    const double x = InverseNormalCdf(p);
    ASSERT_NEAR(0.5 * std::erfc(-x / std::sqrt(2.0)) / p, 1.0, 4e-15 * (1 + x * x)) << p;
  }
  for (double p = 0.5; p > 1e-300; p *= 0.97) {
    const double x = InverseNormalCdf(p);
    ASSERT_NEAR(0.5 * std::erfc(-x / std::sqrt(2.0)) / p, 1.0, 4e-15 * (1 + x * x)) << p;
  }
  EXPECT_EQ(InverseNormalCdf(0.5), 0);
}

TEST(InverseNormalCdfTest, IsOddAndIncreasing) {
  double last = -10;
  for (uint64_t word = 0; word < (uint64_t{1} << 32); word += 104729) {
    const double p = (static_cast<double>(word) + 0.5) / 4294967296.0;
    const double x = InverseNormalCdf(p);
    ASSERT_GE(x, last) << p;
    ASSERT_EQ(InverseNormalCdf(1 - p), -x) << p;  // 1 - p is exact
    last = x;
  }
}

TEST(InverseNormalCdfTest, FrozenValuesInEveryBranch) {
  EXPECT_EQ(InverseNormalCdf(0.25), -0x1.5956b87528a49p-1);
  EXPECT_EQ(InverseNormalCdf(0.001), -0x1.8b8cbb720447p+1);
  EXPECT_EQ(InverseNormalCdf(0x1p-33), -0x1.95a1198fcf3d5p+2);
  EXPECT_EQ(InverseNormalCdf(1 - 0x1p-33), 0x1.95a1198fcf3d5p+2);
  EXPECT_EQ(InverseNormalCdf(1e-100), -0x1.546010d75521fp+4);
  EXPECT_EQ(InverseNormalCdf(0x1p-1074), -0x1.33bd3f27fcd02p+5);  // the smallest double
}

TEST(InverseNormalCdfDeathTest, OnlyInsideTheUnitInterval) {
  EXPECT_DEATH(InverseNormalCdf(0), "broken invariant");
  EXPECT_DEATH(InverseNormalCdf(1), "broken invariant");
}

TEST(DrawsTest, BelowIsUniform) {
  Draws draws(1, "uniform");
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[draws.Below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
}

TEST(DrawsTest, ChanceHappensAsOftenAsItSays) {
  Draws draws(1, "chance");
  int happened = 0;
  for (int i = 0; i < 50000; ++i) happened += draws.Chance(0.2);
  EXPECT_NEAR(happened, 10000, 400);
}

}  // namespace
}  // namespace zcbench
