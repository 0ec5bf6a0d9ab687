// Reads a short notation (an architecture, a proxy) from left to right. Every error is INVALID_ARGUMENT and says what
// was expected, at which character (counted from 1), and what stands there.
#ifndef ZCBENCH_NAS_SCANNER_H_
#define ZCBENCH_NAS_SCANNER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

class Scanner {
 public:
  // `kind` says in errors what is read: "nasbench201 architecture". Both must outlive the scanner.
  Scanner(std::string_view kind, std::string_view text) : kind_(kind), text_(text) {}

  bool AtEnd() const { return position_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  void SkipSpaces();

  // Consumes `word` when it comes next.
  bool Take(std::string_view word);
  absl::Status Expect(std::string_view word);
  absl::Status ExpectEnd() const;

  // The longest run of characters for which `accept` holds; empty when there is none.
  template <typename Accept>
  std::string_view TakeWhile(Accept accept) {
    const size_t start = position_;
    while (position_ < text_.size() && accept(text_[position_])) ++position_;
    return text_.substr(start, position_ - start);
  }

  // One character of `digits`, as its place in it; `what` names it in the error.
  absl::StatusOr<int> Digit(std::string_view digits, std::string_view what);
  // Decimal digits without leading zeros, of a number within [low, high].
  absl::StatusOr<uint64_t> Number(uint64_t low, uint64_t high, std::string_view what);

  // The error for what stands here: "expected `expected` at character 5, found `x`".
  absl::Status Error(std::string_view expected) const;

 private:
  std::string_view kind_;
  std::string_view text_;
  size_t position_ = 0;
};

// Text for a message: printable ASCII, others escaped, at most 80 characters of it.
std::string Quoted(std::string_view text);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SCANNER_H_
