#include "nas/space.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"

namespace zcbench {

bool Space::Answers(TaskKind kind) const {
  return kind == TaskKind::kClassification || kind == TaskKind::kSoftClassification || kind == TaskKind::kRegression;
}

absl::StatusOr<const SpaceDefinition*> FindSpace(std::string_view name) {
  for (const SpaceDefinition& definition : space_registry().All()) {
    const std::vector<std::string> prefixes = definition.space->prefixes();
    if (std::find(prefixes.begin(), prefixes.end(), name) != prefixes.end()) return &definition;
  }
  return space_registry().Find(name);
}

absl::StatusOr<std::string_view> WithoutSpaceName(std::string_view text, std::string_view name,
                                                  const std::vector<std::string>& prefixes) {
  constexpr size_t kLongest = 4096;
  constexpr std::string_view kSpaces = " \t\r\n";
  if (text.size() > kLongest) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(name), " architecture ", Quoted(text), ": ", text.size(),
                                                   " characters, at most ", kLongest, " are read"));
  }
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return text;
  const std::string_view before = text.substr(0, slash);
  if (before != name && std::find(prefixes.begin(), prefixes.end(), before) == prefixes.end()) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(name), " architecture ", Quoted(text), ": ",
                                                   Quoted(before), " at character 1 is another space"));
  }
  return text.substr(slash + 1);
}

absl::StatusOr<std::string> SampleSequence::At(uint64_t i) {
  if (i >= space_.space->size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sample ", i, ": ", space_.name, " has ", space_.space->size(), " architectures"));
  }
  while (drawn_.size() <= i) {
    std::string architecture;
    uint64_t attempt = 0;
    do {
      Draws draws(sample_seed_, absl::StrCat("sample/", space_.name, "/", drawn_.size(), "/", attempt++));
      architecture = space_.space->Draw(draws);
    } while (!seen_.insert(architecture).second);
    drawn_.push_back(std::move(architecture));
  }
  return drawn_[i];
}

absl::StatusOr<std::vector<std::string>> ReadArchitectures(const Space& space, std::istream& in,
                                                           const std::string& name) {
  std::vector<std::string> architectures;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    absl::StripAsciiWhitespace(&line);
    if (line.empty()) continue;
    absl::StatusOr<std::string> architecture = space.Parse(line);
    if (!architecture.ok()) return Annotate(architecture.status(), absl::StrCat(name, ":", number));
    architectures.push_back(*std::move(architecture));
  }
  if (architectures.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " holds no architecture"));
  return architectures;
}

}  // namespace zcbench
