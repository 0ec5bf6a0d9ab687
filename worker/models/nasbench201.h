// The networks of NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv:2001.00326), TinyNetwork with C = 16 and N = 5: a 3x3
// stem, three stages of five cells at 16, 32 and 64 channels with a residual block of stride 2 between them, batch
// normalisation, ReLU, global average pooling and a linear classifier.
//
// An edge's convolution is ReLU - convolution - batch normalisation; the average pooling leaves the padding out of its
// count; the reductions' shortcut (average pooling, 1x1 convolution) has no normalisation. An edge `none` contributes
// exact zeros and no gradient; its source is still computed, so the activations of dead branches exist, as in the
// authors' code.
#ifndef ZCBENCH_WORKER_MODELS_NASBENCH201_H_
#define ZCBENCH_WORKER_MODELS_NASBENCH201_H_

#include <memory>

#include "nas/spaces/nasbench201.h"
#include "worker/models/model.h"

namespace zcbench {

std::unique_ptr<Model> MakeNasbench201Model(const Nasbench201Cell& cell, int classes);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_NASBENCH201_H_
