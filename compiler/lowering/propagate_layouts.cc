#include "compiler/lowering/propagate_layouts.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "runtime/core/checked.h"
#include "runtime/core/threads.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// A parallel loop costs a few microseconds to start and join: calls estimated below this run on one thread.
constexpr double kShareSeconds = 8e-6;
constexpr double kFlopsPerSecond = 50e9, kBytesPerSecond = 12e9;  // of one core, roughly: only a threshold

class Propagation {
 public:
  Propagation(int threads, Entry* entry, std::vector<Variable>* variables)
      : threads_(threads), entry_(*entry), variables_(*variables) {}

  absl::Status Run() {
    std::vector<KernelCall> calls = std::move(entry_.calls);
    entry_.calls.clear();
    for (KernelCall& call : calls) {
      if (call.kernel == "reshape") {
        ATH_ASSIGN_OR_RETURN(bool is_view, TryView(call));
        if (is_view) continue;
      }
      ATH_RETURN_IF_ERROR(Place(std::move(call)));
    }
    return absl::OkStatus();
  }

 private:
  Buffer& buffer(BufferId id) { return entry_.buffers[id]; }

  // Buffers of variables take the variable's current desc; views and others have their own.
  MemoryDesc DescOf(BufferId id) {
    const Buffer& b = buffer(id);
    return b.kind == BufferKind::kVariable && b.alias_of == kNoBuffer ? variables_[b.variable].desc : b.desc;
  }
  void SetDesc(BufferId id, const MemoryDesc& desc) {
    Buffer& b = buffer(id);
    b.desc = desc;
    if (b.kind == BufferKind::kVariable && b.alias_of == kNoBuffer) variables_[b.variable].desc = desc;
  }

  // A copy of `id` in another layout, made now or before. Copies of a variable are dropped when it is written.
  absl::StatusOr<BufferId> InLayout(BufferId id, const MemoryDesc& want, const std::string& for_call) {
    for (BufferId copy : copies_[id]) {
      if (DescOf(copy) == want) return copy;
    }
    Buffer b;
    b.name = absl::StrCat(buffer(id).name, "/", want.layout);
    b.desc = want;
    entry_.buffers.push_back(b);
    BufferId copy = static_cast<BufferId>(entry_.buffers.size() - 1);
    copies_[id].push_back(copy);
    ATH_RETURN_IF_ERROR(EmitReorder(id, copy, absl::StrCat(for_call, "/reorder.", buffer(id).name)));
    return copy;
  }

  absl::Status EmitReorder(BufferId from, BufferId to, const std::string& name) {
    KernelCall reorder;
    reorder.kernel = "reorder";
    reorder.name = name;
    reorder.inputs = {from};
    reorder.outputs = {to};
    ++entry_.reorders;
    return Append(std::move(reorder)).status();
  }

  CallSpec SpecWithHints(const KernelCall& call) {
    CallSpec spec{call.kernel, call.name, call.attrs, call.post_ops, {}, {}, call.threads};
    for (BufferId id : call.inputs) spec.inputs.push_back(DescOf(id));
    for (BufferId id : call.outputs) {
      MemoryDesc desc = DescOf(id);
      BufferId like = buffer(id).layout_like;
      if (desc.any() && like != kNoBuffer && DescOf(like).dims == desc.dims) desc.layout = DescOf(like).layout;
      spec.outputs.push_back(std::move(desc));
    }
    return spec;
  }

  absl::StatusOr<KernelInfo> Query(const KernelCall& call, const KernelDef& def) {
    CallSpec spec = SpecWithHints(call);
    ThreadScope scope(spec.threads);
    ATH_ASSIGN_OR_RETURN(KernelInfo info, def.query(spec));
    ATH_CHECK(info.inputs.size() == spec.inputs.size() && info.outputs.size() == spec.outputs.size());
    return info;
  }

  static absl::StatusOr<const KernelDef*> FindKernel(const KernelCall& call) {
    const KernelDef* def = KernelRegistry::Get().Find(call.kernel);
    if (def != nullptr) return def;
    return MakeError(ErrorClass::kPlan, "node \"%s\" needs kernel \"%s\", which is not linked", call.name, call.kernel);
  }

