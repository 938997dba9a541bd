#include "compiler/program/verify.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

class Verifier {
 public:
  Verifier(const Entry& entry, absl::Span<const Variable> variables, const ProgramRules& rules)
      : e_(entry), variables_(variables), rules_(rules), written_(entry.buffers.size(), false) {}

  absl::Status Run() {
    for (int id = 0; id < num_buffers(); ++id) ATH_RETURN_IF_ERROR(CheckBuffer(id));
    ATH_RETURN_IF_ERROR(CheckAliasCycles());
    for (int id = 0; id < num_buffers(); ++id) ATH_RETURN_IF_ERROR(CheckView(id));
    ATH_RETURN_IF_ERROR(CheckInputs());
    for (size_t i = 0; i < e_.calls.size(); ++i) ATH_RETURN_IF_ERROR(CheckCall(static_cast<int>(i)));
    return CheckOutputs();
  }

 private:
  int num_buffers() const { return static_cast<int>(e_.buffers.size()); }
  bool InRange(BufferId id) const { return id >= 0 && id < num_buffers(); }
  const Buffer& Root(BufferId id) const { return e_.buffers[RootBuffer(e_, id)]; }

  template <typename... Args>
  absl::Status Error(const absl::FormatSpec<Args...>& format, const Args&... args) const {
    return MakeError(ErrorClass::kPlan, "entry \"%s\": %s", e_.name, absl::StrFormat(format, args...));
  }
  absl::Status BufferError(BufferId id, absl::string_view rule) const {
    return Error("buffer %d \"%s\" %s", id, e_.buffers[id].name, rule);
  }
  absl::Status CallError(int i, absl::string_view rule) const {
    const KernelCall& c = e_.calls[i];
    return Error("call %d \"%s\" (%s): %s", i, c.name, c.kernel, rule);
  }
  std::string Named(BufferId id) const { return absl::StrFormat("buffer %d \"%s\"", id, e_.buffers[id].name); }

  absl::Status CheckBuffer(BufferId id) const {
    const Buffer& b = e_.buffers[id];
    if (b.kind > BufferKind::kVariable) return BufferError(id, absl::StrCat("is of unknown kind ", int(b.kind)));
    if (DTypeSize(b.desc.dtype) == 0) return BufferError(id, "has no dtype");
    if (auto bytes = NumBytes(b.desc.dtype, b.desc.dims); !bytes.ok()) return BufferError(id, bytes.status().message());
    if (b.bytes < 0) return BufferError(id, absl::StrCat("has ", b.bytes, " bytes"));
    if (b.layout_like != kNoBuffer && !InRange(b.layout_like)) {
      return BufferError(id, absl::StrCat("wants the layout of buffer ", b.layout_like, ", which there is not"));
    }
    if (rules_.decided_layouts) ATH_RETURN_IF_ERROR(CheckDecided(id));
    return CheckVariable(id);
  }

  absl::Status CheckDecided(BufferId id) const {
    const Buffer& b = e_.buffers[id];
    int64_t least = *NumBytes(b.desc.dtype, b.desc.dims);
    if (b.desc.any()) return BufferError(id, "has no layout");
    if (b.bytes < least || b.bytes % kAlignment != 0) {
      return BufferError(id, absl::StrFormat("has %d bytes: %s needs at least %d, in a multiple of %d", b.bytes,
                                             b.desc.ToString(), least, kAlignment));
    }
    return absl::OkStatus();
  }

  absl::Status CheckVariable(BufferId id) const {
    const Buffer& b = e_.buffers[id];
    if (b.kind != BufferKind::kVariable) {
      return b.variable == -1 ? absl::OkStatus() : BufferError(id, "names a variable and is not of that kind");
    }
    if (b.variable < 0 || b.variable >= static_cast<int>(variables_.size())) {
      return BufferError(id, absl::StrCat("names variable ", b.variable, ", which there is not"));
    }
    const Variable& v = variables_[b.variable];
    bool agrees = v.desc.dtype == b.desc.dtype && v.desc.dims == b.desc.dims;
    if (rules_.decided_layouts) agrees = v.desc == b.desc && v.bytes == b.bytes;
    if (agrees) return absl::OkStatus();
    return BufferError(id, absl::StrFormat("is %s of %d bytes, its variable \"%s\" is %s of %d bytes",
                                           b.desc.ToString(), b.bytes, v.name, v.desc.ToString(), v.bytes));
  }

