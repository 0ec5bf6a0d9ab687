#include "nas/scanner.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr size_t kLongestQuote = 80;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string Quoted(std::string_view text) {
  const bool cut = text.size() > kLongestQuote;
  return absl::StrCat("`", absl::CHexEscape(std::string(text.substr(0, kLongestQuote))), cut ? "..." : "", "`");
}

void Scanner::SkipSpaces() {
  TakeWhile([](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
}

bool Scanner::Take(std::string_view word) {
  if (!text_.substr(position_).starts_with(word)) return false;
  position_ += word.size();
  return true;
}

absl::Status Scanner::Expect(std::string_view word) { return Take(word) ? absl::OkStatus() : Error(Quoted(word)); }

absl::Status Scanner::ExpectEnd() const { return AtEnd() ? absl::OkStatus() : Error("the end"); }

absl::StatusOr<int> Scanner::Digit(std::string_view digits, std::string_view what) {
  const size_t place = AtEnd() ? std::string_view::npos : digits.find(text_[position_]);
  if (place == std::string_view::npos) return Error(what);
  ++position_;
  return static_cast<int>(place);
}

absl::StatusOr<uint64_t> Scanner::Number(uint64_t low, uint64_t high, std::string_view what) {
  const size_t start = position_;
  const std::string_view digits = TakeWhile(IsDigit);
  uint64_t value = 0;
  bool fits = !digits.empty() && (digits.size() == 1 || digits[0] != '0');
  for (const char c : digits) {
    const uint64_t digit = c - '0';
    fits = fits && value <= (UINT64_MAX - digit) / 10;
    value = value * 10 + digit;
  }
  if (!fits || value < low || value > high) {
    position_ = start;
    return Error(absl::StrCat(std::string(what), " from ", low, " to ", high));
  }
  return value;
}

absl::Status Scanner::Error(std::string_view expected) const {
  return absl::InvalidArgumentError(absl::StrCat(std::string(kind_), " ", Quoted(text_), ": expected ",
                                                 std::string(expected), " at character ", position_ + 1, ", found ",
                                                 AtEnd() ? "the end" : Quoted(text_.substr(position_, 1))));
}

}  // namespace zcbench
