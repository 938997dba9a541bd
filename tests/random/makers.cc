// How elementwise and structural operators find operands and attributes. Most choices may be wrong: RandomGraph::Try drops them.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/random/random_graph.h"

namespace athanor {
namespace {

// Axes in order, at least one, some counted from the end.
Ints SomeAxes(RandomGraph& g, int rank) {
  Ints axes;
  for (int d = 0; d < rank; ++d) {
    if (g.OneIn(2)) axes.push_back(g.OneIn(4) ? d - rank : d);
  }
  if (axes.empty()) axes.push_back(g.Below(rank));
  return axes;
}

// A permutation of 0, .., n - 1.
Ints Permutation(RandomGraph& g, int n) {
  Ints perm;
  for (int i = 0; i < n; ++i) perm.insert(perm.begin() + g.Below(i + 1), i);
  return perm;
}

int AnAxis(RandomGraph& g, int rank) { return g.OneIn(3) ? g.Below(rank) - rank : g.Below(rank); }

bool Unary(RandomGraph& g, const std::string& op, bool positive) {
  ValueId x = g.Pick();
  if (x != kNoValue && positive) x = g.Positive(x);
  return g.TryOne(op, {x}) != kNoValue;
}

bool Binary(RandomGraph& g, const std::string& op, bool positive_left, bool positive_right) {
  ValueId a = g.Pick();
  if (a == kNoValue) return false;
  ValueId b = g.OneIn(2) ? g.Like(g.ShapeOf(a)) : g.Leaf(BroadcastSource(g, g.ShapeOf(a)));
  if (positive_left) a = g.Positive(a);
  if (positive_right) b = g.Positive(b);
  if (g.OneIn(4) && !positive_left && !positive_right) std::swap(a, b);
  return g.TryOne(op, {a, b}) != kNoValue;
}

bool Choice(RandomGraph& g, const std::string& comparison) {
  const ValueId a = g.Pick();
  if (a == kNoValue) return false;
  const ValueId b = g.Like(g.ShapeOf(a));
  const ValueId c = g.TryOne(comparison, {a, g.OneIn(2) ? b : g.Leaf(BroadcastSource(g, g.ShapeOf(a)))});
  return c != kNoValue && g.TryOne("Where", {c, g.OneIn(2) ? a : b, g.Like(g.ShapeOf(a))}) != kNoValue;
}

bool AlongAxis(RandomGraph& g, const std::string& op) {
  const ValueId x = g.Pick(1);
  return x != kNoValue && g.TryOne(op, {x}, {{"axis", int64_t{AnAxis(g, g.RankOf(x))}}}) != kNoValue;
}

bool Reduce(RandomGraph& g, const std::string& op) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  Attributes attrs = {{"axes", SomeAxes(g, g.RankOf(x))}, {"keepdims", g.OneIn(2)}};
  return g.TryOne(op, {x}, attrs) != kNoValue;
}

bool Squeeze(RandomGraph& g) {
  const ValueId x = g.Pick(0, 4);
  if (x == kNoValue) return false;
  const int rank = g.RankOf(x);
  const ValueId wide = g.TryOne("Unsqueeze", {x}, {{"axes", Ints{AnAxis(g, rank + 1)}}});
  return wide != kNoValue && (g.OneIn(2) || g.TryOne("Squeeze", {wide}) != kNoValue);
}

bool Split(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  const int axis = g.Below(g.RankOf(x)), n = static_cast<int>(g.ShapeOf(x)[axis]);
  if (n < 2) return false;
  const int64_t first = 1 + g.Below(n - 1);
  return !g.Try("Split", {x}, {{"axis", int64_t{axis}}, {"split", Ints{first, n - first}}}, 2).empty();
}

bool Pad(RandomGraph& g) {
  const ValueId x = g.Pick(1, 5);
  if (x == kNoValue) return false;
  Ints pads;
  for (int i = 0; i < 2 * g.RankOf(x); ++i) pads.push_back(g.Below(3));
  const std::string mode = g.Choose(std::vector<std::string>{"constant", "reflect", "edge"});
  return g.TryOne("Pad", {x}, {{"pads", pads}, {"mode", mode}}) != kNoValue;
}

bool Tile(RandomGraph& g) {
  const ValueId x = g.Pick(1, 4);
  if (x == kNoValue) return false;
  Ints repeats;
  for (int d = 0; d < g.RankOf(x); ++d) repeats.push_back(1 + g.Below(2));
  return g.TryOne("Tile", {x}, {{"repeats", repeats}}) != kNoValue;
}

DType IndexType(RandomGraph& g) { return g.OneIn(2) ? DType::kS32 : DType::kS64; }

bool Gather(RandomGraph& g) {
  const ValueId x = g.Pick(1, 4);
  if (x == kNoValue) return false;
  const int axis = g.Below(g.RankOf(x));
  const Shape indices = g.OneIn(3) ? Shape{} : g.OneIn(2) ? Shape{3} : Shape{2, 2};
  return g.TryOne("Gather", {x, g.Integers(indices, g.ShapeOf(x)[axis], IndexType(g))}, {{"axis", int64_t{axis}}}) !=
         kNoValue;
}

bool Embedding(RandomGraph& g) {
  const int64_t words = 2 + g.Below(6);
  return g.TryOne("Embedding", {g.Parameter({words, 1 + g.Below(9)}), g.Integers({2, 3}, words, IndexType(g))}) !=
         kNoValue;
}

bool TopK(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  const int axis = g.Below(g.RankOf(x));
  const int64_t k = 1 + g.Below(static_cast<int>(g.ShapeOf(x)[axis]));
  return !g.Try("TopK", {x}, {{"axis", int64_t{axis}}, {"k", k}, {"largest", g.OneIn(2)}}, 2).empty();
}

bool Reshape(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  Shape shape = g.ShapeOf(x);
  const int at = g.Below(static_cast<int>(shape.size()));
  if (g.OneIn(2) && shape.size() > 1) {
    const int before = std::min(at, static_cast<int>(shape.size()) - 2);
    shape[before] *= shape[before + 1];
    shape.erase(shape.begin() + before + 1);
  } else if (shape[at] % 2 == 0) {
    shape[at] /= 2;
    shape.insert(shape.begin() + at, 2);
  } else {
    shape.insert(shape.begin() + at, 1);
  }
  if (g.OneIn(2)) shape[g.Below(static_cast<int>(shape.size()))] = -1;
  return g.TryOne("Reshape", {x}, {{"shape", Ints(shape.begin(), shape.end())}}) != kNoValue;
}

bool Transpose(RandomGraph& g) {
  const ValueId x = g.Pick(2);
  return x != kNoValue && g.TryOne("Transpose", {x}, {{"perm", Permutation(g, g.RankOf(x))}}) != kNoValue;
}

bool Concat(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  const int axis = g.Below(g.RankOf(x));
  std::vector<ValueId> parts = {x};
  for (int i = g.Below(3); i >= 0; --i) {
    Shape shape = g.ShapeOf(x);
    if (g.OneIn(2)) shape[axis] = 1 + g.Below(4);
    parts.insert(parts.begin() + g.Below(static_cast<int>(parts.size()) + 1), g.Like(shape));
  }
  return g.TryOne("Concat", parts, {{"axis", int64_t{axis}}}) != kNoValue;
}

bool Slice(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  if (x == kNoValue) return false;
  Ints starts, ends, axes, steps;
  for (int d = 0; d < g.RankOf(x); ++d) {
    if (g.OneIn(2)) continue;
    const int n = static_cast<int>(g.ShapeOf(x)[d]), start = g.Below(n);
    axes.push_back(d);
    starts.push_back(g.OneIn(3) ? start - n : start);
    ends.push_back(start + 1 + g.Below(n - start));
    steps.push_back(1 + g.Below(2));
  }
  if (axes.empty()) return false;
  return g.TryOne("Slice", {x}, {{"starts", starts}, {"ends", ends}, {"axes", axes}, {"steps", steps}}) != kNoValue;
}

bool Expand(RandomGraph& g) {
  const ValueId x = g.Pick();
  if (x == kNoValue) return false;
  Shape shape = g.ShapeOf(x);
  for (int64_t& d : shape) {
    if (d == 1) d = 1 + g.Below(4);
  }
  if (g.OneIn(2)) shape.insert(shape.begin(), 1 + g.Below(3));
  return g.TryOne("Expand", {x}, {{"shape", Ints(shape.begin(), shape.end())}}) != kNoValue;
}

// Operators that cannot be left to the rules for elementwise ones, and those that have the same form.
void AddTables(std::vector<RandomMaker>* makers) {
  auto add = [&](const std::string& op, auto make) { makers->push_back({op, make}); };
  for (const char* op : {"Add", "Sub", "Mul", "Min", "Max"}) {
    add(op, [=](RandomGraph& g) { return Binary(g, op, false, false); });
  }
  add("Div", [](RandomGraph& g) { return Binary(g, "Div", false, true); });
  add("Pow", [](RandomGraph& g) { return Binary(g, "Pow", true, false); });
  for (const char* op : {"Equal", "Less", "Greater", "GreaterOrEqual"}) {
    add(op, [=](RandomGraph& g) { return Choice(g, op); });
  }
  for (const char* op : {"Softmax", "LogSoftmax", "CumSum"}) {
    add(op, [=](RandomGraph& g) { return AlongAxis(g, op); });
  }
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                         "ReduceLogSumExp", "ReduceSumSquare"}) {
    add(op, [=](RandomGraph& g) { return Reduce(g, op); });
  }
  add("Reshape", Reshape);
  add("Transpose", Transpose);
  add("Concat", Concat);
  add("Slice", Slice);
  add("Expand", Expand);
  add("Squeeze", Squeeze);
  add("Split", Split);
  add("Pad", Pad);
  add("Tile", Tile);
  add("Gather", Gather);
  add("Embedding", Embedding);
  add("TopK", TopK);
}

