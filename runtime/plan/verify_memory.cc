#include "runtime/plan/verify_memory.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/core/checked.h"
#include "runtime/plan/byte_contents.h"

namespace athanor {
namespace {

// [offset, offset + bytes) if it is aligned and inside an arena of `arena` bytes.
absl::StatusOr<ByteRange> PlaceIn(int64_t arena, int64_t offset, int64_t bytes, bool weights) {
  auto end = CheckedAdd(offset, bytes);
  if (offset < 0 || bytes < 0 || offset % kAlignment != 0 || !end || *end > arena) {
    return MakeError(ErrorClass::kPlan,
                     "offset %d and %d bytes are not a place, aligned to %d, in the %s arena of %d bytes", offset,
                     bytes, kAlignment, weights ? "weight" : "activation", arena);
  }
  return ByteRange{weights, offset, *end};
}

// The layout is decided and `bytes` hold the elements and are aligned.
absl::Status CheckDesc(const MemoryDesc& desc, int64_t bytes) {
  if (DTypeSize(desc.dtype) == 0 || desc.any()) return MakeError(ErrorClass::kPlan, "has no dtype or no layout");
  auto least = NumBytes(desc.dtype, desc.dims);
  if (!least.ok()) return MakeErrorFromMessage(ErrorClass::kPlan, std::string(least.status().message()));
  if (bytes >= *least && bytes % kAlignment == 0) return absl::OkStatus();
  return MakeError(ErrorClass::kPlan, "has %d bytes; %s needs at least %d, in a multiple of %d", bytes, desc.ToString(),
                   *least, kAlignment);
}

class EntryVerifier {
 public:
  EntryVerifier(const Plan& plan, const Entry& entry)
      : plan_(plan), e_(entry), root_(entry.buffers.size(), kNoBuffer), range_(entry.buffers.size()) {}

  absl::Status Run() {
    const std::string where = absl::StrFormat("entry \"%s\"", e_.name);
    ATH_RETURN_IF_ERROR(AddContext(CheckBuffers(), where));
    ATH_RETURN_IF_ERROR(AddContext(WriteInputs(), where));
    for (size_t i = 0; i < e_.calls.size(); ++i) {
      const KernelCall& c = e_.calls[i];
      absl::Status status = CheckCall(c);
      if (status.ok()) continue;
      return AddContext(status, absl::StrFormat("%s: call %d \"%s\" (%s)", where, i, c.name, c.kernel));
    }
    return AddContext(CheckOutputs(), where);
  }

 private:
  int num_buffers() const { return static_cast<int>(e_.buffers.size()); }
  bool InRange(BufferId id) const { return id >= 0 && id < num_buffers(); }
  const Buffer& Root(BufferId id) const { return e_.buffers[root_[id]]; }
  std::string Named(BufferId id) const {
    std::string name = absl::StrFormat("buffer %d \"%s\"", id, e_.buffers[id].name);
    return range_[id].empty() ? name : absl::StrCat(name, " ", range_[id].ToString());
  }
  template <typename... Args>
  static absl::Status Error(const absl::FormatSpec<Args...>& format, const Args&... args) {
    return MakeError(ErrorClass::kPlan, format, args...);
  }

  absl::Status CheckBuffers() {
    for (BufferId id = 0; id < num_buffers(); ++id) ATH_RETURN_IF_ERROR(FindRoot(id));
    MarkUsed();
    // Roots first: a view's place is its root's.
    for (bool views : {false, true}) {
      for (BufferId id = 0; id < num_buffers(); ++id) {
        if ((root_[id] != id) != views) continue;
        absl::Status status = views ? CheckView(id) : CheckRoot(id);
        if (status.ok() && used_[id]) status = CheckDesc(e_.buffers[id].desc, e_.buffers[id].bytes);
        if (!status.ok()) return AddContext(status, Named(id));
      }
    }
    return absl::OkStatus();
  }

  // Follows the views up to a buffer whose root is known, then tells it to all on the way.
  absl::Status FindRoot(BufferId start) {
    std::vector<BufferId> way;
    BufferId id = start;
    while (root_[id] == kNoBuffer && e_.buffers[id].alias_of != kNoBuffer) {
      way.push_back(id);
      id = e_.buffers[id].alias_of;
      if (!InRange(id)) return Error("%s views buffer %d, which there is not", Named(way.back()), id);
      if (way.size() > e_.buffers.size()) return Error("%s views itself", Named(start));
    }
    if (root_[id] == kNoBuffer) root_[id] = id;
    for (BufferId view : way) root_[view] = root_[id];
    return absl::OkStatus();
  }

