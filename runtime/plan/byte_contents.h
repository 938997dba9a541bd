// The account that VerifyMemory keeps: which buffer every byte of an arena holds.
#ifndef ATHANOR_RUNTIME_PLAN_BYTE_CONTENTS_H_
#define ATHANOR_RUNTIME_PLAN_BYTE_CONTENTS_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Bytes [begin, end) of the activation arena or of the weight arena.
struct ByteRange {
  bool weights = false;
  int64_t begin = 0, end = 0;
  bool empty() const { return begin == end; }
  bool operator==(const ByteRange&) const = default;
  std::string ToString() const { return absl::StrFormat("%s[%d, %d)", weights ? "weights" : "", begin, end); }
};

inline bool Before(const ByteRange& a, const ByteRange& b) {
  return std::pair(a.weights, a.begin) < std::pair(b.weights, b.begin);
}
inline bool Overlap(const ByteRange& a, const ByteRange& b) {
  return a.weights == b.weights && std::max(a.begin, b.begin) < std::min(a.end, b.end);
}

// Which buffer each byte of the activation arena holds, as maximal segments; no segment where nothing was written or
// where scratch has been. Ranges must not be empty. Every operation takes O(log segments), and what it removes was once
// put in.
class ByteContents {
 public:
  struct Segment {
    int64_t begin, end;
    BufferId owner;
  };

  // Calls visit(segment) for all that meet the range while it returns true.
  template <typename Visit>
  void ForEach(const ByteRange& r, Visit visit) const {
    for (auto at = FirstAt(r.begin); at != segments_.end() && at->first < r.end; ++at) {
      if (!visit(Segment{at->first, at->second.end, at->second.owner})) return;
    }
  }

  void Erase(const ByteRange& r) {
    Split(r.begin);
    Split(r.end);
    segments_.erase(segments_.lower_bound(r.begin), segments_.lower_bound(r.end));
  }

  // Adjacent segments of one owner become one, so that what is whole is found whole.
  void Claim(const ByteRange& r, BufferId owner) {
    Erase(r);
    int64_t begin = r.begin, end = r.end;
    auto next = segments_.lower_bound(r.end);
    if (next != segments_.end() && next->first == end && next->second.owner == owner) {
      end = next->second.end;
      next = segments_.erase(next);
    }
    if (next != segments_.begin()) {
      auto last = std::prev(next);
      if (last->second.end == begin && last->second.owner == owner) {
        begin = last->first;
        segments_.erase(last);
      }
    }
    segments_[begin] = Tail{end, owner};
  }

 private:
  struct Tail {
    int64_t end;
    BufferId owner;
  };
  using Map = std::map<int64_t, Tail>;

  Map::const_iterator FirstAt(int64_t position) const {
    auto at = segments_.upper_bound(position);
    if (at != segments_.begin() && std::prev(at)->second.end > position) --at;
    return at;
  }
  void Split(int64_t position) {
    auto at = segments_.upper_bound(position);
    if (at == segments_.begin()) return;
    --at;
    if (at->first == position || at->second.end <= position) return;
    Tail tail = at->second;
    at->second.end = position;
    segments_[position] = tail;
  }

  Map segments_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_PLAN_BYTE_CONTENTS_H_
