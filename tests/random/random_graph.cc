#include "tests/random/random_graph.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/interpreter/interpreter.h"

namespace athanor {
namespace {

constexpr int64_t kMaxElements = 2048;
constexpr double kMaxMagnitude = 24;  // f32 keeps its digits
constexpr int kMaxGrown = kMaxRandomNodes - 8;  // the rest is for the loss

bool IsModerate(const DoubleTensor& t) {
  return std::all_of(t.data.begin(), t.data.end(), [](double v) { return std::abs(v) <= kMaxMagnitude; });
}

Tensor RandomTensor(RandomGraph& g, const Shape& shape, double low, double high) {
  DoubleTensor t(shape);
  for (double& v : t.data) v = static_cast<float>(g.Uniform(low, high));
  return t.To(DType::kF32);
}

}  // namespace

RandomGraph::RandomGraph(uint64_t seed) : random_(seed, 77) { graph_.name = absl::StrCat("random", seed); }

int RandomGraph::Below(int n) {
  ATH_CHECK(n > 0);
  return std::min(n - 1, static_cast<int>(random_.Uniform(drawn_++) * static_cast<float>(n)));
}

double RandomGraph::Uniform(double low, double high) { return low + (high - low) * random_.Uniform(drawn_++); }

ValueId RandomGraph::Pick(int min_rank, int max_rank) {
  std::vector<ValueId> found;
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const TensorType& type = graph_.values[v].type;
    if (graph_.values[v].kind == ValueKind::kState || type.dtype != DType::kF32) continue;
    if (type.rank() >= min_rank && type.rank() <= max_rank) found.push_back(static_cast<ValueId>(v));
  }
  if (found.empty()) return kNoValue;
  const int n = static_cast<int>(found.size());
  return found[OneIn(3) ? Below(n) : n - 1 - Below(std::min(n, 4))];
}

ValueId RandomGraph::Like(const Shape& shape) {
  std::vector<ValueId> found;
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    if (graph_.values[v].kind != ValueKind::kState && graph_.values[v].type == TensorType::Of(DType::kF32, shape)) {
      found.push_back(static_cast<ValueId>(v));
    }
  }
  return found.empty() || OneIn(4) ? Leaf(shape) : Choose(found);
}

ValueId RandomGraph::AddLeaf(ValueKind kind, Tensor data) {
  Value value;
  const char* prefix = kind == ValueKind::kInput ? "x" : kind == ValueKind::kConstant ? "c" : "p";
  value.name = absl::StrCat(prefix, graph_.values.size());
  value.type = TensorType::Of(data.dtype(), data.shape());
  value.kind = kind;
  data_.push_back(DoubleTensor::From(data));
  if (kind == ValueKind::kInput) {
    inputs_[value.name] = std::move(data);
  } else {
    value.data = std::make_shared<const Tensor>(std::move(data));
  }
  return graph_.AddValue(std::move(value));
}

ValueId RandomGraph::Leaf(const Shape& shape, double low, double high) {
  constexpr ValueKind kKinds[] = {ValueKind::kParameter, ValueKind::kParameter, ValueKind::kInput,
                                  ValueKind::kConstant};
  return AddLeaf(kKinds[Below(4)], RandomTensor(*this, shape, low, high));
}

ValueId RandomGraph::Parameter(const Shape& shape, double low, double high) {
  return AddLeaf(OneIn(5) ? ValueKind::kConstant : ValueKind::kParameter, RandomTensor(*this, shape, low, high));
}

ValueId RandomGraph::State(const Shape& shape, double low, double high) {
  return AddLeaf(ValueKind::kState, RandomTensor(*this, shape, low, high));
}

ValueId RandomGraph::Integers(const Shape& shape, int64_t limit, DType dtype) {
  DoubleTensor t(shape);
  for (double& v : t.data) v = Below(static_cast<int>(limit));
  return AddLeaf(OneIn(2) ? ValueKind::kInput : ValueKind::kConstant, t.To(dtype));
}

ValueId RandomGraph::Positive(ValueId v) {
  const ValueId sigmoid = TryOne("Sigmoid", {v});
  if (sigmoid == kNoValue) return kNoValue;
  return TryOne("Add", {sigmoid, AddLeaf(ValueKind::kConstant, Tensor::Of<float>({}, {0.25f}))});
}

double RandomGraph::LeastVariance(ValueId v, const std::vector<int>& axes) const {
  const DoubleTensor& t = data_[v];
  const Shape strides = RowMajorStrides(t.shape);
  struct Sums {
    double count = 0, sum = 0, squares = 0;
  };
  std::map<int64_t, Sums> groups;  // by the offset of their first element
  for (int64_t i = 0; i < t.size(); ++i) {
    int64_t first = i;
    for (int axis : axes) first -= i / strides[axis] % t.shape[axis] * strides[axis];
    Sums& s = groups[first];
    s.count += 1;
    s.sum += t[i];
    s.squares += t[i] * t[i];
  }
  double least = kMaxMagnitude;
  for (const auto& [first, s] : groups) {
    least = std::min(least, s.squares / s.count - s.sum / s.count * (s.sum / s.count));
  }
  return least;
}

