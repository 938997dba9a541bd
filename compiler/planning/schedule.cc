#include "compiler/planning/schedule.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "compiler/planning/liveness.h"

namespace athanor {
namespace {

constexpr int kMaxRounds = 4;

void SortUnique(std::vector<int>* v) {
  std::sort(v->begin(), v->end());
  v->erase(std::unique(v->begin(), v->end()), v->end());
}

// Who must wait for whom, and who uses which roots.
struct Dependencies {
  std::vector<std::vector<int>> after, before;  // by call: those that must run later, earlier
  std::vector<std::vector<int>> roots;          // by call: the roots of the activation arena that it uses, each once

  explicit Dependencies(const Entry& e);

 private:
  void AddEdge(int from, int to) {
    if (from == -1 || from == to) return;
    after[from].push_back(to);
    before[to].push_back(from);
  }
};

Dependencies::Dependencies(const Entry& e) : after(e.calls.size()), before(e.calls.size()), roots(e.calls.size()) {
  // Memory is a root buffer, or a variable, which several buffers may name.
  const int num_buffers = static_cast<int>(e.buffers.size());
  auto memory_of = [&](BufferId id) {
    BufferId root = RootBuffer(e, id);
    const Buffer& b = e.buffers[root];
    return b.kind == BufferKind::kVariable ? num_buffers + b.variable : root;
  };
  int num_variables = 0;
  for (const Buffer& b : e.buffers) num_variables = std::max(num_variables, b.variable + 1);
  std::vector<int> writer(num_buffers + num_variables, -1);
  std::vector<std::vector<int>> readers(writer.size());
  for (int i = 0; i < static_cast<int>(e.calls.size()); ++i) {
    for (BufferId id : e.calls[i].inputs) {
      int m = memory_of(id);
      AddEdge(writer[m], i);
      readers[m].push_back(i);
      if (m < num_buffers) roots[i].push_back(m);
    }
    for (BufferId id : e.calls[i].outputs) {
      int m = memory_of(id);
      AddEdge(writer[m], i);
      for (int reader : readers[m]) AddEdge(reader, i);
      readers[m].clear();
      writer[m] = i;
      if (m < num_buffers) roots[i].push_back(m);
    }
  }
  for (auto* lists : {&after, &before, &roots}) {
    for (std::vector<int>& list : *lists) SortUnique(&list);
  }
}

enum class Policy {
  kSmallestGrowth,  // always the call that adds the fewest bytes
  kOnlyFrees,       // the call that frees the most bytes; while none frees any, the first in the order so far
};

// List scheduling from the start of the program, or from its end backwards: there a call frees what it writes, and what
// it reads becomes live. Backwards, `before` and `after` change places.
class ListScheduler {
 public:
  ListScheduler(const Entry& e, const Dependencies& deps, const Liveness& liveness, bool backwards)
      : deps_(deps), backwards_(backwards), roots_(e.buffers.size()) {
    const int calls = static_cast<int>(e.calls.size());
    for (size_t id = 0; id < roots_.size(); ++id) {
      const Lifetime& life = liveness.lifetimes[id];
      if (life.empty()) continue;
      roots_[id].bytes = AlignedBytes(e.buffers[id].bytes);
      roots_[id].live = backwards ? life.last == calls : life.first == -1;
      roots_[id].kept = backwards ? life.first == -1 : life.last == calls;
    }
    for (int i = 0; i < calls; ++i) {
      for (int r : deps.roots[i]) roots_[r].users.push_back(i);
    }
    for (Root& root : roots_) root.users_left = static_cast<int>(root.users.size());
  }

  // `order` decides between calls that are equal to the policy. Runs once.
  std::vector<int> Run(const std::vector<int>& order, Policy policy) {
    const int calls = static_cast<int>(order.size());
    policy_ = policy;
    rank_.resize(calls);
    for (int i = 0; i < calls; ++i) rank_[order[i]] = backwards_ ? calls - 1 - i : i;
    growth_.assign(calls, 0);
    for (const Root& root : roots_) {
      if (!root.live) GrowUsers(root, root.bytes);
      if (root.users_left == 1 && !root.kept) GrowUsers(root, -root.bytes);
    }
    waiting_for_.resize(calls);
    for (int i = 0; i < calls; ++i)
      waiting_for_[i] = static_cast<int>((backwards_ ? deps_.after : deps_.before)[i].size());
    done_.assign(calls, false);
    for (int i = 0; i < calls; ++i) {
      if (waiting_for_[i] == 0) ready_.insert(KeyOf(i));
    }
    std::vector<int> result;
    while (!ready_.empty()) {
      int call = std::get<2>(*ready_.begin());
      ready_.erase(ready_.begin());
      result.push_back(call);
      Execute(call);
    }
    ATH_CHECK(result.size() == order.size());
    if (backwards_) std::reverse(result.begin(), result.end());
    return result;
  }

