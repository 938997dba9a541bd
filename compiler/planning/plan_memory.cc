#include "compiler/planning/plan_memory.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "compiler/planning/liveness.h"
#include "compiler/planning/placement.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// Decides which roots share one block.
class InPlace {
 public:
  explicit InPlace(const Entry& e)
      : e_(e), lives_(AnalyzeLiveness(e).lifetimes), origin_(e.buffers.size()), taken_(e.buffers.size(), false) {
    std::iota(origin_.begin(), origin_.end(), 0);
    for (int i = 0; i < static_cast<int>(e.calls.size()); ++i) TakeOver(i);
  }

  int count() const { return static_cast<int>(std::count(taken_.begin(), taken_.end(), true)); }
  bool used(BufferId id) const { return !lives_[id].empty(); }

  // Appends the blocks of the roots. The result is each buffer's block; -1 for those that need none: views, variables,
  // unused and empty ones.
  std::vector<int> MakeBlocks(std::vector<Block>* blocks) const {
    std::vector<int> block_of(lives_.size(), -1);
    for (size_t id = 0; id < lives_.size(); ++id) {
      if (lives_[id].empty() || e_.buffers[id].bytes == 0) continue;
      int& block = block_of[origin_[id]];
      if (block == -1) {
        block = static_cast<int>(blocks->size());
        blocks->push_back(Block{AlignedBytes(e_.buffers[id].bytes), lives_[id]});
      }
      Lifetime& life = (*blocks)[block].life;
      life = Lifetime{std::min(life.first, lives_[id].first), std::max(life.last, lives_[id].last)};
      block_of[id] = block;
    }
    return block_of;
  }

 private:
  void TakeOver(int i) {
    const KernelCall& c = e_.calls[i];
    const KernelDef* def = KernelRegistry::Get().Find(c.kernel);
    if (def == nullptr) return;
    const int inputs = static_cast<int>(c.inputs.size()), outputs = static_cast<int>(c.outputs.size());
    for (auto [k, j] : def->InPlace(c.attrs, inputs, outputs)) {
      if (k >= outputs || j >= inputs) continue;
      if (!MayTakeOver(i, k, j)) continue;
      BufferId output = RootBuffer(e_, c.outputs[k]), input = RootBuffer(e_, c.inputs[j]);
      origin_[output] = origin_[input];  // the input's is final: it was written before
      taken_[input] = true;
    }
  }

  bool MayTakeOver(int i, int k, int j) const {
    const KernelCall& c = e_.calls[i];
    const Buffer &out_operand = e_.buffers[c.outputs[k]], &in_operand = e_.buffers[c.inputs[j]];
    BufferId output = RootBuffer(e_, c.outputs[k]), input = RootBuffer(e_, c.inputs[j]);
    const Buffer &out = e_.buffers[output], &in = e_.buffers[input];
    if (out.kind == BufferKind::kVariable || in.kind != BufferKind::kTemporary) return false;
    if (out_operand.desc != in_operand.desc || out.bytes == 0) return false;
    // Whole roots only: a smaller view would leave bytes that belong to neither.
    if (out.bytes != in.bytes || out_operand.bytes != out.bytes || in_operand.bytes != in.bytes) return false;
    if (lives_[input].last != i || lives_[input].first >= i || lives_[output].first != i) return false;
    if (origin_[output] != output || taken_[input]) return false;
    return Uses(c.inputs, input) == 1 && Uses(c.outputs, input) == 0 && Uses(c.outputs, output) == 1;
  }

  int64_t Uses(const std::vector<BufferId>& operands, BufferId root) const {
    return std::count_if(operands.begin(), operands.end(), [&](BufferId id) { return RootBuffer(e_, id) == root; });
  }

  const Entry& e_;
  const std::vector<Lifetime> lives_;
  std::vector<BufferId> origin_;  // by root: the first of the roots that share its block
  std::vector<bool> taken_;       // by root: a result has taken over its memory
};

}  // namespace

absl::StatusOr<Entry> PlanMemory(Entry entry, MemoryReport* report) {
  MemoryReport found;
  ATH_ASSIGN_OR_RETURN(found.naive_bytes, NaiveBytes(entry));
  InPlace in_place(entry);
  std::vector<Block> blocks;
  std::vector<int> block_of = in_place.MakeBlocks(&blocks);
  const size_t first_scratch = blocks.size();
  for (int i = 0; i < static_cast<int>(entry.calls.size()); ++i) {
    int64_t bytes = AlignedBytes(entry.calls[i].scratch_bytes);
    if (bytes > 0) blocks.push_back(Block{bytes, Lifetime{i, i}});
  }
  Placement placement = PlaceBlocks(blocks);

  for (size_t id = 0; id < entry.buffers.size(); ++id) {
    bool is_empty = in_place.used(static_cast<BufferId>(id)) && entry.buffers[id].bytes == 0;
    entry.buffers[id].offset = block_of[id] != -1 ? placement.offsets[block_of[id]] : is_empty ? 0 : kUnplaced;
  }
  size_t next_scratch = first_scratch;
  for (KernelCall& c : entry.calls) {
    c.scratch_offset = c.scratch_bytes > 0 ? placement.offsets[next_scratch++] : kUnplaced;
  }
  entry.arena_bytes = placement.total_bytes;
  found.arena_bytes = placement.total_bytes;
  found.lower_bound = LowerBound(blocks);
  found.in_place = in_place.count();
  found.heuristic = placement.heuristic;
  if (report != nullptr) *report = std::move(found);
  return entry;
}

absl::Status PlaceVariables(Plan* plan) {
  int64_t end = 0;
  for (Variable& v : plan->variables) {
    auto bytes = v.bytes < 0 ? std::nullopt : CheckedAlignUp(v.bytes, kAlignment);
    auto next = bytes ? CheckedAdd(end, *bytes) : std::nullopt;
    if (!next) {
      return MakeError(ErrorClass::kLimit, "variable \"%s\" of %d bytes on top of %d cannot be placed", v.name, v.bytes,
                       end);
    }
    v.offset = end;
    end = *next;
  }
  plan->weight_bytes = end;
  return absl::OkStatus();
}

}  // namespace athanor