  void MarkUsed() {
    used_.assign(e_.buffers.size(), false);
    auto mark = [&](BufferId id) {
      if (InRange(id)) used_[id] = used_[root_[id]] = true;
    };
    for (const KernelCall& c : e_.calls) {
      for (BufferId id : c.inputs) mark(id);
      for (BufferId id : c.outputs) mark(id);
    }
    for (BufferId id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].kind == BufferKind::kInput || e_.buffers[id].kind == BufferKind::kOutput) mark(id);
    }
    for (const NamedBuffer& n : e_.inputs) mark(n.buffer);
    for (const NamedBuffer& n : e_.outputs) mark(n.buffer);
  }

  absl::Status CheckRoot(BufferId id) {
    const Buffer& b = e_.buffers[id];
    if (b.kind > BufferKind::kVariable) return Error("is of unknown kind %d", static_cast<int>(b.kind));
    if (b.kind == BufferKind::kVariable) return CheckVariable(id);
    if (b.variable != -1) return Error("names variable %d and is not of that kind", b.variable);
    if (b.offset == kUnplaced && !used_[id]) return absl::OkStatus();
    ATH_ASSIGN_OR_RETURN(range_[id], PlaceIn(e_.arena_bytes, b.offset, b.bytes, /*weights=*/false));
    return absl::OkStatus();
  }

  absl::Status CheckVariable(BufferId id) {
    const Buffer& b = e_.buffers[id];
    if (b.variable < 0 || b.variable >= static_cast<int>(plan_.variables.size())) {
      return Error("names variable %d, which there is not", b.variable);
    }
    if (b.offset != kUnplaced) return Error("is a variable's and has the offset %d of its own", b.offset);
    const Variable& v = plan_.variables[b.variable];
    if (b.desc != v.desc || b.bytes != v.bytes) {
      return Error("is %s of %d bytes, its variable \"%s\" is %s of %d bytes", b.desc.ToString(), b.bytes, v.name,
                   v.desc.ToString(), v.bytes);
    }
    range_[id] = ByteRange{true, v.offset, v.offset + v.bytes};  // VerifyWeights has checked the sum
    return absl::OkStatus();
  }

  absl::Status CheckView(BufferId id) {
    const Buffer& b = e_.buffers[id];
    if (b.kind != BufferKind::kTemporary && b.kind != BufferKind::kOutput) {
      return Error("is a view of kind %d; only temporaries and outputs are views", static_cast<int>(b.kind));
    }
    if (b.offset != kUnplaced || b.variable != -1) return Error("is a view and has a place or variable of its own");
    const ByteRange& whole = range_[root_[id]];
    if (b.bytes < 0 || b.bytes > Root(id).bytes) {
      return Error("has %d bytes, it is a view of %s of %d bytes", b.bytes, Named(root_[id]), Root(id).bytes);
    }
    range_[id] = whole.empty() ? whole : ByteRange{whole.weights, whole.begin, whole.begin + b.bytes};
    return absl::OkStatus();
  }

