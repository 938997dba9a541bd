#include "runtime/plan/check_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/core/checked.h"
#include "runtime/core/cpu.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr int64_t kMaxBlock = 4096;

template <typename... Args>
absl::Status PlanError(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return MakeError(ErrorClass::kPlan, format, args...);
}

std::string Quoted(absl::string_view s) { return absl::StrCat("\"", absl::CHexEscape(s), "\""); }

absl::Status CheckText(absl::string_view text, absl::string_view what) {
  if (IsPrintableUtf8(text)) return absl::OkStatus();
  return PlanError("%s %s is no printable UTF-8", what, Quoted(text));
}

// Names that must be there and must differ.
class Names {
 public:
  explicit Names(absl::string_view what) : what_(what) {}
  absl::Status Add(const std::string& name) {
    if (name.empty()) return PlanError("%s without a name", what_);
    ATH_RETURN_IF_ERROR(CheckText(name, what_));
    if (!seen_.insert(name).second) return PlanError("%s %s is there twice", what_, Quoted(name));
    return absl::OkStatus();
  }

 private:
  absl::string_view what_;
  std::unordered_set<std::string_view> seen_;
};

absl::Status CheckPlace(int64_t offset, int64_t bytes, int64_t arena, absl::string_view arena_name) {
  if (bytes < 0 || bytes % kAlignment != 0) return PlanError("%d bytes are no multiple of %d", bytes, kAlignment);
  if (offset == kUnplaced) return absl::OkStatus();
  if (offset < 0 || offset % kAlignment != 0)
    return PlanError("the offset %d is no multiple of %d", offset, kAlignment);
  auto end = CheckedAdd(offset, bytes);
  if (!end || *end > arena) {
    return PlanError("%d bytes at %d are beyond the %s of %d", bytes, offset, arena_name, arena);
  }
  return absl::OkStatus();
}

absl::Status CheckHolds(const MemoryDesc& desc, int64_t bytes) {
  ATH_ASSIGN_OR_RETURN(int64_t needed, BytesInLayout(desc));
  if (needed <= bytes) return absl::OkStatus();
  return PlanError("%s needs %d bytes, but has %d", desc.ToString(), needed, bytes);
}

absl::Status CheckVariable(const Variable& v, int64_t weight_bytes) {
  if (v.kind > VariableKind::kConstant) return PlanError("unknown kind %d", static_cast<int>(v.kind));
  ATH_RETURN_IF_ERROR(CheckHolds(v.desc, v.bytes));
  ATH_RETURN_IF_ERROR(CheckPlace(v.offset, v.bytes, weight_bytes, "weight arena"));
  if (v.data != nullptr && (v.data->dtype() != v.desc.dtype || v.data->shape() != v.desc.dims)) {
    return PlanError("the data is %s%s, but the variable %s", DTypeName(v.data->dtype()),
                     ShapeToString(v.data->shape()), v.desc.ToString());
  }
  return absl::OkStatus();
}

class EntryChecker {
 public:
  EntryChecker(const Plan& plan, const Entry& entry) : plan_(plan), entry_(entry) {}

  absl::Status Check() {
    if (entry_.arena_bytes < 0 || entry_.arena_bytes > plan_.activation_bytes) {
      return PlanError("its arena of %d bytes is beyond the plan's %d", entry_.arena_bytes, plan_.activation_bytes);
    }
    if (entry_.reorders < 0) return PlanError("%d reorders", entry_.reorders);
    for (const auto& [symbol, size] : entry_.symbols) {
      ATH_RETURN_IF_ERROR(CheckText(symbol, "symbol"));
      if (size < 0) return PlanError("symbol %s is %d", Quoted(symbol), size);
    }
    for (const Buffer& b : entry_.buffers) ATH_RETURN_IF_ERROR(AddContext(CheckBuffer(b), BufferText(b)));
    ATH_RETURN_IF_ERROR(CheckViews());
    for (const KernelCall& c : entry_.calls) {
      ATH_RETURN_IF_ERROR(CheckText(c.name, "call"));
      ATH_RETURN_IF_ERROR(AddContext(CheckCall(c), absl::StrCat("call ", Quoted(c.name))));
    }
    ATH_RETURN_IF_ERROR(CheckNamed(entry_.inputs, "input"));
    return CheckNamed(entry_.outputs, "output");
  }

 private:
  bool Exists(BufferId id) const { return id >= 0 && id < static_cast<BufferId>(entry_.buffers.size()); }

  std::string BufferText(const Buffer& b) const {
    return absl::StrCat("buffer ", &b - entry_.buffers.data(), " ", Quoted(b.name));
  }

