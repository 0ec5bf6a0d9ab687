#include "worker/passes/convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "nas/random.h"

namespace zcbench::kernels {
namespace {

// By the definition, each sum in float64.
double OutputAt(const ConvolutionShape& s, const std::vector<float>& weight, const std::vector<float>& x, size_t o,
                size_t row, size_t column) {
  double sum = 0;
  for (size_t c = 0; c < s.in; ++c) {
    for (size_t ky = 0; ky < s.kernel; ++ky) {
      for (size_t kx = 0; kx < s.kernel; ++kx) {
        const size_t y = row * s.stride + ky;
        const size_t z = column * s.stride + kx;
        if (y < s.padding || z < s.padding || y - s.padding >= s.height || z - s.padding >= s.width) continue;
        sum += static_cast<double>(weight[((o * s.in + c) * s.kernel + ky) * s.kernel + kx]) *
               static_cast<double>(x[(c * s.height + y - s.padding) * s.width + z - s.padding]);
      }
    }
  }
  return sum;
}

class ConvolutionTest : public testing::TestWithParam<ConvolutionShape> {};

TEST_P(ConvolutionTest, EveryOutputIsTheRoundedSum) {
  const ConvolutionShape& s = GetParam();
  std::vector<float> weight(s.out * s.in * s.kernel * s.kernel), bias(s.out), x(s.in * s.height * s.width);
  CounterStream(1, "weight").FillUniform(weight, -1, 1);
  CounterStream(1, "bias").FillUniform(bias, -1, 1);
  CounterStream(1, "x").FillUniform(x, -1, 1);
  std::vector<float> y(s.out * s.out_height() * s.out_width());
  std::vector<double> scratch(7, 1e300);  // whatever it held before
  ConvolveInDouble(s, PackConvolution(s, weight.data()).data(), bias.data(), x.data(), y.data(), scratch);
  for (size_t o = 0; o < s.out; ++o) {
    for (size_t row = 0; row < s.out_height(); ++row) {
      for (size_t column = 0; column < s.out_width(); ++column) {
        const double sum = OutputAt(s, weight, x, o, row, column) + static_cast<double>(bias[o]);
        const float score = y[(o * s.out_height() + row) * s.out_width() + column];
        ASSERT_LE(std::fabs(static_cast<double>(score) - sum), 1.2e-7 * std::fabs(sum) + 1e-13)
            << o << " " << row << " " << column;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvolutionTest,
    testing::Values(ConvolutionShape{3, 16, 3, 1, 1, 32, 32}, ConvolutionShape{16, 32, 3, 2, 1, 32, 32},
                    ConvolutionShape{5, 7, 1, 1, 0, 9, 13}, ConvolutionShape{2, 3, 1, 2, 0, 7, 5},
                    ConvolutionShape{4, 6, 5, 1, 2, 6, 11}, ConvolutionShape{3, 5, 5, 2, 2, 15, 16},
                    ConvolutionShape{1, 1, 3, 3, 1, 10, 10}, ConvolutionShape{3, 8, 4, 4, 0, 16, 16},
                    ConvolutionShape{2, 4, 3, 1, 3, 1, 1}, ConvolutionShape{2, 4, 2, 2, 3, 4, 4}));

}  // namespace
}  // namespace zcbench::kernels