  // The caller writes them before every run.
  absl::Status WriteInputs() {
    std::vector<bool> named(e_.buffers.size(), false);
    for (const NamedBuffer& n : e_.inputs) {
      if (!InRange(n.buffer)) return Error("input \"%s\" is buffer %d, which there is not", n.name, n.buffer);
      if (e_.buffers[n.buffer].kind != BufferKind::kInput)
        return Error("input \"%s\" is %s, not of that kind", n.name, Named(n.buffer));
      if (named[n.buffer]) return Error("input \"%s\" is %s, as another input is", n.name, Named(n.buffer));
      named[n.buffer] = true;
      ATH_RETURN_IF_ERROR(CheckOverwrites(absl::StrCat("input \"", n.name, "\""), range_[n.buffer]));
      if (!range_[n.buffer].empty()) contents_.Claim(range_[n.buffer], n.buffer);
    }
    for (BufferId id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].kind == BufferKind::kInput && !named[id]) {
        return Error("%s is of kind input, and no input of the entry", Named(id));
      }
    }
    return absl::OkStatus();
  }

  // Nothing may ever be written over an input.
  absl::Status CheckOverwrites(const std::string& what, const ByteRange& r) const {
    if (r.weights || r.empty()) return absl::OkStatus();
    absl::Status status;
    contents_.ForEach(r, [&](const ByteContents::Segment& s) {
      if (e_.buffers[s.owner].kind == BufferKind::kInput) {
        status = Error("%s at %s overwrites the entry's input %s", what, r.ToString(), Named(s.owner));
      }
      return status.ok();
    });
    return status;
  }

  absl::Status CheckCall(const KernelCall& c) {
    ATH_ASSIGN_OR_RETURN(const KernelDef* def, FindKernel(c.kernel));
    ATH_RETURN_IF_ERROR(CheckIndices(c));
    for (BufferId id : c.inputs) ATH_RETURN_IF_ERROR(CheckHolds(id, "reads"));
    ByteRange scratch;
    if (c.scratch_bytes != 0 || c.scratch_offset != kUnplaced) {
      auto place = PlaceIn(e_.arena_bytes, c.scratch_offset, c.scratch_bytes, /*weights=*/false);
      if (!place.ok()) return AddContext(place.status(), "scratch");
      scratch = *place;
    }
    ATH_RETURN_IF_ERROR(CheckDisjoint(c, *def, scratch));
    return Write(c, scratch);
  }

  absl::StatusOr<const KernelDef*> FindKernel(const std::string& name) {
    auto [at, is_new] = kernels_.emplace(name, nullptr);
    if (is_new) at->second = KernelRegistry::Get().Find(name);
    if (at->second == nullptr) return Error("this build has no kernel \"%s\"", name);
    return at->second;
  }

  absl::Status CheckIndices(const KernelCall& c) const {
    for (const auto* operands : {&c.inputs, &c.outputs}) {
      for (BufferId id : *operands) {
        if (!InRange(id)) return Error("names buffer %d, which there is not", id);
      }
    }
    for (const PostOp& p : c.post_ops) {
      if (p.operand < -1 || p.operand >= static_cast<int>(c.inputs.size())) {
        return Error("post-op %s reads input %d of %d", p.op, p.operand, c.inputs.size());
      }
    }
    if (c.threads < 1) return Error("has %d threads", c.threads);
    return absl::OkStatus();
  }

  // Every byte of the buffer was written as this buffer, and by nothing since.
  absl::Status CheckHolds(BufferId id, absl::string_view verb) const {
    const ByteRange& r = range_[id];
    if (r.weights || r.empty()) return absl::OkStatus();
    int64_t at = r.begin;
    BufferId found = kNoBuffer;
    contents_.ForEach(r, [&](const ByteContents::Segment& s) {
      if (s.begin > at) return false;
      found = s.owner;
      if (found != root_[id]) return false;
      at = s.end;
      found = kNoBuffer;
      return true;
    });
    if (at >= r.end) return absl::OkStatus();
    if (found == kNoBuffer) {
      return Error("%s %s, but byte %d of the arena is not written or was scratch since", verb, Named(id), at);
    }
    return Error("%s %s, but byte %d of the arena holds %s", verb, Named(id), at, Named(found));
  }

  struct Written {
    ByteRange range;
    int output;  // -1: scratch
  };
  std::string Describe(const KernelCall& c, const Written& w) const {
    if (w.output == -1) return absl::StrCat("scratch ", w.range.ToString());
    return absl::StrFormat("output %d, %s", w.output, Named(c.outputs[w.output]));
  }

  // What the call writes is sorted and found disjoint first, so that each input meets few of them.
  absl::Status CheckDisjoint(const KernelCall& c, const KernelDef& def, const ByteRange& scratch) const {
    std::vector<Written> writes;
    if (!scratch.empty()) writes.push_back({scratch, -1});
    for (int k = 0; k < static_cast<int>(c.outputs.size()); ++k) {
      if (!range_[c.outputs[k]].empty()) writes.push_back({range_[c.outputs[k]], k});
    }
    auto before = [](const Written& a, const Written& b) { return Before(a.range, b.range); };
    std::sort(writes.begin(), writes.end(), before);
    for (size_t w = 1; w < writes.size(); ++w) {
      if (!Overlap(writes[w - 1].range, writes[w].range)) continue;
      return Error("%s overlaps %s", Describe(c, writes[w - 1]), Describe(c, writes[w]));
    }
    auto in_place = def.InPlace(c.attrs, static_cast<int>(c.inputs.size()), static_cast<int>(c.outputs.size()));
    std::sort(in_place.begin(), in_place.end());
    for (int j = 0; j < static_cast<int>(c.inputs.size()); ++j) {
      const ByteRange& r = range_[c.inputs[j]];
      if (r.empty()) continue;
      auto at = std::upper_bound(writes.begin(), writes.end(), Written{r, 0}, before);
      if (at != writes.begin()) --at;
      const ByteRange end{r.weights, r.end, r.end};
      for (; at != writes.end() && Before(at->range, end); ++at) {
        if (!Overlap(at->range, r) || MayBeInPlace(c, in_place, *at, j)) continue;
        return Error("%s overlaps input %d, %s, which kernel %s cannot take in place", Describe(c, *at), j,
                     Named(c.inputs[j]), c.kernel);
      }
    }
    return absl::OkStatus();
  }

  bool MayBeInPlace(const KernelCall& c, const std::vector<std::pair<int, int>>& in_place, const Written& w,
                    int j) const {
    if (w.output == -1 || !(w.range == range_[c.inputs[j]])) return false;
    if (e_.buffers[c.outputs[w.output]].desc != e_.buffers[c.inputs[j]].desc) return false;
    return std::binary_search(in_place.begin(), in_place.end(), std::pair(w.output, j));
  }

  absl::Status Write(const KernelCall& c, const ByteRange& scratch) {
    ATH_RETURN_IF_ERROR(CheckOverwrites("scratch", scratch));
    if (!scratch.empty()) contents_.Erase(scratch);
    for (BufferId id : c.outputs) {
      const ByteRange& r = range_[id];
      if (Root(id).kind == BufferKind::kVariable) ATH_RETURN_IF_ERROR(CheckVariableWrite(id));
      ATH_RETURN_IF_ERROR(CheckOverwrites(absl::StrFormat("output buffer %d \"%s\"", id, e_.buffers[id].name), r));
      if (!r.weights && !r.empty()) contents_.Claim(r, root_[id]);
    }
    return absl::OkStatus();
  }

  absl::Status CheckVariableWrite(BufferId id) const {
    const Variable& v = plan_.variables[Root(id).variable];
    if (v.kind == VariableKind::kConstant) return Error("writes %s, the constant \"%s\"", Named(id), v.name);
    if (range_[id] == range_[root_[id]]) return absl::OkStatus();
    return Error("writes %s, a part of the variable \"%s\" only", Named(id), v.name);
  }

  absl::Status CheckOutputs() const {
    for (const NamedBuffer& n : e_.outputs) {
      if (!InRange(n.buffer)) return Error("output \"%s\" is buffer %d, which there is not", n.name, n.buffer);
      ATH_RETURN_IF_ERROR(
          AddContext(CheckHolds(n.buffer, "gives"), absl::StrCat("at the end, output \"", n.name, "\"")));
    }
    for (BufferId id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].kind != BufferKind::kOutput) continue;
      ATH_RETURN_IF_ERROR(AddContext(CheckHolds(id, "gives"), "at the end, an output"));
    }
    return absl::OkStatus();
  }

  const Plan& plan_;
  const Entry& e_;
  std::vector<BufferId> root_;    // by buffer
  std::vector<ByteRange> range_;  // by buffer; empty for unused ones that have no place
  std::vector<bool> used_;        // by buffer: a call or the caller uses it or a view of it
  std::unordered_map<std::string, const KernelDef*> kernels_;
  ByteContents contents_;
};