  absl::Status CheckBuffer(const Buffer& b) const {
    ATH_RETURN_IF_ERROR(CheckText(b.name, "buffer"));
    if (b.kind > BufferKind::kVariable) return PlanError("unknown kind %d", static_cast<int>(b.kind));
    ATH_RETURN_IF_ERROR(CheckHolds(b.desc, b.bytes));
    ATH_RETURN_IF_ERROR(CheckPlace(b.offset, b.bytes, entry_.arena_bytes, "arena"));
    if (b.kind != BufferKind::kVariable) {
      if (b.variable != -1) return PlanError("names variable %d without being one", b.variable);
      return absl::OkStatus();
    }
    if (b.variable < 0 || b.variable >= static_cast<int>(plan_.variables.size())) {
      return PlanError("there is no variable %d of %d", b.variable, plan_.variables.size());
    }
    const Variable& v = plan_.variables[b.variable];
    if (b.bytes > v.bytes) return PlanError("%d bytes are more than variable %s has, %d", b.bytes, v.name, v.bytes);
    return absl::OkStatus();
  }

  // Walks each chain of views once: `root` is kept for the buffers behind it.
  absl::Status CheckViews() const {
    std::vector<BufferId> root(entry_.buffers.size(), kNoBuffer);
    std::vector<BufferId> chain;
    for (size_t start = 0; start < entry_.buffers.size(); ++start) {
      chain.clear();
      BufferId id = static_cast<BufferId>(start);
      while (root[id] == kNoBuffer && entry_.buffers[id].alias_of != kNoBuffer) {
        chain.push_back(id);
        const Buffer& b = entry_.buffers[id];
        if (!Exists(b.alias_of)) return PlanError("%s: views buffer %d of %d", BufferText(b), b.alias_of, root.size());
        if (chain.size() > entry_.buffers.size()) return PlanError("%s: is a view of itself", BufferText(b));
        id = b.alias_of;
      }
      BufferId end = root[id] == kNoBuffer ? id : root[id];
      root[id] = end;
      for (BufferId view : chain) {
        root[view] = end;
        const Buffer &b = entry_.buffers[view], &whole = entry_.buffers[end];
        if (b.bytes > whole.bytes) {
          return PlanError("%s: %d bytes are more than those of %s, which it views, %d", BufferText(b), b.bytes,
                           BufferText(whole), whole.bytes);
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckOperands(const std::vector<BufferId>& ids, absl::string_view what) const {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!Exists(ids[i])) {
        return PlanError("%s %d: there is no buffer %d of %d", what, i, ids[i], entry_.buffers.size());
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckCall(const KernelCall& c) const {
    if (c.kernel.empty()) return PlanError("a kernel without a name");
    ATH_RETURN_IF_ERROR(CheckText(c.kernel, "kernel"));
    ATH_RETURN_IF_ERROR(CheckText(c.impl, "implementation"));
    ATH_RETURN_IF_ERROR(CheckOperands(c.inputs, "input"));
    ATH_RETURN_IF_ERROR(CheckOperands(c.outputs, "output"));
    if (c.post_ops.size() > kMaxPostOps) {
      return PlanError("%d post-ops are above the limit of %d", c.post_ops.size(), kMaxPostOps);
    }
    for (const PostOp& p : c.post_ops) {
      if (p.op.empty()) return PlanError("a post-op without a name");
      ATH_RETURN_IF_ERROR(CheckText(p.op, "post-op"));
      if (p.operand < -1 || p.operand >= static_cast<int>(c.inputs.size())) {
        return PlanError("post-op %s: operand %d is not among the %d inputs", p.op, p.operand, c.inputs.size());
      }
    }
    if (c.threads < 1 || c.threads > kMaxThreads) {
      return PlanError("%d threads are not in 1..%d", c.threads, kMaxThreads);
    }
    if (!(c.flops >= 0) || !std::isfinite(c.flops) || !(c.bytes >= 0) || !std::isfinite(c.bytes)) {
      return PlanError("%g floating-point operations and %g bytes of traffic", c.flops, c.bytes);
    }
    // A kernel's scratch need not be a multiple of the alignment.
    auto scratch = CheckedAlignUp(c.scratch_bytes, kAlignment);
    if (c.scratch_bytes < 0 || !scratch) return PlanError("%d bytes of scratch", c.scratch_bytes);
    if (c.scratch_bytes == 0) return absl::OkStatus();
    return AddContext(CheckPlace(c.scratch_offset, *scratch, entry_.arena_bytes, "arena"), "scratch");
  }

  absl::Status CheckNamed(const std::vector<NamedBuffer>& items, absl::string_view what) const {
    Names names(what);
    for (const NamedBuffer& item : items) {
      ATH_RETURN_IF_ERROR(names.Add(item.name));
      if (!Exists(item.buffer)) {
        return PlanError("%s %s: there is no buffer %d of %d", what, Quoted(item.name), item.buffer,
                         entry_.buffers.size());
      }
    }
    return absl::OkStatus();
  }

  const Plan& plan_;
  const Entry& entry_;
};

absl::Status CheckMemory(const Plan& plan, const PlanLimits& limits) {
  if (plan.weight_bytes < 0 || plan.activation_bytes < 0) {
    return PlanError("%d bytes of weights and %d of activations", plan.weight_bytes, plan.activation_bytes);
  }
  const int64_t max = limits.max_memory > 0 ? limits.max_memory : PhysicalMemoryBytes();
  auto total = CheckedAdd(plan.weight_bytes, plan.activation_bytes);
  if (total && *total <= max) return absl::OkStatus();
  return MakeError(ErrorClass::kLimit, "%d bytes of weights and %d of activations are above the limit of %d bytes",
                   plan.weight_bytes, plan.activation_bytes, max);
}

}  // namespace

absl::StatusOr<int64_t> BytesInLayout(const MemoryDesc& desc) {
  if (DTypeSize(desc.dtype) == 0) {
    return MakeError(ErrorClass::kDtype, "unknown element type %d", static_cast<int>(desc.dtype));
  }
  ATH_RETURN_IF_ERROR(NumElements(desc.dims).status());
  Shape padded = desc.dims.empty() ? Shape{1} : desc.dims;
  auto bad = [&] { return PlanError("%s is no layout of %d dimensions", Quoted(desc.layout), padded.size()); };
  std::array<int64_t, kMaxRank> block;
  block.fill(1);
  std::array<int, kMaxRank> times = {};
  size_t i = 0;
  for (; i < desc.layout.size() && absl::ascii_isalpha(desc.layout[i]); ++i) {
    size_t dim = absl::ascii_tolower(desc.layout[i]) - 'a';
    if (dim >= padded.size() || times[dim]++ != 0) return bad();
  }
  if (i != padded.size()) return bad();
  while (i < desc.layout.size()) {  // inner blocks: "16b4c"
    int64_t size = 0;
    for (; i < desc.layout.size() && absl::ascii_isdigit(desc.layout[i]) && size <= kMaxBlock; ++i) {
      size = size * 10 + (desc.layout[i] - '0');
    }
    if (i == desc.layout.size() || !absl::ascii_islower(desc.layout[i])) return bad();
    size_t dim = desc.layout[i++] - 'a';
    if (dim >= padded.size() || size < 1) return bad();
    block[dim] *= size;
    if (block[dim] > kMaxBlock) return bad();
  }
  for (size_t d = 0; d < padded.size(); ++d) {
    int64_t rest = padded[d] % block[d];
    auto up = CheckedAdd(padded[d], rest == 0 ? 0 : block[d] - rest);
    if (!up) return MakeError(ErrorClass::kLimit, "the byte count of %s overflows 64 bits", desc.ToString());
    padded[d] = *up;
  }
  return NumBytes(desc.dtype, padded);
}

absl::Status CheckPlan(const Plan& plan, const PlanLimits& limits) {
  ATH_RETURN_IF_ERROR(CheckMemory(plan, limits));
  ATH_RETURN_IF_ERROR(CheckText(plan.model_name, "model"));
  ATH_RETURN_IF_ERROR(CheckText(plan.target.isa, "ISA"));
  ATH_RETURN_IF_ERROR(CheckText(plan.target.onednn_version, "oneDNN version"));
  if (plan.target.threads < 1 || plan.target.threads > kMaxThreads) {
    return PlanError("%d threads are not in 1..%d", plan.target.threads, kMaxThreads);
  }
  Names variables("variable");
  for (const Variable& v : plan.variables) {
    ATH_RETURN_IF_ERROR(variables.Add(v.name));
    ATH_RETURN_IF_ERROR(AddContext(CheckVariable(v, plan.weight_bytes), absl::StrCat("variable ", Quoted(v.name))));
  }
  Names entries("entry");
  for (const Entry& e : plan.entries) {
    ATH_RETURN_IF_ERROR(entries.Add(e.name));
    ATH_RETURN_IF_ERROR(AddContext(EntryChecker(plan, e).Check(), absl::StrCat("entry ", Quoted(e.name))));
  }
  return absl::OkStatus();
}

}  // namespace athanor
