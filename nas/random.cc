#include "nas/random.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

#include "base/sha256.h"
#include "base/status_macros.h"

// Every operation below is one IEEE double operation (+ - * / sqrt), rounded once. This file is compiled with
// -ffp-contract=off, and extended precision would change the results.
static_assert(FLT_EVAL_METHOD == 0, "nas/random.cc needs plain IEEE double arithmetic");
#ifdef __FAST_MATH__
#error "nas/random.cc must not be compiled with -ffast-math"
#endif

namespace zcbench {
namespace {

constexpr double kWordRange = 4294967296.0;  // 2^32

double ToUniform(uint32_t word) { return (word + 0.5) / kWordRange; }

// Horner's rule, the constant first; unrolled by recursion, which optimisers do not do for the loop.
template <size_t I = 0, size_t N>
double Polynomial(const double (&coefficients)[N], double x) {
  if constexpr (I + 1 == N) {
    return coefficients[I];
  } else {
    return Polynomial<I + 1>(coefficients, x) * x + coefficients[I];
  }
}

// Natural logarithm of a positive double, within 2 units of the last place: x = m 2^e with m in [sqrt(1/2), sqrt(2)),
// log m = 2 artanh((m - 1) / (m + 1)).
double Log(double x) {
  int exponent = 0;
  if (x < DBL_MIN) {  // a subnormal has no exponent bits to split off
    x *= 18014398509481984.0;
    exponent = -54;
  }
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m >= 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  constexpr double kSeries[] = {2.0,        2.0 / 3.0,  2.0 / 5.0,  2.0 / 7.0,  2.0 / 9.0,  2.0 / 11.0,
                                2.0 / 13.0, 2.0 / 15.0, 2.0 / 17.0, 2.0 / 19.0, 2.0 / 21.0, 2.0 / 23.0};
  const double s = (m - 1.0) / (m + 1.0);
  const double log_m = s * Polynomial(kSeries, s * s);
  // ln 2 in two parts; the first has 21 zero bits at its end, so its product with the exponent is exact.
  return exponent * 0x1.62e42feep-1 + (exponent * 0x1.a39ef35793c76p-33 + log_m);
}

// Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988), PPND16:
// relative error about 1e-16. Rational in 0.425^2 - q^2 for |q| <= 0.425, q = p - 1/2, and beyond that in the root of
// -log of the smaller tail.
constexpr double kCentralNumerator[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                        1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                        3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr double kCentralDenominator[] = {1.0,
                                          4.2313330701600911252e1,
                                          6.8718700749205790830e2,
                                          5.3941960214247511077e3,
                                          2.1213794301586595867e4,
                                          3.9307895800092710610e4,
                                          2.8729085735721942674e4,
                                          5.2264952788528545610e3};
constexpr double kMiddleNumerator[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                       3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                       2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kMiddleDenominator[] = {1.0,
                                         2.05319162663775882187e0,
                                         1.67638483018380384940e0,
                                         6.89767334985100004550e-1,
                                         1.48103976427480074590e-1,
                                         1.51986665636164571966e-2,
                                         5.47593808499534494600e-4,
                                         1.05075007164441684324e-9};
constexpr double kFarNumerator[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                    2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kFarDenominator[] = {1.0,
                                      5.99832206555887937690e-1,
                                      1.36929880922735805310e-1,
                                      1.48753612908506148525e-2,
                                      7.86869131145613259100e-4,
                                      1.84631831751005468180e-5,
                                      1.42151175831644588870e-7,
                                      2.04426310338993978564e-15};
constexpr double kCentralHalfWidth = 0.425;

double CentralInverseNormal(double q) {
  const double r = 0.180625 - q * q;
  return q * Polynomial(kCentralNumerator, r) / Polynomial(kCentralDenominator, r);
}

double TailInverseNormal(double p) {
  const double r = std::sqrt(-Log(p < 0.5 ? p : 1.0 - p));
  const double x = r <= 5.0 ? Polynomial(kMiddleNumerator, r - 1.6) / Polynomial(kMiddleDenominator, r - 1.6)
                            : Polynomial(kFarNumerator, r - 5.0) / Polynomial(kFarDenominator, r - 5.0);
  return p < 0.5 ? -x : x;
}

double InverseNormal(double p) {
  const double q = p - 0.5;
  return std::fabs(q) <= kCentralHalfWidth ? CentralInverseNormal(q) : TailInverseNormal(p);
}

constexpr size_t kChunk = 64;

// InverseNormal of each element, without a branch that guesses wrong for three elements in twenty.
void InvertNormals(std::array<double, kChunk>& values) {
  std::array<double, kChunk> central;
  for (size_t i = 0; i < kChunk; ++i) central[i] = CentralInverseNormal(values[i] - 0.5);
  std::array<uint8_t, kChunk> tails;
  size_t count = 0;
  for (size_t i = 0; i < kChunk; ++i) {
    tails[count] = static_cast<uint8_t>(i);
    count += std::fabs(values[i] - 0.5) > kCentralHalfWidth;
  }
  for (size_t k = 0; k < count; ++k) central[tails[k]] = TailInverseNormal(values[tails[k]]);
  values = central;
}

// P(N(0, 1) <= x) for x < 0, by bisection of its inverse: the two agree, and no second approximation is needed.
double NormalCdfBelowZero(double x) {
  double low = 0x1p-60;
  double high = 0.5;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (InverseNormal(middle) < x ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xd2511f53u} * counter[0];
    const uint64_t b = uint64_t{0xcd9e8d57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return counter;
}

double InverseNormalCdf(double p) {
  ZCB_CHECK(p > 0 && p < 1);
  return InverseNormal(p);
}

CounterStream::CounterStream(uint64_t seed, std::string_view purpose) : seed_(seed), key_{} {
  const Sha256Digest digest = Sha256(purpose);
  for (size_t i = 0; i < 8; ++i) key_[i / 4] |= uint32_t{digest[i]} << (8 * (i % 4));
}

std::array<uint32_t, 4> CounterStream::Block(uint64_t block) const {
  return Philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(seed_),
                     static_cast<uint32_t>(seed_ >> 32)},
                    key_);
}

uint32_t CounterStream::Word(uint64_t element) const { return Block(element / 4)[element % 4]; }

double CounterStream::Uniform(uint64_t element) const { return ToUniform(Word(element)); }

double CounterStream::Normal(uint64_t element) const { return InverseNormal(Uniform(element)); }

void CounterStream::FillWords(std::span<uint32_t> out, uint64_t first) const {
  size_t i = 0;
  while (i < out.size()) {
    const std::array<uint32_t, 4> words = Block((first + i) / 4);
    const size_t offset = (first + i) % 4;
    const size_t count = std::min(4 - offset, out.size() - i);
    std::copy_n(words.begin() + offset, count, out.begin() + i);
    i += count;
  }
}

template <typename Map>
void CounterStream::FillChunks(std::span<float> out, const Map& map) const {
  std::array<uint32_t, kChunk> words;
  std::array<double, kChunk> values;
  for (size_t first = 0; first < out.size(); first += kChunk) {
    FillWords(words, first);
    for (size_t i = 0; i < kChunk; ++i) values[i] = ToUniform(words[i]);
    map(values);
    const size_t count = std::min(kChunk, out.size() - first);
    for (size_t i = 0; i < count; ++i) out[first + i] = static_cast<float>(values[i]);
  }
}

void CounterStream::FillUniform(std::span<float> out, double low, double high) const {
  FillChunks(out, [low, width = high - low](std::array<double, kChunk>& values) {
    for (double& value : values) value = low + width * value;
  });
}

void CounterStream::FillNormal(std::span<float> out, double standard_deviation) const {
  FillChunks(out, [=](std::array<double, kChunk>& values) {
    InvertNormals(values);
    for (double& value : values) value *= standard_deviation;
  });
}

void CounterStream::FillTruncatedNormal(std::span<float> out, double standard_deviation, double cut) const {
  ZCB_CHECK(standard_deviation > 0 && cut > 0);
  const double bound = -cut / standard_deviation;
  if (bound <= InverseNormal(ToUniform(0))) {  // nothing that a word can give lies outside
    FillNormal(out, standard_deviation);
    return;
  }
  const double below = NormalCdfBelowZero(bound);
  const double inside = 1.0 - 2.0 * below;
  FillChunks(out, [=](std::array<double, kChunk>& values) {
    for (double& value : values) value = below + inside * value;
    InvertNormals(values);
    for (double& value : values) value = std::clamp(standard_deviation * value, -cut, cut);
  });
}

uint64_t Draws::Below(uint64_t bound) {
  ZCB_CHECK(bound > 0);
  const int bits = std::bit_width(bound - 1);
  if (bits == 0) return 0;
  while (true) {
    uint64_t value = stream_.Word(next_++);
    if (bits <= 32) {
      value >>= 32 - bits;
    } else {
      value = (value << 32 | stream_.Word(next_++)) >> (64 - bits);
    }
    if (value < bound) return value;
  }
}

double Draws::Uniform() { return stream_.Uniform(next_++); }

}  // namespace zcbench
