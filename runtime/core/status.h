// Errors that come from outside (files, graphs, data, flags) are absl::Status values whose message starts with a
// class word, then names the culprit (file, node, tensor), the value and the rule:
//   SHAPE: node "fc1" (FullyConnected): input "x" has 77 features, weight "fc1.weight" expects 4096
// A broken invariant of our own is a CHECK (ATH_CHECK), never a Status.
#ifndef ATHANOR_RUNTIME_CORE_STATUS_H_
#define ATHANOR_RUNTIME_CORE_STATUS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace athanor {

// The classes of bad input. The order is not significant; the words are part of the interface.
enum class ErrorClass {
  kFormat,   // bytes that are not the file they claim to be
  kVersion,  // made by, or for, another version, CPU or library
  kLimit,    // larger than a stated limit
  kGraph,    // structure: unknown values, cycles, missing entries
  kShape,    // dimensions that do not fit
  kDtype,    // element types that do not fit
  kAttr,     // operator attributes
  kIndex,    // a run-time index or label out of range
  kData,     // data sets
  kCkpt,     // checkpoints
  kPlan,     // compiled plans
  kPath,     // file system: missing, unreadable, unwritable
  kReq,      // a request (input or output buffer, flag) that does not fit
};

// "SHAPE", "FORMAT", ...
absl::string_view ErrorClassName(ErrorClass c);

// The class of a status made by MakeError; kFormat.. by its leading word, or nullopt-like empty string if it has none.
absl::string_view ErrorClassOf(const absl::Status& status);

absl::Status MakeErrorFromMessage(ErrorClass c, std::string message);

template <typename... Args>
absl::Status MakeError(ErrorClass c, const absl::FormatSpec<Args...>& format, const Args&... args) {
  return MakeErrorFromMessage(c, absl::StrFormat(format, args...));
}

// The same status with `context` put behind the class word: "SHAPE: <context>: ...".
absl::Status AddContext(const absl::Status& status, absl::string_view context);

namespace internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& detail);
inline absl::Status ToStatus(absl::Status s) { return s; }
template <typename T>
absl::Status ToStatus(const absl::StatusOr<T>& s) {
  return s.status();
}
}  // namespace internal

}  // namespace athanor

#define ATH_CHECK(condition)                                                          \
  do {                                                                                \
    if (!(condition)) ::athanor::internal::CheckFailed(__FILE__, __LINE__, #condition, ""); \
  } while (0)

// For statuses that can only fail by a bug of our own.
#define ATH_CHECK_OK(expr)                                                                                   \
  do {                                                                                                       \
    auto ath_check_status = ::athanor::internal::ToStatus(expr);                                             \
    if (!ath_check_status.ok())                                                                              \
      ::athanor::internal::CheckFailed(__FILE__, __LINE__, #expr, std::string(ath_check_status.ToString())); \
  } while (0)

#define ATH_RETURN_IF_ERROR(expr)                                        \
  do {                                                                   \
    absl::Status ath_status = (expr);                                    \
    if (!ath_status.ok()) [[unlikely]] return ath_status;                \
  } while (0)

#define ATH_CONCAT_INNER(a, b) a##b
#define ATH_CONCAT(a, b) ATH_CONCAT_INNER(a, b)
// ATH_ASSIGN_OR_RETURN(auto x, MakeX());
#define ATH_ASSIGN_OR_RETURN(lhs, expr) ATH_ASSIGN_OR_RETURN_IMPL(ATH_CONCAT(ath_statusor_, __LINE__), lhs, expr)
#define ATH_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr)       \
  auto tmp = (expr);                                    \
  if (!tmp.ok()) [[unlikely]] return tmp.status();      \
  lhs = std::move(tmp).value()

#endif  // ATHANOR_RUNTIME_CORE_STATUS_H_
