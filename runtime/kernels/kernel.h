// A kernel wraps one oneDNN primitive or one plain SIMD loop of ours. The compiler asks its KernelDef which layouts it
// wants and how much scratch it needs; a session makes a Kernel of every call in the plan, once, and then only runs it.
#ifndef ATHANOR_RUNTIME_KERNELS_KERNEL_H_
#define ATHANOR_RUNTIME_KERNELS_KERNEL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "runtime/core/attributes.h"
#include "runtime/core/memory_desc.h"
#include "runtime/core/status.h"

namespace athanor {

// An operation fused into the end of a kernel: oneDNN's post-ops. `op` is the operator's name ("ReLU", "Add", "Mul",
// ...). A binary post-op reads the call's input number `operand`; a unary one has operand -1. The result so far is
// the left operand.
struct PostOp {
  std::string op;
  Attributes attrs;
  int operand = -1;
  bool operator==(const PostOp&) const = default;
};

// One kernel call without addresses. Optional inputs that are absent are left out of `inputs`, and an attribute of
// the kernel says so (for example convolution's "bias" = true).
struct CallSpec {
  std::string kernel;  // KernelDef::name
  std::string name;    // for errors and profiles: the node it comes from
  Attributes attrs;
  std::vector<PostOp> post_ops;
  std::vector<MemoryDesc> inputs;
  std::vector<MemoryDesc> outputs;
  int threads = 1;
};

// What a kernel says of a call: the same operands with every layout decided, and the resources it needs.
struct KernelInfo {
  std::vector<MemoryDesc> inputs;
  std::vector<MemoryDesc> outputs;
  int64_t scratch_bytes = 0;
  std::string impl;    // "jit:avx512_core", "ours:philox", ...
  double flops = 0;    // floating-point operations of one run (multiply and add count as two)
  double bytes = 0;    // least memory traffic of one run: operands read once, results written once
};

// A prepared call. Not thread-safe; a session has its own.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Sets the addresses for all later runs: one pointer an operand, 64-byte aligned, in the call's order.
  virtual absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) = 0;
  // Does the work. Allocates nothing. INDEX error for a bad value in the data (a label out of range).
  virtual absl::Status Run() = 0;
};

struct KernelDef {
  std::string name;
  // Decides layouts. In `spec`, a layout that is set is what the operand has now (or, for an output, what its reader
  // would like); an empty one is undecided. The kernel returns the layouts it wants to run with: the compiler puts a
  // reorder before an input whose layout differs. For oneDNN kernels: keep what is given if an optimised
  // implementation takes it, else choose by format_tag::any. Own loops ask for plain layouts, elementwise ones for the
  // layout of their first input. Errors: what the kernel cannot do, naming spec.name.
  absl::StatusOr<KernelInfo> (*query)(const CallSpec& spec) = nullptr;
  // Makes the kernel for a call with all layouts decided (as query returned them).
  absl::StatusOr<std::unique_ptr<Kernel>> (*create)(const CallSpec& spec) = nullptr;
  // Pairs {output, input} that may be the same memory (of equal MemoryDesc). Everything else must be disjoint.
  std::vector<std::pair<int, int>> in_place;
  // The same, in place of `in_place`, for kernels whose operands depend on the call: on its attributes and the numbers of
  // its inputs and outputs. Never a pair out of these ranges, whatever a damaged plan says.
  std::vector<std::pair<int, int>> (*in_place_of)(const Attributes& attrs, int inputs, int outputs) = nullptr;
  // For kernels that treat several groups of operands alike in one call (an optimizer's parameters): the number of inputs
  // of a group. The int attribute "groups" says how many there are; the inputs are those of each group in turn, then
  // what all share; the outputs are those of each group in turn. So that calls may be merged.
  int (*group_inputs)(const Attributes& attrs) = nullptr;

  std::vector<std::pair<int, int>> InPlace(const Attributes& attrs, int inputs, int outputs) const {
    return in_place_of != nullptr ? in_place_of(attrs, inputs, outputs) : in_place;
  }
};

// The table of kernels, filled by static registration (REGISTER_KERNEL in each kernel's file).
class KernelRegistry {
 public:
  static KernelRegistry& Get();
  void Register(KernelDef def);
  // nullptr when there is none of this name.
  const KernelDef* Find(absl::string_view name) const;
  std::vector<std::string> Names() const;  // sorted

 private:
  std::vector<std::unique_ptr<KernelDef>> defs_;
};

struct KernelRegistration {
  explicit KernelRegistration(KernelDef def) { KernelRegistry::Get().Register(std::move(def)); }
};
#define ATH_REGISTER_KERNEL(...) \
  static const ::athanor::KernelRegistration ATH_CONCAT(ath_kernel_, __LINE__)(__VA_ARGS__)

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_KERNEL_H_
