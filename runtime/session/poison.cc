#include "runtime/session/poison.h"

#include <algorithm>
#include <cstring>

namespace athanor {
namespace {

struct Lifetime {
  int64_t begin, end;  // bytes
  int first, last;     // calls; first = -1 for inputs, last = number of calls for inputs and outputs
};

std::vector<Lifetime> Lifetimes(const Entry& entry) {
  const int calls = static_cast<int>(entry.calls.size());
  std::vector<Lifetime> lives(entry.buffers.size(), {0, 0, calls, -1});
  for (size_t i = 0; i < entry.buffers.size(); ++i) {
    const Buffer& b = entry.buffers[i];
    if (b.kind == BufferKind::kVariable || b.alias_of != kNoBuffer || b.offset == kUnplaced) continue;
    lives[i].begin = b.offset;
    lives[i].end = b.offset + b.bytes;
    if (b.kind == BufferKind::kInput) lives[i].first = -1;
  }
  // An output may be a view: its root is what must stay.
  auto keep = [&](BufferId id) { lives[RootBuffer(entry, id)].last = calls; };
  for (const NamedBuffer& in : entry.inputs) keep(in.buffer);
  for (const NamedBuffer& out : entry.outputs) keep(out.buffer);
  for (size_t i = 0; i < entry.buffers.size(); ++i) {
    if (entry.buffers[i].kind == BufferKind::kOutput) keep(static_cast<BufferId>(i));
  }
  for (int c = 0; c < calls; ++c) {
    auto touch = [&](BufferId id) {
      Lifetime& life = lives[RootBuffer(entry, id)];
      life.first = std::min(life.first, c);
      life.last = std::max(life.last, c);
    };
    std::for_each(entry.calls[c].inputs.begin(), entry.calls[c].inputs.end(), touch);
    std::for_each(entry.calls[c].outputs.begin(), entry.calls[c].outputs.end(), touch);
  }
  return lives;
}

// What is left of `range` without the bytes of the others.
ByteRanges Subtract(std::pair<int64_t, int64_t> range, const std::vector<Lifetime>& others) {
  ByteRanges left = {range};
  for (const Lifetime& o : others) {
    ByteRanges next;
    for (auto [b, e] : left) {
      if (o.end <= b || e <= o.begin) {
        next.emplace_back(b, e);
        continue;
      }
      if (b < o.begin) next.emplace_back(b, o.begin);
      if (o.end < e) next.emplace_back(o.end, e);
    }
    left = std::move(next);
  }
  return left;
}

}  // namespace

PoisonSchedule MakePoisonSchedule(const Entry& entry) {
  PoisonSchedule schedule;
  const std::vector<Lifetime> lives = Lifetimes(entry);
  std::vector<Lifetime> inputs;
  std::copy_if(lives.begin(), lives.end(), std::back_inserter(inputs), [](const Lifetime& l) { return l.first == -1; });
  schedule.at_start = Subtract({0, entry.arena_bytes}, inputs);
  for (int c = 0; c < static_cast<int>(entry.calls.size()); ++c) {
    std::vector<Lifetime> alive;
    for (const Lifetime& l : lives) {
      if (l.end > l.begin && l.first <= c && l.last > c) alive.push_back(l);
    }
    ByteRanges dead;
    auto add = [&](int64_t begin, int64_t end) {
      for (auto r : Subtract({begin, end}, alive)) dead.push_back(r);
    };
    for (const Lifetime& l : lives) {
      if (l.end > l.begin && l.last == c) add(l.begin, l.end);
    }
    const KernelCall& call = entry.calls[c];
    if (call.scratch_bytes > 0) add(call.scratch_offset, call.scratch_offset + call.scratch_bytes);
    schedule.after_call.push_back(std::move(dead));
  }
  return schedule;
}

void PoisonRanges(std::byte* arena, const ByteRanges& ranges) {
  for (auto [begin, end] : ranges) {
    if (begin < end) std::memset(arena + begin, 0xFF, end - begin);  // an arena of no bytes has no address
  }
}

}  // namespace athanor
