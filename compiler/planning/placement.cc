#include "compiler/planning/placement.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace athanor {
namespace {

// Mending stops after this many looks at a placed block.
constexpr int64_t kMendingWork = 400'000'000;
constexpr int kMendingTries = 200;

// Bytes alive by time: the change at each time where a life begins or has just ended.
std::map<int, int64_t> Changes(const std::vector<Block>& blocks) {
  std::map<int, int64_t> change;
  for (const Block& b : blocks) {
    change[b.life.first] += b.bytes;
    change[b.life.last + 1] -= b.bytes;
  }
  return change;
}

// One arena being filled; the blocks in it are sorted by offset.
class Arena {
 public:
  // The smallest gap that is free for the block's whole life, else behind everything that lives with it.
  int64_t Place(const Block& b) {
    int64_t cursor = 0, best = -1, best_gap = std::numeric_limits<int64_t>::max();
    for (const Placed& p : placed_) {
      if (!p.life.Overlaps(b.life)) continue;
      int64_t gap = p.begin - cursor;
      if (gap >= b.bytes && gap < best_gap) {
        best = cursor;
        best_gap = gap;
      }
      cursor = std::max(cursor, p.end);
    }
    int64_t offset = best == -1 ? cursor : best;
    Placed placed{offset, offset + b.bytes, b.life};
    auto less = [](const Placed& x, const Placed& y) { return x.begin < y.begin; };
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), placed, less), placed);
    return offset;
  }

 private:
  struct Placed {
    int64_t begin, end;
    Lifetime life;
  };
  std::vector<Placed> placed_;
};

Placement PlaceInOrder(const std::vector<Block>& blocks, const std::vector<int>& order) {
  Placement result{std::vector<int64_t>(blocks.size()), 0, ""};
  Arena arena;
  for (int i : order) {
    result.offsets[i] = arena.Place(blocks[i]);
    result.total_bytes = std::max(result.total_bytes, result.offsets[i] + blocks[i].bytes);
  }
  return result;
}

// By each block, the most bytes alive at a time of its life: crowded times are placed first.
std::vector<int64_t> Crowding(const std::vector<Block>& blocks) {
  // live[k] holds from times[k] to times[k + 1] - 1; a sparse table answers the largest of a range.
  std::vector<int> times;
  std::vector<std::vector<int64_t>> most(1);
  int64_t live = 0;
  for (auto [time, change] : Changes(blocks)) {
    times.push_back(time);
    most[0].push_back(live += change);
  }
  for (size_t width = 1; 2 * width <= times.size(); width *= 2) {
    const std::vector<int64_t>& half = most.back();
    std::vector<int64_t> whole(times.size() - 2 * width + 1);
    for (size_t k = 0; k < whole.size(); ++k) whole[k] = std::max(half[k], half[k + width]);
    most.push_back(std::move(whole));
  }
  auto index_of = [&](int time) { return std::lower_bound(times.begin(), times.end(), time) - times.begin(); };
  std::vector<int64_t> result;
  for (const Block& b : blocks) {
    size_t begin = index_of(b.life.first), end = index_of(b.life.last + 1), level = 0;
    while ((size_t{2} << level) <= end - begin) ++level;
    result.push_back(std::max(most[level][begin], most[level][end - (size_t{1} << level)]));
  }
  return result;
}

struct Heuristic {
  const char* name;
  std::function<std::pair<double, double>(int)> priority;  // of a block; the greatest is placed first
};

std::vector<Heuristic> Heuristics(const std::vector<Block>& blocks) {
  auto size = [&](int i) { return static_cast<double>(blocks[i].bytes); };
  auto length = [&](int i) { return 1.0 + blocks[i].life.last - blocks[i].life.first; };
  auto first = [&](int i) { return -1.0 * blocks[i].life.first; };
  auto last = [&](int i) { return 1.0 * blocks[i].life.last; };
  return {
      {"by size", [=](int i) { return std::pair(size(i), length(i)); }},
      {"by area", [=](int i) { return std::pair(size(i) * length(i), size(i)); }},
      {"by crowding", [=, c = Crowding(blocks)](int i) { return std::pair(static_cast<double>(c[i]), size(i)); }},
      {"by length", [=](int i) { return std::pair(length(i), size(i)); }},
      {"by start", [=](int i) { return std::pair(first(i), size(i)); }},
      {"by end", [=](int i) { return std::pair(last(i), size(i)); }},
  };
}

std::vector<int> OrderBy(const Heuristic& heuristic, int count) {
  std::vector<std::pair<double, double>> priorities;
  for (int i = 0; i < count; ++i) priorities.push_back(heuristic.priority(i));
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return priorities[a] > priorities[b]; });
  return order;
}

// Again and again places the block that sticks out at the top before all that stood in its way.
void Mend(const std::vector<Block>& blocks, std::vector<int> order, int64_t lower_bound, Placement* best) {
  const int64_t count = static_cast<int64_t>(blocks.size());
  Placement current = *best;
  int tries = static_cast<int>(std::min<int64_t>(kMendingTries, kMendingWork / (count * count)));
  for (int t = 0; t < tries && best->total_bytes > lower_bound; ++t) {
    auto is_top = [&](int i) { return current.offsets[i] + blocks[i].bytes == current.total_bytes; };
    auto top = std::find_if(order.begin(), order.end(), is_top);
    if (top == order.begin()) return;  // it is at the bottom and fills the arena alone
    std::rotate(order.begin(), top, top + 1);
    current = PlaceInOrder(blocks, order);
    if (current.total_bytes >= best->total_bytes) continue;
    std::string heuristic = best->heuristic;
    *best = current;
    best->heuristic = heuristic;
  }
}

}  // namespace

int64_t LowerBound(const std::vector<Block>& blocks) {
  int64_t live = 0, most = 0;
  for (auto [time, change] : Changes(blocks)) most = std::max(most, live += change);
  return most;
}

Placement PlaceBlocks(const std::vector<Block>& blocks) {
  if (blocks.empty()) return Placement{{}, 0, "empty"};
  const int64_t lower_bound = LowerBound(blocks);
  Placement best;
  std::vector<int> best_order;
  for (const Heuristic& heuristic : Heuristics(blocks)) {
    std::vector<int> order = OrderBy(heuristic, static_cast<int>(blocks.size()));
    Placement p = PlaceInOrder(blocks, order);
    p.heuristic = heuristic.name;
    if (!best_order.empty() && p.total_bytes >= best.total_bytes) continue;
    best = std::move(p);
    best_order = std::move(order);
    if (best.total_bytes == lower_bound) return best;
  }
  Placement mended = best;
  Mend(blocks, best_order, lower_bound, &mended);
  if (mended.total_bytes < best.total_bytes) mended.heuristic += ", mended";
  return mended;
}

}  // namespace athanor
