#include <algorithm>

#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

bool NameLess(const std::unique_ptr<OpDef>& def, absl::string_view name) { return def->name < name; }

}  // namespace

OpRegistry& OpRegistry::Get() {
  static auto* registry = new OpRegistry;
  return *registry;
}

void OpRegistry::Register(OpDef def) {
  ATH_CHECK(Find(def.name) == nullptr);
  ATH_CHECK(def.infer != nullptr && def.reference != nullptr);
  auto at = std::lower_bound(defs_.begin(), defs_.end(), def.name, NameLess);
  defs_.insert(at, std::make_unique<OpDef>(std::move(def)));
}

const OpDef* OpRegistry::Find(absl::string_view name) const {
  auto at = std::lower_bound(defs_.begin(), defs_.end(), name, NameLess);
  return at != defs_.end() && (*at)->name == name ? at->get() : nullptr;
}

std::vector<const OpDef*> OpRegistry::All() const {
  std::vector<const OpDef*> all;
  for (const auto& def : defs_) all.push_back(def.get());
  return all;
}

absl::StatusOr<const OpDef*> FindOp(const Node& node) {
  const OpDef* def = OpRegistry::Get().Find(node.op);
  if (def == nullptr) {
    return MakeError(ErrorClass::kVersion, "%s: this build has no operator \"%s\"", DescribeNode(node), node.op);
  }
  return def;
}

}  // namespace athanor
