#include "nas/proxy_text.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"

namespace zcbench {
namespace {

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::StatusOr<std::string> ScanName(Scanner& scanner, std::string_view what) {
  if (!IsLower(scanner.Peek())) return scanner.Error(what);
  return std::string(scanner.TakeWhile([](char c) { return IsLower(c) || IsDigit(c) || c == '_'; }));
}

absl::StatusOr<ProxyText> ScanProxy(Scanner& scanner) {
  ProxyText proxy;
  scanner.SkipSpaces();
  ZCB_ASSIGN_OR_RETURN(proxy.name, ScanName(scanner, "the name of a proxy ([a-z][a-z0-9_]*)"));
  scanner.SkipSpaces();
  if (scanner.Take("(")) {
    scanner.SkipSpaces();
    while (!scanner.Take(")")) {
      if (!proxy.options.empty()) {
        if (!scanner.Take(",")) return scanner.Error("`,` or `)`");
        scanner.SkipSpaces();
      }
      const Scanner at_option = scanner;
      ZCB_ASSIGN_OR_RETURN(const std::string option, ScanName(scanner, "the name of an option ([a-z][a-z0-9_]*)"));
      if (proxy.options.contains(option)) return at_option.Error("an option not given before");
      scanner.SkipSpaces();
      ZCB_RETURN_IF_ERROR(scanner.Expect("="));
      scanner.SkipSpaces();
      const std::string_view value = scanner.TakeWhile([](char c) {
        return IsLower(c) || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_' || c == '.' || c == '+' || c == '-';
      });
      if (value.empty()) return scanner.Error("a value ([A-Za-z0-9_.+-]+)");
      proxy.options.emplace(option, value);
      scanner.SkipSpaces();
    }
    scanner.SkipSpaces();
  }
  return proxy;
}

}  // namespace

absl::StatusOr<ProxyText> ParseProxyText(std::string_view text) {
  Scanner scanner("proxy", text);
  ZCB_ASSIGN_OR_RETURN(ProxyText proxy, ScanProxy(scanner));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return proxy;
}

std::string PrintProxyText(const ProxyText& proxy) {
  std::string text = proxy.name;
  std::string_view separator = "(";
  for (const auto& [option, value] : proxy.options) {
    absl::StrAppend(&text, std::string(separator), option, "=", value);
    separator = ", ";
  }
  if (!proxy.options.empty()) text += ')';
  return text;
}

absl::StatusOr<std::vector<ProxyText>> ParseProxyList(std::string_view text) {
  Scanner scanner("proxies", text);
  std::vector<ProxyText> proxies;
  do {
    ZCB_ASSIGN_OR_RETURN(ProxyText proxy, ScanProxy(scanner));
    proxies.push_back(std::move(proxy));
  } while (scanner.Take(","));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return proxies;
}

}  // namespace zcbench
