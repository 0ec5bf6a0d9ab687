// nasgraph (NASGraph): how densely the channels of the architecture are connected.
//   The surrogate is a small network of the architecture: one cell a stage, no batch normalisation, N(0, 1) weights, 32
//   pixels. A node is a channel of a layer. Feed a layer ones in channel c of its input, zeros elsewhere, with ReLU
//   behind a convolution: an edge goes from channel c of each of its parents to channel d of it where the sum over the
//   pixels of output d is not 0.
//   score = 2 E / V, the mean of in-degree plus out-degree over the nodes that have an edge
// Paper:   Huang et al., "Graph is all you need? Lightweight data-agnostic neural architecture search without
// training",
//          arXiv:2405.01306.
// Reads:   weights of its own, drawn for the surrogate; no image, no label.
// Score:   no unit, > 0, larger ranks better. Cost: a few forwards of single layers.
// Differs: nowhere from the authors' code (Zhenhan-Huang/NASGraph-Public) but for the draw of the weights. They have
//          surrogates for other spaces too; here only NAS-Bench-201 has one.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Nasgraph final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"surrogate"}, kSurrogateLayers}}; }

  void OnSurrogateLayer(const PassRun&, int index, const SurrogateLayer& layer, const at::Tensor& response) override {
    const at::Tensor edges = response.ne(0).cpu();
    connected_.resize(static_cast<size_t>(index) + 1);
    connected_.back() = at::zeros({edges.size(1)}, at::kBool);
    if (layer.parents.empty()) return;
    connected_.back() |= edges.any(0);
    for (const int parent : layer.parents) {
      connected_[static_cast<size_t>(parent)] |= edges.any(1);
      edges_ += edges.sum().item<int64_t>();
    }
  }

  absl::StatusOr<double> Score(const ModelView&) override {
    int64_t nodes = 0;
    for (const at::Tensor& channels : connected_) nodes += channels.sum().item<int64_t>();
    return 2 * static_cast<double>(edges_) / static_cast<double>(nodes);
  }

 private:
  std::vector<at::Tensor> connected_;  // by layer: which channels of its output have an edge
  int64_t edges_ = 0;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, nasgraph) {
  registry.Add({.name = "nasgraph",
                .summary = "mean degree of the graph of channels of a small surrogate",
                .paper = "Huang et al., \"Graph is all you need?\", arXiv:2405.01306",
                .reads = kWeights,
                .passes = {"surrogate"},
                .tolerance = 1e-3,
                .create = Create<Nasgraph>,
                .undefined_for = [](const Model& model) -> std::string {
                  return model.Surrogate().empty() ? "the space has no surrogate network" : "";
                }});
}

}  // namespace zcbench
