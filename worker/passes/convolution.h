// A convolution of float32 images whose products are summed in float64 and rounded once: what a batch-normalised
// network needs to stay clear of float32's noise (graph_run.h), at the speed of float64's multiply-adds. Without ATen,
// as kernels.h.
#ifndef ZCBENCH_WORKER_PASSES_CONVOLUTION_H_
#define ZCBENCH_WORKER_PASSES_CONVOLUTION_H_

#include <cstddef>
#include <vector>

namespace zcbench::kernels {

// Square kernels and strides, zero padding; no groups, no dilation. The output has (size + 2 padding - kernel) / stride
// + 1 rows and columns.
struct ConvolutionShape {
  size_t in;
  size_t out;
  size_t kernel;
  size_t stride;
  size_t padding;
  size_t height;
  size_t width;

  size_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  size_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
};

// The weight [out, in, kernel, kernel] as ConvolveInDouble reads it.
std::vector<double> PackConvolution(const ConvolutionShape& shape, const float* weight);

// One image: x [in, height, width] -> y [out, out_height, out_width]. `bias` [out] or null. The order of the sums
// depends on the shape alone. `scratch` is reused from call to call.
void ConvolveInDouble(const ConvolutionShape& shape, const double* packed, const float* bias, const float* x, float* y,
                      std::vector<double>& scratch);

}  // namespace zcbench::kernels

#endif  // ZCBENCH_WORKER_PASSES_CONVOLUTION_H_
