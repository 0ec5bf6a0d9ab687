// The networks of TransNAS-Bench-101 (Duan et al., CVPR 2021, arXiv:2105.11871; nas/spaces/transnas.h): an encoder,
// MacroNet, and the head or decoder of the task.
//
// Encoder: two 3x3 convolutions of stride 2 with batch normalisation, a ReLU between them; then two cells a module.
// Nothing follows the last cell. In a micro cell an edge's convolution is ReLU - convolution - batch normalisation; a
// skip that changes channels and resolution is ReLU, two 1x1 convolutions of stride 2, the second on the image shifted
// by one pixel (padded with zeros), side by side, batch normalisation. `none` gives exact zeros. A macro cell is a
// residual block; the batch normalisation of its 1x1 shortcut has epsilon 1 and momentum 1, because the authors pass
// `True, True` where those stand.
//
// Heads: global average pooling and a linear layer. jigsaw: the encoder runs over one tile after the other, each with
// batch statistics of its own, as the authors' SiameseNet does; the head sees the nine outputs side by side, and as
// features the tiles of all images stand below each other. segmentsemantic, autoencoder, normal: decoders of 3x3
// convolutions and transposed ones with bias, each but the last with batch normalisation and leaky ReLU 0.2; tanh at
// the end of the latter two. Their discriminator is no part of the model.
//
// Default weights: encoder convolutions N(0, 2 / fan_out), heads and decoders PyTorch's default.
#ifndef ZCBENCH_WORKER_MODELS_TRANSNAS_H_
#define ZCBENCH_WORKER_MODELS_TRANSNAS_H_

#include <memory>

#include "nas/spaces/transnas.h"
#include "worker/models/model.h"

namespace zcbench {

std::unique_ptr<Model> MakeTransnasModel(const TransnasNetwork& network, TaskKind kind, int classes);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_TRANSNAS_H_