  // Asks the kernel, puts reorders before and after, appends the call.
  absl::Status Place(KernelCall call) {
    call.threads = threads_;
    ATH_ASSIGN_OR_RETURN(const KernelDef* def, FindKernel(call));
    ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(call, *def));
    if (threads_ > 1 && info.flops / kFlopsPerSecond + info.bytes / kBytesPerSecond < kShareSeconds) {
      call.threads = 1;
      ATH_ASSIGN_OR_RETURN(info, Query(call, *def));
    }
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      MemoryDesc now = DescOf(call.inputs[i]);
      if (now.any()) {
        SetDesc(call.inputs[i], info.inputs[i]);
      } else if (now != info.inputs[i]) {
        ATH_ASSIGN_OR_RETURN(call.inputs[i], InLayout(call.inputs[i], info.inputs[i], call.name));
      }
    }
    std::vector<std::pair<BufferId, BufferId>> after;  // reorders of outputs whose layout is fixed otherwise
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      BufferId id = call.outputs[i];
      copies_.erase(id);
      MemoryDesc now = DescOf(id);
      if (now.any()) {
        SetDesc(id, info.outputs[i]);
      } else if (now != info.outputs[i]) {
        Buffer b;
        b.name = absl::StrCat(buffer(id).name, "/", info.outputs[i].layout);
        b.desc = info.outputs[i];
        entry_.buffers.push_back(b);
        call.outputs[i] = static_cast<BufferId>(entry_.buffers.size() - 1);
        after.emplace_back(call.outputs[i], id);
      }
    }
    std::string name = call.name;
    ATH_RETURN_IF_ERROR(Append(std::move(call)).status());
    for (auto [from, to] : after) {
      copies_[to].push_back(from);  // later readers may take the kernel's own layout
      ATH_RETURN_IF_ERROR(EmitReorder(from, to, absl::StrCat(name, "/reorder.", buffer(to).name)));
    }
    return absl::OkStatus();
  }

  // Records what the kernel needs, with the layouts as they are now.
  absl::StatusOr<KernelInfo> Append(KernelCall call) {
    if (call.kernel == "reorder") call.threads = threads_;
    ATH_ASSIGN_OR_RETURN(const KernelDef* def, FindKernel(call));
    ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(call, *def));
    if (call.kernel == "reorder" && info.bytes / kBytesPerSecond < kShareSeconds) {
      call.threads = 1;
      ATH_ASSIGN_OR_RETURN(info, Query(call, *def));
    }
    ATH_RETURN_IF_ERROR(CheckSettled(call, "input", call.inputs, info.inputs));
    ATH_RETURN_IF_ERROR(CheckSettled(call, "output", call.outputs, info.outputs));
    call.scratch_bytes = info.scratch_bytes;
    call.impl = info.impl;
    call.flops = info.flops;
    call.bytes = info.bytes;
    entry_.calls.push_back(std::move(call));
    return info;
  }

  // A session asks the kernel again and refuses the plan when the answer is another.
  absl::Status CheckSettled(const KernelCall& call, absl::string_view what, const std::vector<BufferId>& operands,
                            const std::vector<MemoryDesc>& wanted) {
    for (size_t i = 0; i < operands.size(); ++i) {
      if (DescOf(operands[i]) == wanted[i]) continue;
      return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\" does not settle: %s %d is %s and it asks for %s",
                       call.kernel, call.name, what, i, DescOf(operands[i]).ToString(), wanted[i].ToString());
    }
    return absl::OkStatus();
  }

  // A reshape of row-major bytes is a view, unless its output has a place of its own or its source is a variable,
  // which may change under the view.
  absl::StatusOr<bool> TryView(const KernelCall& call) {
    BufferId in = call.inputs[0], out = call.outputs[0];
    Buffer& o = buffer(out);
    if (o.kind != BufferKind::kTemporary || buffer(RootBuffer(entry_, in)).kind == BufferKind::kVariable) return false;
    MemoryDesc want = DescOf(in);
    want.layout = MemoryDesc::PlainLayout(want.dims.size());
    if (DescOf(in) != want) {
      ATH_ASSIGN_OR_RETURN(in, InLayout(in, want, call.name));
    }
    Buffer& view = buffer(out);  // InLayout may have moved the buffers
    view.alias_of = in;
    view.desc.layout = MemoryDesc::PlainLayout(view.desc.dims.size());
    return true;
  }

  int threads_;
  Entry& entry_;
  std::vector<Variable>& variables_;
  std::map<BufferId, std::vector<BufferId>> copies_;
};

absl::StatusOr<int64_t> PlacedBytes(const MemoryDesc& desc) {
  ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(desc));
  auto aligned = CheckedAlignUp(bytes, kAlignment);
  if (!aligned) return MakeError(ErrorClass::kLimit, "%s is too large", desc.ToString());
  return *aligned;
}

}  // namespace

absl::Status PropagateLayouts(int threads, Entry* entry, std::vector<Variable>* variables) {
  return Propagation(threads, entry, variables).Run();
}

absl::Status FinishLayouts(Plan* plan) {
  for (Variable& v : plan->variables) {
    if (v.desc.any()) v.desc.layout = MemoryDesc::PlainLayout(v.desc.dims.size());
    ATH_ASSIGN_OR_RETURN(v.bytes, PlacedBytes(v.desc));
  }
  for (Entry& entry : plan->entries) {
    for (Buffer& b : entry.buffers) {
      if (b.kind == BufferKind::kVariable) b.desc = plan->variables[b.variable].desc;
      if (b.desc.any()) b.desc.layout = MemoryDesc::PlainLayout(b.desc.dims.size());
      ATH_ASSIGN_OR_RETURN(b.bytes, PlacedBytes(b.desc));
    }
  }
  return absl::OkStatus();
}

}  // namespace athanor
