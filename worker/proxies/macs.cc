// macs_*: multiply-accumulates of one image, in each published convention beside that of `flops`.
//   macs_api          what the official API says: NAS-Bench-201 (convolutions, and the classifier with its bias),
//                     TransNAS-Bench-101 (the whole model at its own input size)
//   macs_encoder_api  the same of the encoder alone
//   macs_conv_linear  convolutions and linear layers
//   macs_true         those, transposed convolutions, and the products of attention and relative positions
//   macs_naslib       tensorwatch's count on the network as NASLib builds it
// Paper:   none; the spaces' files (nas/spaces) name the source of each.
// Score:   a count, > 0, larger ranks better. Undefined where the space has no such count. Cost: none.
#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr std::array kConventions = {"macs_api", "macs_encoder_api", "macs_conv_linear", "macs_true", "macs_naslib"};

const NamedCount* FindCount(const Model& model, std::string_view name) {
  for (const NamedCount& count : model.macs()) {
    if (count.name == name) return &count;
  }
  return nullptr;
}

template <size_t convention>
class Macs final : public Proxy {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override {
    return static_cast<double>(FindCount(view.model, kConventions[convention])->value);
  }
  static std::string UndefinedFor(const Model& model) {
    if (FindCount(model, kConventions[convention]) != nullptr) return "";
    return absl::StrCat("the space has no count ", kConventions[convention]);
  }
};

template <size_t... conventions>
void AddAll(Registry<ProxyDefinition>& registry, std::index_sequence<conventions...>) {
  (registry.Add({.name = kConventions[conventions],
                 .summary = "multiply-accumulates of one image in another published convention than flops",
                 .paper = "none; nas/spaces names the sources",
                 .variant = true,
                 .tolerance = 0,
                 .create = Create<Macs<conventions>>,
                 .undefined_for = Macs<conventions>::UndefinedFor}),
   ...);
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, macs) { AddAll(registry, std::make_index_sequence<kConventions.size()>()); }

}  // namespace zcbench