absl::Status VerifyWeights(const Plan& plan) {
  std::vector<std::pair<ByteRange, const Variable*>> places;
  for (const Variable& v : plan.variables) {
    const std::string what = absl::StrCat("variable \"", v.name, "\"");
    auto place = PlaceIn(plan.weight_bytes, v.offset, v.bytes, /*weights=*/true);
    if (!place.ok()) return AddContext(place.status(), what);
    ATH_RETURN_IF_ERROR(AddContext(CheckDesc(v.desc, v.bytes), what));
    if (v.kind > VariableKind::kConstant) {
      return MakeError(ErrorClass::kPlan, "%s is of unknown kind %d", what, static_cast<int>(v.kind));
    }
    if (!place->empty()) places.emplace_back(*place, &v);
  }
  auto before = [](const auto& a, const auto& b) { return Before(a.first, b.first); };
  std::sort(places.begin(), places.end(), before);
  for (size_t i = 1; i < places.size(); ++i) {
    const auto& [a, va] = places[i - 1];
    const auto& [b, vb] = places[i];
    if (!Overlap(a, b)) continue;
    return MakeError(ErrorClass::kPlan, "variable \"%s\" %s overlaps variable \"%s\" %s", va->name, a.ToString(),
                     vb->name, b.ToString());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status VerifyMemory(const Plan& plan) {
  ATH_RETURN_IF_ERROR(VerifyWeights(plan));
  for (const Entry& e : plan.entries) {
    if (e.arena_bytes > plan.activation_bytes) {
      return MakeError(ErrorClass::kPlan, "entry \"%s\" needs an arena of %d bytes, the plan has %d", e.name,
                       e.arena_bytes, plan.activation_bytes);
    }
    ATH_RETURN_IF_ERROR(EntryVerifier(plan, e).Run());
  }
  return absl::OkStatus();
}

}  // namespace athanor
