// A proxy in a job, a key or a query is its text: `name` or `name(option=value, ...)`. The canonical form has the
// options sorted by name, one space after each comma and no option at its default, so equal texts are equal proxies:
//   lswag    lswag(micro_batches=16)    swap(repeats=32, samples=16)
#ifndef ZCBENCH_NAS_PROXY_TEXT_H_
#define ZCBENCH_NAS_PROXY_TEXT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

struct ProxyText {
  std::string name;                            // [a-z][a-z0-9_]*
  std::map<std::string, std::string> options;  // values: [A-Za-z0-9_.+-]+

  bool operator==(const ProxyText&) const = default;
};

// INVALID_ARGUMENT says which character is wrong.
absl::StatusOr<ProxyText> ParseProxyText(std::string_view text);

std::string PrintProxyText(const ProxyText& proxy);

// Splits `a,b(x=1, y=2),c` at the commas outside parentheses and parses each.
absl::StatusOr<std::vector<ProxyText>> ParseProxyList(std::string_view text);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_PROXY_TEXT_H_