 private:
  struct Root {
    int64_t bytes = 0;
    std::vector<int> users;
    int users_left = 0;
    bool live = false;
    bool kept = false;  // never freed
  };
  using Key = std::tuple<int64_t, int, int>;  // growth, rank, call: the least runs first

  Key KeyOf(int call) const {
    int64_t growth = policy_ == Policy::kOnlyFrees ? std::min<int64_t>(growth_[call], 1) : growth_[call];
    return {growth, rank_[call], call};
  }

  // Each root does this at most twice after the start: when it becomes live and when one user is left.
  void GrowUsers(const Root& root, int64_t bytes) {
    for (int call : root.users) {
      if (!done_.empty() && done_[call]) continue;
      bool was_ready = ready_.erase(KeyOf(call)) > 0;
      growth_[call] += bytes;
      if (was_ready) ready_.insert(KeyOf(call));
    }
  }

  void Execute(int call) {
    done_[call] = true;
    for (int r : deps_.roots[call]) {
      Root& root = roots_[r];
      --root.users_left;
      if (!root.live) GrowUsers(root, -root.bytes);
      root.live = true;
      if (root.users_left == 1 && !root.kept) GrowUsers(root, -root.bytes);
    }
    for (int next : (backwards_ ? deps_.before : deps_.after)[call]) {
      if (--waiting_for_[next] == 0) ready_.insert(KeyOf(next));
    }
  }

  const Dependencies& deps_;
  const bool backwards_;
  Policy policy_ = Policy::kSmallestGrowth;
  std::vector<Root> roots_;
  std::vector<int> rank_, waiting_for_;
  std::vector<int64_t> growth_;  // bytes that the call would add to those in use, if it ran now
  std::vector<bool> done_;
  std::set<Key> ready_;
};

// AnalyzeLiveness(...).peak_bytes if the calls ran in another order.
int64_t PeakBytes(const Entry& e, const Dependencies& deps, const Liveness& liveness, const std::vector<int>& order) {
  const int calls = static_cast<int>(order.size());
  std::vector<Lifetime> lives(e.buffers.size());
  for (int t = 0; t < calls; ++t) {
    for (int r : deps.roots[order[t]]) {
      if (lives[r].empty()) lives[r].first = t;
      lives[r].last = t;
    }
  }
  std::vector<int64_t> change(calls + 3, 0);  // [t + 1]: bytes that begin at time t, less those that ended at t - 1
  for (size_t r = 0; r < lives.size(); ++r) {
    const Lifetime& before = liveness.lifetimes[r];
    if (before.empty()) continue;
    int64_t bytes = AlignedBytes(e.buffers[r].bytes);
    change[(before.first == -1 ? -1 : lives[r].first) + 1] += bytes;
    change[(before.last == calls ? calls : lives[r].last) + 2] -= bytes;
  }
  int64_t live = 0, peak = 0;
  for (int t = -1; t <= calls; ++t) {
    live += change[t + 1];
    int64_t scratch = t >= 0 && t < calls ? AlignedBytes(e.calls[order[t]].scratch_bytes) : 0;
    peak = std::max(peak, live + scratch);
  }
  return peak;
}

// The best of all policies in both directions, starting from `order`; `order` itself unless one is strictly better.
std::vector<int> Improve(const Entry& e, const Dependencies& deps, const Liveness& liveness, std::vector<int> order) {
  int64_t least = PeakBytes(e, deps, liveness, order);
  std::vector<int> best = order;
  for (Policy policy : {Policy::kOnlyFrees, Policy::kSmallestGrowth}) {
    for (bool backwards : {false, true}) {
      std::vector<int> candidate = ListScheduler(e, deps, liveness, backwards).Run(order, policy);
      int64_t peak = PeakBytes(e, deps, liveness, candidate);
      if (peak >= least) continue;
      least = peak;
      best = std::move(candidate);
    }
  }
  return best;
}

}  // namespace

absl::StatusOr<Entry> Schedule(Entry entry) {
  ATH_RETURN_IF_ERROR(NaiveBytes(entry).status());
  Dependencies deps(entry);
  Liveness liveness = AnalyzeLiveness(entry);
  std::vector<int> order(entry.calls.size());
  std::iota(order.begin(), order.end(), 0);
  for (int round = 0; round < kMaxRounds; ++round) {
    std::vector<int> next = Improve(entry, deps, liveness, order);
    if (next == order) break;
    order = std::move(next);
  }
  std::vector<KernelCall> calls;
  calls.reserve(order.size());
  for (int i : order) calls.push_back(std::move(entry.calls[i]));
  entry.calls = std::move(calls);
  return entry;
}

}  // namespace athanor
