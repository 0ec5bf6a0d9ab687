// The networks of NAS-Bench-101 (Ying et al., ICML 2019, arXiv:1902.09635) as the PyTorch port that
// NAS-Bench-Suite-Zero ran (romulus0914/NASBench-PyTorch): a 3x3 stem of 128 channels, three stacks of three cells at
// 128, 256 and 512 channels with 2x2 max pooling between the stacks, global average pooling and a linear classifier.
// Every convolution is convolution - batch normalisation - ReLU.
//
// Within a cell the input reaches each of its successors, the output among them, through a 1x1 projection of its own. A
// vertex sums its predecessors, cut to its channels, and its projection; the output concatenates its predecessors and
// adds its projection. Batch normalisation has PyTorch's defaults, as NAS-Bench-Suite-Zero's proxies saw it; the
// original TensorFlow code averages with 0.003 instead of 0.1.
#ifndef ZCBENCH_WORKER_MODELS_NASBENCH101_H_
#define ZCBENCH_WORKER_MODELS_NASBENCH101_H_

#include <memory>

#include "nas/spaces/nasbench101.h"
#include "worker/models/model.h"

namespace zcbench {

// The activation of the stem is of cell 0, those of the i-th searched cell of cell i, from 1.
std::unique_ptr<Model> MakeNasbench101Model(const Nasbench101Cell& cell, int classes);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_NASBENCH101_H_
