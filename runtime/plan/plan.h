// The compiled form of a model: for each entry a list of kernel calls over buffers that all have a place. The compiler
// builds these structures (its second IR, "the program"), a .plan file stores them, a session executes them.
#ifndef ATHANOR_RUNTIME_PLAN_PLAN_H_
#define ATHANOR_RUNTIME_PLAN_PLAN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/attributes.h"
#include "runtime/core/memory_desc.h"
#include "runtime/core/tensor.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

using BufferId = int32_t;
inline constexpr BufferId kNoBuffer = -1;
inline constexpr int64_t kUnplaced = -1;
inline constexpr int64_t kAlignment = 64;  // of every buffer's offset and size, in bytes

enum class VariableKind : uint8_t {
  kParameter = 0,  // trained
  kState = 1,      // running statistics, optimizer slots
  kConstant = 2,   // never written
};

// Lives in the weight arena, shared by all entries and sessions of a plan.
struct Variable {
  std::string name;
  VariableKind kind = VariableKind::kParameter;
  MemoryDesc desc;                       // the layout the kernels want
  int64_t offset = kUnplaced, bytes = 0;  // in the weight arena; bytes include padding of the layout and alignment
  std::shared_ptr<const Tensor> data;    // initial value, row-major; null: zeros
};

enum class BufferKind : uint8_t {
  kTemporary = 0,
  kInput = 1,     // written by the caller before a run; never overwritten by the run
  kOutput = 2,    // read by the caller after a run
  kVariable = 3,  // a variable of the weight arena
};

struct Buffer {
  std::string name;
  BufferKind kind = BufferKind::kTemporary;
  MemoryDesc desc;
  int64_t offset = kUnplaced;  // in the activation arena (kVariable: see Plan::variables)
  int64_t bytes = 0;           // of the layout with its padding, aligned up to kAlignment
  int variable = -1;           // index into Plan::variables for kVariable
  // A view: this buffer is the bytes of `alias_of` (a reshape). It has no place of its own. -1: none.
  BufferId alias_of = kNoBuffer;
  // While compiling: prefer the layout of that buffer (a gradient wants its parameter's layout). -1: none.
  BufferId layout_like = kNoBuffer;
};

struct KernelCall {
  std::string kernel;
  std::string name;  // of the node it comes from
  Attributes attrs;
  std::vector<PostOp> post_ops;
  std::vector<BufferId> inputs, outputs;
  int threads = 1;
  int64_t scratch_bytes = 0, scratch_offset = kUnplaced;  // in the activation arena
  std::string impl;                                      // what the kernel said when compiled, for reports
  double flops = 0, bytes = 0;
};

struct NamedBuffer {
  std::string name;
  BufferId buffer = kNoBuffer;
};

struct Entry {
  std::string name;                        // "train", "evaluate", "infer", or with sizes "infer@N=8"
  std::map<std::string, int64_t> symbols;  // what the symbolic dimensions were fixed to: {"N": 8}
  std::vector<Buffer> buffers;
  std::vector<KernelCall> calls;
  std::vector<NamedBuffer> inputs, outputs;
  int64_t arena_bytes = 0;
  int reorders = 0;  // calls that only change a layout
};

struct Target {
  std::string isa;             // oneDNN's effective ISA when compiled: "avx512_core_bf16", "avx2", ...
  std::string onednn_version;  // "3.2.0"
  int threads = 1;
};

struct Plan {
  std::string model_name;
  uint64_t model_hash = 0;  // XXH3 of the model's graph text
  Attributes metadata;      // class names, normalisation: from the model
  Target target;
  std::vector<Variable> variables;
  std::vector<Entry> entries;
  int64_t weight_bytes = 0;      // the weight arena
  int64_t activation_bytes = 0;  // the largest entry's arena
  int64_t peak_bytes() const { return weight_bytes + activation_bytes; }

  // nullptr when there is none. "infer" also finds the only entry "infer@...".
  const Entry* FindEntry(absl::string_view name) const;
  const Variable* FindVariable(absl::string_view name) const;
};

// The root of a chain of views, and its place.
BufferId RootBuffer(const Entry& entry, BufferId id);

CallSpec SpecOf(const Entry& entry, const KernelCall& call);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_PLAN_PLAN_H_
