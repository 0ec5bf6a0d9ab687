// The vision transformers of AutoFormer (Chen, Peng, Fu, Ling, ICCV 2021, arXiv:2107.00651), with the flags of its
// published models: mean of the patch tokens, changing q-k-v width (64 a head), relative positions for keys and values,
// absolute positions, pre-normalisation, exact GELU, no dropout.
//
// Relative positions without the authors' [T, T, 64] tensor: for a query the 196 patch keys have 14 row distances and
// 14 column distances, so q.R is 29 products a query (class token, rows, columns) spread over the keys, and A.R folds
// the attention the same way. The sums are the authors' in another order.
#ifndef ZCBENCH_WORKER_MODELS_AUTOFORMER_H_
#define ZCBENCH_WORKER_MODELS_AUTOFORMER_H_

#include <memory>

#include "nas/spaces/autoformer.h"
#include "worker/models/model.h"

namespace zcbench {

std::unique_ptr<Model> MakeAutoformerModel(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_AUTOFORMER_H_
