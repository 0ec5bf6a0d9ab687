// Status plumbing. Debian 12's Abseil (20220623) has no status macros and no log; these carry the usual names.
#ifndef ZCBENCH_BASE_STATUS_MACROS_H_
#define ZCBENCH_BASE_STATUS_MACROS_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expression` from the enclosing function unless it is OK.
#define ZCB_RETURN_IF_ERROR(expression)                               \
  do {                                                                \
    if (::absl::Status zcb_status = (expression); !zcb_status.ok()) { \
      return zcb_status;                                              \
    }                                                                 \
  } while (false)

#define ZCB_INTERNAL_CONCAT2(a, b) a##b
#define ZCB_INTERNAL_CONCAT(a, b) ZCB_INTERNAL_CONCAT2(a, b)
#define ZCB_INTERNAL_ASSIGN_OR_RETURN(temporary, target, expression)         \
  auto temporary = (expression);                                             \
  if (!temporary.ok()) return ::absl::Status(std::move(temporary).status()); \
  target = std::move(temporary).value()

// Assigns the value of a StatusOr, or returns its status: ZCB_ASSIGN_OR_RETURN(const int n, ParseCount(text));
#define ZCB_ASSIGN_OR_RETURN(target, ...) \
  ZCB_INTERNAL_ASSIGN_OR_RETURN(ZCB_INTERNAL_CONCAT(zcb_status_or_, __LINE__), target, (__VA_ARGS__))

// A broken invariant, not an error of a caller: prints where and stops the process.
#define ZCB_CHECK(condition)                                                  \
  do {                                                                        \
    if (!(condition)) ::zcbench::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

namespace zcbench {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

// The same status with `context: ` before its message; OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_STATUS_MACROS_H_
