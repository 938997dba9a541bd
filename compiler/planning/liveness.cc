#include "compiler/planning/liveness.h"

#include <algorithm>

#include "runtime/core/checked.h"

namespace athanor {
namespace {

void Extend(Lifetime* life, int first, int last) {
  *life = life->empty() ? Lifetime{first, last} : Lifetime{std::min(life->first, first), std::max(life->last, last)};
}

std::vector<Lifetime> Lifetimes(const Entry& e) {
  const int end = static_cast<int>(e.calls.size());
  std::vector<Lifetime> lives(e.buffers.size());
  auto use = [&](BufferId id, int first, int last) {
    BufferId root = RootBuffer(e, id);
    if (e.buffers[root].kind != BufferKind::kVariable) Extend(&lives[root], first, last);
  };
  for (int i = 0; i < end; ++i) {
    for (BufferId id : e.calls[i].inputs) use(id, i, i);
    for (BufferId id : e.calls[i].outputs) use(id, i, i);
  }
  for (size_t id = 0; id < e.buffers.size(); ++id) {
    if (e.buffers[id].kind == BufferKind::kInput) use(static_cast<BufferId>(id), -1, end);
    if (e.buffers[id].kind == BufferKind::kOutput) use(static_cast<BufferId>(id), end, end);
  }
  for (const NamedBuffer& n : e.outputs) use(n.buffer, end, end);
  return lives;
}

}  // namespace

absl::StatusOr<int64_t> NaiveBytes(const Entry& e) {
  int64_t sum = 0;
  auto add = [&](const char* what, const std::string& name, int64_t bytes) {
    auto aligned = bytes < 0 ? std::nullopt : CheckedAlignUp(bytes, kAlignment);
    auto next = aligned ? CheckedAdd(sum, *aligned) : std::nullopt;
    if (!next) {
      return MakeError(ErrorClass::kLimit, "entry \"%s\": %s \"%s\" of %d bytes on top of %d cannot be placed", e.name,
                       what, name, bytes, sum);
    }
    sum = *next;
    return absl::OkStatus();
  };
  for (const Buffer& b : e.buffers) {
    if (b.alias_of != kNoBuffer || b.kind == BufferKind::kVariable) continue;
    ATH_RETURN_IF_ERROR(add("buffer", b.name, b.bytes));
  }
  for (const KernelCall& c : e.calls) ATH_RETURN_IF_ERROR(add("the scratch of call", c.name, c.scratch_bytes));
  return sum;
}

Liveness AnalyzeLiveness(const Entry& e) {
  Liveness result{Lifetimes(e), {}, 0};
  const int calls = static_cast<int>(e.calls.size());
  // starts[t + 1]: bytes whose life begins at time t; ends[t + 1]: whose life ended at t - 1.
  std::vector<int64_t> starts(calls + 3, 0), ends(calls + 3, 0);
  for (size_t id = 0; id < e.buffers.size(); ++id) {
    const Lifetime& life = result.lifetimes[id];
    if (life.empty()) continue;
    int64_t bytes = AlignedBytes(e.buffers[id].bytes);
    starts[life.first + 1] += bytes;
    ends[life.last + 2] += bytes;
  }
  int64_t live = 0;
  result.live_bytes.resize(calls);
  for (int t = -1; t <= calls; ++t) {
    live += starts[t + 1] - ends[t + 1];
    bool is_call = t >= 0 && t < calls;
    int64_t total = live + (is_call ? AlignedBytes(e.calls[t].scratch_bytes) : 0);
    if (is_call) result.live_bytes[t] = total;
    result.peak_bytes = std::max(result.peak_bytes, total);
  }
  return result;
}

}  // namespace athanor
