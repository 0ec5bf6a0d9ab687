// The networks of DARTS (Liu, Simonyan and Yang, ICLR 2019, arXiv:1806.09055) and NAS-Bench-301 (Zela et al., ICLR
// 2022, arXiv:2008.09777): a stem, cells that each read the last two outputs, global average pooling and a linear
// classifier. No auxiliary head and no drop path, which only serve training; PyTorch's default initialisation.
//
// A cell first brings both inputs to its width (ReLU - 1x1 convolution - batch normalisation; after a reduction cell
// the older one by a factorised reduction: two 1x1 convolutions of stride 2, the second shifted by a pixel). A node
// adds two operations. A separable convolution is ReLU - depthwise - 1x1 - batch normalisation, twice; a dilated one
// once, with dilation 2; the average pooling leaves the padding out of its count; a skip of stride 2 is a factorised
// reduction. Pooling has no normalisation and all normalisation has weights, unlike in NASLib's graph.
//
// Points: kFeature is the stem's output (on ImageNet the second stem's), then each cell's; kLast is the last cell's. An
// activation's cell is its cell's number; the stems' on ImageNet have 0, and none comes after the last cell.
#ifndef ZCBENCH_WORKER_MODELS_DARTS_H_
#define ZCBENCH_WORKER_MODELS_DARTS_H_

#include <memory>

#include "nas/spaces/darts.h"
#include "worker/models/model.h"

namespace zcbench {

std::unique_ptr<Model> MakeDartsModel(const DartsGenotype& genotype, const DartsConfig& config, int classes,
                                      TaskKind kind = TaskKind::kClassification);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_DARTS_H_
