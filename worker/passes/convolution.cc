#include "worker/passes/convolution.h"

#include <algorithm>
#include <cstring>

namespace zcbench::kernels {
namespace {

// A block of outputs stays in registers: kChannels x kColumns sums.
constexpr size_t kChannels = 4;
constexpr size_t kColumns = 8;

using Doubles = double __attribute__((vector_size(32), aligned(8)));  // four, anywhere in memory

size_t Blocks(size_t n, size_t size) { return (n + size - 1) / size; }

// The padded image in float64, its columns sorted by their remainder modulo the stride, so that neighbouring outputs
// read neighbouring inputs: element (c, row, phase, i) is column i * stride + phase.
struct Padded {
  explicit Padded(const ConvolutionShape& s)
      : rows(s.height + 2 * s.padding),
        run(Blocks(s.out_width(), kColumns) * kColumns + Blocks(s.kernel, s.stride)),
        row(run * s.stride),
        size(s.in * rows * row) {}
  size_t rows;
  size_t run;  // of one phase
  size_t row;
  size_t size;
};

void Fill(const ConvolutionShape& s, const Padded& p, const float* x, double* out) {
  std::fill_n(out, p.size, 0.0);
  for (size_t c = 0; c < s.in; ++c) {
    for (size_t row = 0; row < s.height; ++row) {
      const float* from = x + (c * s.height + row) * s.width;
      double* to = out + (c * p.rows + row + s.padding) * p.row;
      for (size_t phase = 0; phase < s.stride; ++phase) {
        // Padded columns phase, phase + stride, ..., those that exist and that some kernel reaches.
        const size_t first = phase < s.padding ? Blocks(s.padding - phase, s.stride) : 0;
        const size_t end = s.width + s.padding > phase ? Blocks(s.width + s.padding - phase, s.stride) : 0;
        const float* const columns = from + (first * s.stride + phase - s.padding);
        double* const line = to + phase * p.run + first;
        const size_t count = std::min(end, p.run) - std::min(first, p.run);
        if (s.stride == 1) {
          for (size_t i = 0; i < count; ++i) line[i] = static_cast<double>(columns[i]);
        } else {
          for (size_t i = 0; i < count; ++i) line[i] = static_cast<double>(columns[i * s.stride]);
        }
      }
    }
  }
}

}  // namespace

std::vector<double> PackConvolution(const ConvolutionShape& s, const float* weight) {
  const size_t taps = s.in * s.kernel * s.kernel;
  std::vector<double> packed(Blocks(s.out, kChannels) * taps * kChannels, 0.0);
  for (size_t o = 0; o < s.out; ++o) {
    for (size_t t = 0; t < taps; ++t)
      packed[(o / kChannels * taps + t) * kChannels + o % kChannels] = static_cast<double>(weight[o * taps + t]);
  }
  return packed;
}

namespace {

[[gnu::always_inline]] inline void Convolve(const ConvolutionShape& s, const Padded& p, const double* image,
                                            const double* packed, const float* bias, float* y) {
  const size_t out_height = s.out_height();
  const size_t out_width = s.out_width();
  const size_t taps = s.in * s.kernel * s.kernel;
  for (size_t first = 0; first < s.out; first += kChannels) {
    const double* const weights = packed + first * taps;
    const size_t channels = std::min(kChannels, s.out - first);
    for (size_t row = 0; row < out_height; ++row) {
      for (size_t column = 0; column < out_width; column += kColumns) {
        Doubles sums[kChannels][2] = {};
        const double* w = weights;
        for (size_t c = 0; c < s.in; ++c) {
          for (size_t ky = 0; ky < s.kernel; ++ky) {
            const double* const line = image + (c * p.rows + row * s.stride + ky) * p.row + column;
            for (size_t kx = 0; kx < s.kernel; ++kx, w += kChannels) {
              const double* const from = line + kx % s.stride * p.run + kx / s.stride;
              const Doubles low = *reinterpret_cast<const Doubles*>(from);
              const Doubles high = *reinterpret_cast<const Doubles*>(from + 4);
#pragma GCC unroll 4
              for (size_t o = 0; o < kChannels; ++o) {
                sums[o][0] += low * w[o];
                sums[o][1] += high * w[o];
              }
            }
          }
        }
        // Only whole, known pieces of the sums are touched, or they would live in memory.
        double block[kChannels][kColumns];
#pragma GCC unroll 4
        for (size_t o = 0; o < kChannels; ++o) {
          std::memcpy(&block[o][0], &sums[o][0], sizeof(Doubles));
          std::memcpy(&block[o][4], &sums[o][1], sizeof(Doubles));
        }
        const size_t columns = std::min(kColumns, out_width - column);
        for (size_t o = 0; o < channels; ++o) {
          const double start = bias == nullptr ? 0 : static_cast<double>(bias[first + o]);
          float* to = y + ((first + o) * out_height + row) * out_width + column;
          for (size_t i = 0; i < columns; ++i) to[i] = static_cast<float>(block[o][i] + start);
        }
      }
    }
  }
}

#if defined(__x86_64__)
// Not target_clones: its resolver knows no processors with AVX2 and FMA but Intel's.
[[gnu::target("avx2,fma")]] void ConvolveAvx2(const ConvolutionShape& s, const Padded& p, const double* image,
                                              const double* packed, const float* bias, float* y) {
  Convolve(s, p, image, packed, bias, y);
}
#endif

}  // namespace

void ConvolveInDouble(const ConvolutionShape& s, const double* packed, const float* bias, const float* x, float* y,
                      std::vector<double>& scratch) {
  const Padded p(s);
  scratch.resize(p.size);
  Fill(s, p, x, scratch.data());
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return ConvolveAvx2(s, p, scratch.data(), packed, bias, y);
#endif
  Convolve(s, p, scratch.data(), packed, bias, y);
}

}  // namespace zcbench::kernels