std::vector<ValueId> RandomGraph::Try(const std::string& op, std::vector<ValueId> inputs, Attributes attrs,
                                      int outputs) {
  const OpDef* def = OpRegistry::Get().Find(op);
  if (def == nullptr || num_nodes() >= kMaxRandomNodes || std::count(inputs.begin(), inputs.end(), kNoValue) == static_cast<int>(inputs.size())) return {};
  Node node;
  node.op = op;
  node.name = absl::StrCat("n", graph_.nodes.size());
  node.attrs = std::move(attrs);
  node.inputs = std::move(inputs);
  for (int i = 0; i < outputs; ++i) node.outputs.push_back(static_cast<ValueId>(graph_.values.size()) + i);
  std::vector<TensorType> types;
  std::vector<const DoubleTensor*> data;
  for (ValueId v : node.inputs) {
    types.push_back(v == kNoValue ? TensorType() : graph_.type(v));
    data.push_back(v == kNoValue ? nullptr : &data_[v]);
  }
  Node checked = node;  // with the defaults filled in, which the graph need not hold
  auto inferred = InferTypes(*def, checked, types);
  if (!inferred.ok()) return {};
  if (Node trained = checked; !def->traits.phase_attr.empty()) {
    trained.attrs.Set(def->traits.phase_attr, true);
    if (!InferTypes(*def, trained, types).ok()) return {};
  }
  for (const TensorType& t : *inferred) {
    auto elements = NumElements(t.shape());
    if (!elements.ok() || *elements == 0 || *elements > kMaxElements) return {};
  }
  auto results = EvaluateNode(*def, checked, *inferred, data);
  if (!results.ok() || !std::all_of(results->begin(), results->end(), IsModerate)) return {};
  for (int i = 0; i < outputs; ++i) {
    Value value;
    value.name = absl::StrCat("v", graph_.values.size());
    value.type = (*inferred)[i];
    graph_.AddValue(std::move(value));
    data_.push_back(std::move((*results)[i]));
  }
  graph_.nodes.push_back(node);
  return node.outputs;
}

ValueId RandomGraph::TryOne(const std::string& op, std::vector<ValueId> inputs, Attributes attrs) {
  std::vector<ValueId> outputs = Try(op, std::move(inputs), std::move(attrs), 1);
  return outputs.empty() ? kNoValue : outputs[0];
}

// Floating results of nodes that no node reads.
std::vector<ValueId> RandomGraph::Sinks() const {
  std::vector<ValueId> sinks;
  auto users = graph_.Users();
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const Value& value = graph_.values[v];
    if (value.kind == ValueKind::kNode && users[v].empty() && value.type.dtype == DType::kF32) {
      sinks.push_back(static_cast<ValueId>(v));
    }
  }
  return sinks;
}

ValueId RandomGraph::LossTerm(ValueId v) {
  if (RankOf(v) == 2 && OneIn(2)) {
    const Shape shape = ShapeOf(v);
    const ValueId labels = Integers({shape[0]}, shape[1], DType::kS32);
    std::vector<ValueId> outputs = Try("SoftmaxCrossEntropy", {v, labels}, {}, 2);
    if (!outputs.empty()) return outputs[0];
  }
  const ValueId weights = AddLeaf(ValueKind::kConstant, RandomTensor(*this, ShapeOf(v), -1, 1));
  const ValueId product = TryOne("Mul", {v, weights});
  ATH_CHECK(product != kNoValue);
  return TryOne(OneIn(2) ? "ReduceMean" : "ReduceSum", {product});
}

RandomCase RandomGraph::Finish() {
  // What the loss depends on in any case, so that there is something to train.
  ValueId loss = LossTerm(AddLeaf(ValueKind::kParameter, RandomTensor(*this, {3}, -1, 1)));
  std::vector<ValueId> sinks = Sinks();
  std::reverse(sinks.begin(), sinks.end());
  for (ValueId sink : sinks) {
    if (sink == loss || num_nodes() + 4 > kMaxRandomNodes) continue;
    const ValueId term = LossTerm(sink);
    const ValueId sum = term == kNoValue ? kNoValue : TryOne("Add", {loss, term});
    if (sum != kNoValue) loss = sum;
  }
  AddEntries(loss);
  return {std::move(graph_), std::move(inputs_)};
}

void RandomGraph::AddEntries(ValueId loss) {
  GraphEntry train{"train", true, {}, {{"loss", loss}}, loss, {}};
  GraphEntry infer{"infer", false, {}, {{"loss", loss}}, kNoValue, {}};
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const Value& value = graph_.values[v];
    if (value.kind == ValueKind::kInput) {
      train.inputs.push_back({value.name, static_cast<ValueId>(v)});
      infer.inputs.push_back(train.inputs.back());
    } else if (value.kind == ValueKind::kNode && static_cast<ValueId>(v) != loss && OneIn(8)) {
      infer.outputs.push_back({value.name, static_cast<ValueId>(v)});
      if (OneIn(2)) train.outputs.push_back(infer.outputs.back());
    }
  }
  graph_.entries = {std::move(train), std::move(infer)};
}

Shape BroadcastSource(RandomGraph& g, Shape shape) {
  for (int64_t& d : shape) {
    if (g.OneIn(3)) d = 1;
  }
  if (g.OneIn(3)) shape.erase(shape.begin(), shape.begin() + g.Below(static_cast<int>(shape.size()) + 1));
  return shape;
}

RandomCase MakeRandomCase(uint64_t seed) {
  RandomGraph g(seed);
  static const std::vector<Shape> kStarts = {{4, 6}, {2, 3, 5, 6}, {3, 4, 5}, {1, 17}, {2, 16, 4, 4}, {5}, {2, 2, 3, 3, 4}};
  for (int i = 0; i < 2; ++i) g.Leaf(g.Choose(kStarts));
  const std::vector<RandomMaker>& makers = RandomMakers();
  const int wanted = 1 + g.Below(kMaxGrown - 4);
  for (int tries = 0; g.num_nodes() < wanted && tries < 4 * wanted; ++tries) g.Choose(makers).make(g);
  return g.Finish();
}

}  // namespace athanor
