// What kernels with a loop of our own share: checks of the call, which may come from a damaged plan, and the answer to
// query. Does not include oneDNN's header.
#ifndef ATHANOR_RUNTIME_KERNELS_OWN_LOOP_H_
#define ATHANOR_RUNTIME_KERNELS_OWN_LOOP_H_

#include <string>
#include <variant>

#include "runtime/kernels/kernel.h"

namespace athanor {

// PLAN error naming the kernel and the call.
template <typename... Args>
absl::Status CallError(const CallSpec& spec, const absl::FormatSpec<Args...>& format, const Args&... args) {
  return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\": %s", spec.kernel, spec.name,
                   absl::StrFormat(format, args...));
}

// PLAN error unless there are this many operands and no post-ops.
absl::Status CheckOperands(const CallSpec& spec, size_t inputs, size_t outputs);
// PLAN error unless all operands have the element type of the first input.
absl::Status CheckOneDtype(const CallSpec& spec);

// A required attribute; PLAN error where it is missing or of another type.
template <typename T>
absl::Status ReadAttr(const CallSpec& spec, absl::string_view name, T* value) {
  const AttrValue* v = spec.attrs.Find(name);
  const T* typed = v == nullptr ? nullptr : std::get_if<T>(v);
  if (typed == nullptr) {
    return CallError(spec, "attribute \"%s\" is %s", name, v == nullptr ? "missing" : "of the wrong type");
  }
  *value = *typed;
  return absl::OkStatus();
}

// Operands as `spec` has them but row-major, their bytes as traffic, no scratch.
absl::StatusOr<KernelInfo> PlainInfo(const CallSpec& spec, std::string impl);

// Sum of the operands' bytes in the layouts of `info`. SHAPE, LIMIT or FORMAT error for an operand that cannot be.
absl::StatusOr<double> TrafficBytes(const KernelInfo& info);

// PLAN error unless the call has the layouts that query asked for: for the start of create.
absl::Status CheckSettled(const CallSpec& spec, const KernelInfo& info);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_OWN_LOOP_H_