// Every elementwise operator of one input whose attributes all have defaults.
void AddUnary(std::vector<RandomMaker>* makers) {
  for (const OpDef* def : OpRegistry::Get().All()) {
    const bool simple = std::all_of(def->attributes.begin(), def->attributes.end(),
                                    [](const AttrDef& a) { return a.default_value.has_value(); });
    if (!def->traits.elementwise || def->inputs.size() != 1 || def->outputs.size() != 1 || !simple) continue;
    if (!def->gradient || absl::StrContains(def->name, ".")) continue;
    const std::string op = def->name;
    const bool positive = op == "Log" || op == "Log1p" || op == "Sqrt" || op == "Rsqrt" || op == "Reciprocal";
    makers->push_back({op, [=](RandomGraph& g) { return Unary(g, op, positive); }});
  }
}

}  // namespace

const std::vector<RandomMaker>& RandomMakers() {
  static const std::vector<RandomMaker>& makers = *new std::vector<RandomMaker>([] {
    std::vector<RandomMaker> all, known;
    AddUnary(&all);
    AddTables(&all);
    AddLayerMakers(&all);
    for (RandomMaker& maker : all) {
      if (OpRegistry::Get().Find(maker.op) != nullptr) known.push_back(std::move(maker));
    }
    return known;
  }());
  return makers;
}

}  // namespace athanor
