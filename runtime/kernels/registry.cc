#include "runtime/kernels/kernel.h"

#include <algorithm>

namespace athanor {

KernelRegistry& KernelRegistry::Get() {
  static auto* registry = new KernelRegistry;
  return *registry;
}

void KernelRegistry::Register(KernelDef def) {
  ATH_CHECK(Find(def.name) == nullptr);
  ATH_CHECK(def.query != nullptr && def.create != nullptr);
  defs_.push_back(std::make_unique<KernelDef>(std::move(def)));
}

const KernelDef* KernelRegistry::Find(absl::string_view name) const {
  for (const auto& def : defs_) {
    if (def->name == name) return def.get();
  }
  return nullptr;
}

std::vector<std::string> KernelRegistry::Names() const {
  std::vector<std::string> names;
  for (const auto& def : defs_) names.push_back(def->name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace athanor
