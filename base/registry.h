// What is added often (a proxy, a pass, a space, a task) registers itself under a name. Adding one is a file, its test
// and one line `zcb_KIND(NAME)` in the folder's CMakeLists.txt: CMake collects the names and generates
// `KIND_registry()` from them.
#ifndef ZCBENCH_BASE_REGISTRY_H_
#define ZCBENCH_BASE_REGISTRY_H_

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/nearest.h"
#include "base/status_macros.h"

// Opens the body that registers the file NAME.cc as a KIND: ZCB_REGISTER(proxy, ProxyDefinition, grad_norm) {
// registry.Add({...}); }
#define ZCB_REGISTER(KIND, TYPE, NAME)                                \
  void Register_##KIND##_##NAME(::zcbench::Registry<TYPE>& registry); \
  void Register_##KIND##_##NAME(::zcbench::Registry<TYPE>& registry)

namespace zcbench {

// T has a member `std::string name`, or is a pointer-like value with `name()`.
template <typename T>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  // A duplicate name is a broken build: the process stops at start.
  void Add(T entry) {
    for (const T& other : entries_) ZCB_CHECK(other.name != entry.name);
    entries_.push_back(std::move(entry));
  }

  // NOT_FOUND names the nearest known name. The pointer lives as long as the process.
  absl::StatusOr<const T*> Find(std::string_view name) const {
    for (const T& entry : entries_) {
      if (entry.name == name) return &entry;
    }
    return UnknownName(kind_, name, Names());
  }

  const std::deque<T>& All() const { return entries_; }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const T& entry : entries_) names.emplace_back(entry.name);
    return names;
  }

 private:
  std::string kind_;
  std::deque<T> entries_;  // addresses stay valid
};

}  // namespace zcbench

#endif  // ZCBENCH_BASE_REGISTRY_H_
