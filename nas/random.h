// Random numbers as a pure function: element i of a named stream, whatever the device, the thread count, the order of
// construction or the version of LibTorch. All weights, probe batches and draws of zcbench come from here.
//
// Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
//   key     = the first 8 bytes of SHA-256(purpose), little-endian
//   counter = (block, seed), 64 bits each; word w of the stream is word w % 4 of block w / 4
// Normals come from the inverse of the distribution function by polynomials in a fixed order with contraction off: no
// libm enters, so every machine gives the same bits. Test vectors in random_test.cc never change.
#ifndef ZCBENCH_NAS_RANDOM_H_
#define ZCBENCH_NAS_RANDOM_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace zcbench {

// One application of the 10-round bijection.
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// x with P(N(0,1) <= x) = p for 0 < p < 1; relative error about 1e-15 (Wichura's AS 241).
double InverseNormalCdf(double p);

// A stream of 32-bit words with random access. Cheap to copy, thread-safe.
class CounterStream {
 public:
  // `purpose` names what the numbers are for and what they fill: "weights/blocks.0.qkv.weight", "probe_batch/cifar10".
  CounterStream(uint64_t seed, std::string_view purpose);

  uint32_t Word(uint64_t element) const;
  double Uniform(uint64_t element) const;  // in (0, 1): (Word + 1/2) / 2^32
  double Normal(uint64_t element) const;   // N(0, 1)

  // out[i] = Word(first + i).
  void FillWords(std::span<uint32_t> out, uint64_t first = 0) const;

  // Element i of a tensor is a function of word i alone, computed in double and rounded once; about 15 ns an element.
  void FillUniform(std::span<float> out, double low, double high) const;
  void FillNormal(std::span<float> out, double standard_deviation) const;
  // A normal cut at +-`cut` (absolute, not in standard deviations), by inverting within the cut interval; both > 0.
  // From 6.4 standard deviations on, where no word reaches the cut, it is FillNormal.
  void FillTruncatedNormal(std::span<float> out, double standard_deviation, double cut) const;

 private:
  template <typename Map>
  void FillChunks(std::span<float> out, const Map& map) const;
  std::array<uint32_t, 4> Block(uint64_t block) const;

  uint64_t seed_;
  std::array<uint32_t, 2> key_;
};

// Consecutive draws from a stream, for algorithms that ask one question after the other. Not thread-safe.
class Draws {
 public:
  Draws(uint64_t seed, std::string_view purpose) : stream_(seed, purpose) {}

  // Uniform in [0, bound), bound > 0: the top bits of one word (two, high word first, when bound > 2^32), as few as
  // hold bound - 1, drawn again until below it.
  uint64_t Below(uint64_t bound);
  double Uniform();  // in (0, 1)
  bool Chance(double probability) { return Uniform() < probability; }

 private:
  CounterStream stream_;
  uint64_t next_ = 0;
};

}  // namespace zcbench

#endif  // ZCBENCH_NAS_RANDOM_H_
