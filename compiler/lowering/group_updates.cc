#include "compiler/lowering/group_updates.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

class Grouping {
 public:
  explicit Grouping(Entry* entry) : entry_(*entry), users_(entry->buffers.size()) {}

  void Run() {
    for (int i = 0; i < static_cast<int>(entry_.calls.size()); ++i) {
      CloseConflicting(entry_.calls[i]);
      const int group_inputs = GroupInputs(entry_.calls[i]);
      if (group_inputs > 0) Join(i, group_inputs);
    }
    for (const Group& group : groups_) Merge(group);
    auto is_gone = [](const KernelCall& c) { return c.kernel.empty(); };
    entry_.calls.erase(std::remove_if(entry_.calls.begin(), entry_.calls.end(), is_gone), entry_.calls.end());
  }

 private:
  // Calls that become one.
  struct Group {
    std::string key;
    int inputs = 0;  // of one group of operands
    std::vector<int> calls;
  };
  // The groups that read or write a root.
  struct Users {
    std::vector<int> readers, writers;
  };

  // 0: the kernel has no groups.
  static int GroupInputs(const KernelCall& call) {
    const KernelDef* def = KernelRegistry::Get().Find(call.kernel);
    return def == nullptr || def->group_inputs == nullptr || !call.post_ops.empty() ? 0 : def->group_inputs(call.attrs);
  }

  static int64_t GroupsOf(const KernelCall& call) { return call.attrs.Int("groups", 1); }

  // Equal for calls that may become one.
  static std::string KeyOf(const KernelCall& call, int group_inputs) {
    Attributes attrs = call.attrs;
    attrs.Erase("groups");
    std::string key = absl::StrCat(call.kernel, attrs.ToString());
    for (size_t i = static_cast<size_t>(GroupsOf(call) * group_inputs); i < call.inputs.size(); ++i) {
      absl::StrAppend(&key, " ", call.inputs[i]);
    }
    return key;
  }

  Users& UsersOf(BufferId id) { return users_[RootBuffer(entry_, id)]; }

  // No group moves behind a call that reads or writes what it writes, or writes what it reads: nothing joins it later.
  void CloseConflicting(const KernelCall& call) {
    for (BufferId id : call.inputs) Close(UsersOf(id).writers);
    for (BufferId id : call.outputs) {
      Close(UsersOf(id).writers);
      Close(UsersOf(id).readers);
    }
  }
  void Close(const std::vector<int>& groups) {
    for (int g : groups) {
      auto at = open_.find(groups_[g].key);
      if (at != open_.end() && at->second == g) open_.erase(at);
    }
  }

  void Join(int i, int group_inputs) {
    const KernelCall& call = entry_.calls[i];
    const std::string key = KeyOf(call, group_inputs);
    auto [at, is_new] = open_.emplace(key, static_cast<int>(groups_.size()));
    if (is_new) groups_.push_back({key, group_inputs, {}});
    groups_[at->second].calls.push_back(i);
    auto add = [g = at->second](std::vector<int>& users) {
      if (users.empty() || users.back() != g) users.push_back(g);
    };
    for (BufferId id : call.inputs) add(UsersOf(id).readers);
    for (BufferId id : call.outputs) add(UsersOf(id).writers);
  }

  void Merge(const Group& group) {
    if (group.calls.size() < 2) return;
    KernelCall merged = entry_.calls[group.calls[0]];
    absl::StrAppend(&merged.name, " and ", group.calls.size() - 1, " more");
    merged.inputs.clear();
    merged.outputs.clear();
    int64_t groups = 0;
    for (int i : group.calls) {
      const KernelCall& call = entry_.calls[i];
      const int64_t own = GroupsOf(call);
      groups += own;
      merged.inputs.insert(merged.inputs.end(), call.inputs.begin(), call.inputs.begin() + own * group.inputs);
      merged.outputs.insert(merged.outputs.end(), call.outputs.begin(), call.outputs.end());
    }
    const KernelCall& last = entry_.calls[group.calls.back()];
    merged.inputs.insert(merged.inputs.end(), last.inputs.begin() + GroupsOf(last) * group.inputs, last.inputs.end());
    merged.attrs.Set("groups", groups);
    for (int i : group.calls) entry_.calls[i].kernel.clear();
    entry_.calls[group.calls.back()] = std::move(merged);
  }

  Entry& entry_;
  std::vector<Users> users_;  // by root
  std::vector<Group> groups_;
  std::map<std::string, int> open_;  // by key: the group that a call joins
};

}  // namespace

Entry GroupUpdates(Entry entry) {
  Grouping(&entry).Run();
  return entry;
}

}  // namespace athanor