  // Before anything follows a chain of views to its root.
  absl::Status CheckAliasCycles() const {
    std::vector<int> seen_from(num_buffers(), kNoBuffer);
    for (int start = 0; start < num_buffers(); ++start) {
      for (BufferId id = start; id != kNoBuffer && seen_from[id] == kNoBuffer; id = e_.buffers[id].alias_of) {
        seen_from[id] = start;
        BufferId next = e_.buffers[id].alias_of;
        if (next == kNoBuffer) break;
        if (!InRange(next)) return BufferError(id, absl::StrCat("views buffer ", next, ", which there is not"));
        if (seen_from[next] == start) return BufferError(id, "views itself");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckView(BufferId id) const {
    const Buffer& b = e_.buffers[id];
    if (b.alias_of == kNoBuffer) return absl::OkStatus();
    const Buffer& of = e_.buffers[b.alias_of];
    if (b.kind != BufferKind::kTemporary && b.kind != BufferKind::kOutput) {
      return BufferError(id, "is a view, and neither a temporary nor an output");
    }
    bool fits = b.desc.dtype == of.desc.dtype && *NumElements(b.desc.dims) == *NumElements(of.desc.dims);
    if (fits && !b.desc.any() && !of.desc.any()) fits = b.desc == of.desc || (b.desc.plain() && of.desc.plain());
    if (fits && rules_.decided_layouts) fits = b.bytes <= of.bytes;
    if (fits) return absl::OkStatus();
    return BufferError(id, absl::StrFormat("(%s, %d bytes) cannot be a view of %s (%s, %d bytes)", b.desc.ToString(),
                                           b.bytes, Named(b.alias_of), of.desc.ToString(), of.bytes));
  }

  absl::Status CheckNamed(const char* what, const std::vector<NamedBuffer>& list) const {
    std::set<std::string> names;
    for (const NamedBuffer& n : list) {
      if (!InRange(n.buffer)) return Error("%s \"%s\" is buffer %d, which there is not", what, n.name, n.buffer);
      if (!names.insert(n.name).second) return Error("two %ss are called \"%s\"", what, n.name);
    }
    return absl::OkStatus();
  }

  absl::Status CheckInputs() {
    ATH_RETURN_IF_ERROR(CheckNamed("input", e_.inputs));
    for (const NamedBuffer& n : e_.inputs) {
      if (e_.buffers[n.buffer].kind != BufferKind::kInput) {
        return Error("input \"%s\" is %s, which is not of kind input", n.name, Named(n.buffer));
      }
      if (written_[n.buffer]) return Error("input \"%s\" is %s, as another input is", n.name, Named(n.buffer));
      written_[n.buffer] = true;
    }
    for (int id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].kind == BufferKind::kVariable) written_[id] = true;
      if (e_.buffers[id].kind == BufferKind::kInput && !written_[id]) {
        return BufferError(id, "is of kind input, and no input of the entry");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckCall(int i) {
    const KernelCall& c = e_.calls[i];
    const KernelDef* def = KernelRegistry::Get().Find(c.kernel);
    if (rules_.known_kernels && def == nullptr) return CallError(i, "there is no such kernel");
    if (c.threads < 1) return CallError(i, absl::StrCat("has ", c.threads, " threads"));
    if (c.scratch_bytes < 0) return CallError(i, absl::StrCat("has ", c.scratch_bytes, " bytes of scratch"));
    for (const PostOp& p : c.post_ops) {
      if (p.operand < -1 || p.operand >= static_cast<int>(c.inputs.size())) {
        return CallError(i, absl::StrFormat("post-op %s reads input %d of %d", p.op, p.operand, c.inputs.size()));
      }
    }
    for (BufferId id : c.inputs) {
      if (!InRange(id)) return CallError(i, absl::StrCat("reads buffer ", id, ", which there is not"));
      if (!written_[RootBuffer(e_, id)])
        return CallError(i, absl::StrCat("reads ", Named(id), " before it is written"));
    }
    for (size_t k = 0; k < c.outputs.size(); ++k) ATH_RETURN_IF_ERROR(CheckWrite(i, static_cast<int>(k), def));
    return absl::OkStatus();
  }

  absl::Status CheckWrite(int i, int k, const KernelDef* def) {
    const KernelCall& c = e_.calls[i];
    BufferId id = c.outputs[k];
    if (!InRange(id)) return CallError(i, absl::StrCat("writes buffer ", id, ", which there is not"));
    BufferId root = RootBuffer(e_, id);
    BufferKind kind = e_.buffers[root].kind;
    if (kind == BufferKind::kInput) return CallError(i, absl::StrCat("writes ", Named(id), ", an input of the entry"));
    if (kind == BufferKind::kVariable) {
      const Variable& v = variables_[e_.buffers[root].variable];
      if (v.kind == VariableKind::kConstant) return CallError(i, absl::StrCat("writes the constant \"", v.name, "\""));
    }
    for (int other = 0; other < k; ++other) {
      if (SameMemory(c.outputs[other], id)) {
        return CallError(i, absl::StrFormat("outputs %d and %d are the same memory: %s", other, k, Named(id)));
      }
    }
    if (kind != BufferKind::kVariable && written_[root] && !Accumulates(c, k, def)) {
      return CallError(i, absl::StrCat("writes ", Named(id), ", which was written before"));
    }
    written_[root] = true;
    return absl::OkStatus();
  }

  bool SameMemory(BufferId a, BufferId b) const {
    if (RootBuffer(e_, a) == RootBuffer(e_, b)) return true;
    return Root(a).kind == BufferKind::kVariable && Root(a).variable == Root(b).variable;
  }

  // The call also reads what it writes, in place. Without the kernel's definition its word is taken for that.
  bool Accumulates(const KernelCall& c, int k, const KernelDef* def) const {
    std::vector<std::pair<int, int>> in_place;
    if (def != nullptr) {
      in_place = def->InPlace(c.attrs, static_cast<int>(c.inputs.size()), static_cast<int>(c.outputs.size()));
    }
    for (int j = 0; j < static_cast<int>(c.inputs.size()); ++j) {
      if (!SameMemory(c.inputs[j], c.outputs[k])) continue;
      if (def == nullptr) return true;
      if (std::find(in_place.begin(), in_place.end(), std::pair(k, j)) != in_place.end()) return true;
    }
    return false;
  }

  absl::Status CheckOutputs() const {
    ATH_RETURN_IF_ERROR(CheckNamed("output", e_.outputs));
    std::vector<bool> named(e_.buffers.size(), false);
    for (const NamedBuffer& n : e_.outputs) {
      named[n.buffer] = true;
      if (e_.buffers[n.buffer].kind == BufferKind::kTemporary) {
        return Error("output \"%s\" is %s, which is a temporary", n.name, Named(n.buffer));
      }
      if (!written_[RootBuffer(e_, n.buffer)]) {
        return Error("output \"%s\" is %s, which no call writes", n.name, Named(n.buffer));
      }
    }
    for (int id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].kind == BufferKind::kOutput && !named[id]) {
        return BufferError(id, "is of kind output, and no output of the entry");
      }
    }
    return absl::OkStatus();
  }

  const Entry& e_;
  absl::Span<const Variable> variables_;
  const ProgramRules& rules_;
  std::vector<bool> written_;  // by root
};

}  // namespace

absl::Status VerifyProgram(const Entry& entry, absl::Span<const Variable> variables, const ProgramRules& rules) {
  return Verifier(entry, variables, rules).Run();
}

}  // namespace athanor
