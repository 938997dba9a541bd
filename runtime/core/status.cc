#include "runtime/core/status.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace athanor {
namespace {
constexpr absl::string_view kNames[] = {"FORMAT", "VERSION", "LIMIT", "GRAPH", "SHAPE", "DTYPE", "ATTR",
                                        "INDEX",  "DATA",    "CKPT",  "PLAN",  "PATH",  "REQ"};

absl::StatusCode CodeFor(ErrorClass c) {
  switch (c) {
    case ErrorClass::kVersion:
      return absl::StatusCode::kFailedPrecondition;
    case ErrorClass::kLimit:
      return absl::StatusCode::kResourceExhausted;
    case ErrorClass::kIndex:
      return absl::StatusCode::kOutOfRange;
    case ErrorClass::kPath:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}
}  // namespace

absl::string_view ErrorClassName(ErrorClass c) { return kNames[static_cast<int>(c)]; }

absl::string_view ErrorClassOf(const absl::Status& status) {
  for (absl::string_view name : kNames) {
    if (absl::StartsWith(status.message(), absl::StrCat(name, ": "))) return name;
  }
  return "";
}

absl::Status MakeErrorFromMessage(ErrorClass c, std::string message) {
  return absl::Status(CodeFor(c), absl::StrCat(ErrorClassName(c), ": ", message));
}

absl::Status AddContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::string_view name = ErrorClassOf(status);
  if (name.empty()) return absl::Status(status.code(), absl::StrCat(context, ": ", status.message()));
  absl::string_view rest = status.message().substr(name.size() + 2);
  return absl::Status(status.code(), absl::StrCat(name, ": ", context, ": ", rest));
}

namespace internal {
void CheckFailed(const char* file, int line, const char* condition, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s %s\n", file, line, condition, detail.c_str());
  std::abort();
}
}  // namespace internal
}  // namespace athanor
