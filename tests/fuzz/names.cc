// What a person types: texts of proxies and lists of them, windows of layers, a space and a task.
#include "nas/proxy_text.h"
#include "nas/statistics/layer_window.h"
#include "nas/suite.h"
#include "nas/task.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  if (const absl::StatusOr<ProxyText> proxy = ParseProxyText(input); proxy.ok()) {
    ZCB_CHECK(ParseProxyText(PrintProxyText(*proxy)).value() == *proxy);
  }
  if (const absl::StatusOr<std::vector<ProxyText>> list = ParseProxyList(input); list.ok()) {
    std::string printed;
    for (const ProxyText& proxy : *list) printed += (printed.empty() ? "" : ",") + PrintProxyText(proxy);
    ZCB_CHECK(ParseProxyList(printed).value() == *list);
  }
  if (const absl::StatusOr<LayerWindow> window = ParseLayerWindow(input); window.ok()) {
    ZCB_CHECK(ParseLayerWindow(PrintLayerWindow(*window)).value() == *window);
    for (int depth = 1; depth < 30; ++depth) {
      const LayerRange range = LayersIn(*window, depth);
      ZCB_CHECK(range.first >= 0 && range.last < depth);
    }
  }
  const size_t slash = input.find('/');
  const std::string_view space = input.substr(0, slash);
  const std::string_view task = slash == std::string_view::npos ? "" : input.substr(slash + 1);
  if (const absl::StatusOr<Cell> cell = FindCell(space, task); cell.ok()) {
    ZCB_CHECK(cell->height > 0 && cell->width > 0 && cell->classes > 0 && cell->images > 0);
  }
  (void)suite_registry().Find(std::string(input));
}

}  // namespace zcbench
