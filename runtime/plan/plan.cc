#include "runtime/plan/plan.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace athanor {

const Entry* Plan::FindEntry(absl::string_view name) const {
  const Entry* sized = nullptr;
  int matches = 0;
  for (const Entry& e : entries) {
    if (e.name == name) return &e;
    if (absl::StartsWith(e.name, absl::StrCat(name, "@"))) {
      sized = &e;
      ++matches;
    }
  }
  return matches == 1 ? sized : nullptr;
}

const Variable* Plan::FindVariable(absl::string_view name) const {
  for (const Variable& v : variables) {
    if (v.name == name) return &v;
  }
  return nullptr;
}

BufferId RootBuffer(const Entry& entry, BufferId id) {
  while (entry.buffers[id].alias_of != kNoBuffer) id = entry.buffers[id].alias_of;
  return id;
}

CallSpec SpecOf(const Entry& entry, const KernelCall& call) {
  CallSpec spec{call.kernel, call.name, call.attrs, call.post_ops, {}, {}, call.threads};
  for (BufferId id : call.inputs) spec.inputs.push_back(entry.buffers[id].desc);
  for (BufferId id : call.outputs) spec.outputs.push_back(entry.buffers[id].desc);
  return spec;
}

}  // namespace athanor
