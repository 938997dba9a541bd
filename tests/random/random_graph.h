// Random valid graphs, for comparing compiled plans with the interpreter: values of every rank, any registered operator
// that has a maker (makers.cc), data that stays finite and of moderate size.
#ifndef ATHANOR_TESTS_RANDOM_RANDOM_GRAPH_H_
#define ATHANOR_TESTS_RANDOM_RANDOM_GRAPH_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/opdef/op_def.h"
#include "runtime/core/philox.h"

namespace athanor {

// A graph with the entries "train" (with a loss) and "infer", and data for the inputs of both.
struct RandomCase {
  Graph graph;
  std::map<std::string, Tensor> inputs;
};

inline constexpr int kMaxRandomNodes = 40;

// A pure function of the seed and the set of registered operators.
RandomCase MakeRandomCase(uint64_t seed);

// The graph while it grows. Makers pick operands, may add leaves, and try to add a node.
class RandomGraph {
 public:
  explicit RandomGraph(uint64_t seed);

  // Choices.
  int Below(int n);  // in [0, n)
  bool OneIn(int n) { return Below(n) == 0; }
  double Uniform(double low, double high);
  template <typename T>
  const T& Choose(const std::vector<T>& v) {
    return v[Below(static_cast<int>(v.size()))];
  }

  // A floating value so far whose rank is in [min_rank, max_rank], the latest most often; kNoValue when there is none.
  ValueId Pick(int min_rank = 0, int max_rank = 6);
  Shape ShapeOf(ValueId v) const { return graph_.type(v).shape(); }
  int RankOf(ValueId v) const { return graph_.type(v).rank(); }
  // Another floating value of this shape, or a new leaf.
  ValueId Like(const Shape& shape);
  // New leaves: a parameter, an input or a constant with numbers in [low, high); integers in [0, limit).
  ValueId Leaf(const Shape& shape, double low = -1, double high = 1);
  ValueId Parameter(const Shape& shape, double low = -1, double high = 1);
  ValueId State(const Shape& shape, double low, double high);
  ValueId Integers(const Shape& shape, int64_t limit, DType dtype);
  // v made positive, in [0.25, 1.25]; kNoValue when it cannot be.
  ValueId Positive(ValueId v);

  // Adds the node if its types can be inferred, it is small, and its results are finite and of moderate size: gives
  // its outputs, of which `outputs` are wanted. Else nothing is added (but leaves made for it may stay, unused).
  std::vector<ValueId> Try(const std::string& op, std::vector<ValueId> inputs, Attributes attrs = {}, int outputs = 1);
  ValueId TryOne(const std::string& op, std::vector<ValueId> inputs, Attributes attrs = {});

  // The least variance that the elements of v have along these axes: what a normalisation would divide by.
  double LeastVariance(ValueId v, const std::vector<int>& axes) const;

  int num_nodes() const { return static_cast<int>(graph_.nodes.size()); }
  // Makes the loss from values that nothing reads yet, and the entries.
  RandomCase Finish();

 private:
  ValueId AddLeaf(ValueKind kind, Tensor data);
  ValueId LossTerm(ValueId v);
  std::vector<ValueId> Sinks() const;
  void AddEntries(ValueId loss);

  Philox random_;
  uint64_t drawn_ = 0;
  Graph graph_;
  std::vector<DoubleTensor> data_;  // by value
  std::map<std::string, Tensor> inputs_;
};

// A way to grow a graph: false when it found nothing to do. Only makers whose operators are registered are used.
struct RandomMaker {
  std::string op;
  std::function<bool(RandomGraph&)> make;
};
const std::vector<RandomMaker>& RandomMakers();
// makers_layers.cc: products, convolutions, pools, normalisations, recurrent layers, attention.
void AddLayerMakers(std::vector<RandomMaker>* makers);
// A shape that broadcasts to `shape`: some dimensions 1, perhaps the leading ones left out.
Shape BroadcastSource(RandomGraph& g, Shape shape);

}  // namespace athanor

#endif  // ATHANOR_TESTS_RANDOM_RANDOM_GRAPH_H_
