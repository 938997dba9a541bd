// The first IR: a network as a graph of operators over named values, in static single assignment. The builder and the
// ONNX importer make it, a .ath file stores it, passes rewrite it (pure functions Graph -> Graph), `text.h` prints and
// parses it, `verify.h` checks it.
#ifndef ATHANOR_COMPILER_GRAPH_GRAPH_H_
#define ATHANOR_COMPILER_GRAPH_GRAPH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/attributes.h"
#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"
#include "runtime/core/tensor.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

// One dimension: a number, or a named symbol (the batch "N") that is fixed when compiled.
struct Dim {
  int64_t size = 0;    // meaningless when symbolic
  std::string symbol;  // empty: a number

  Dim() = default;
  Dim(int64_t n) : size(n) {}                              // NOLINT: a number is a dimension
  Dim(int n) : size(n) {}                                  // NOLINT
  Dim(const char* s) : symbol(s) {}                        // NOLINT: so is a symbol
  Dim(std::string s) : symbol(std::move(s)) {}             // NOLINT
  bool symbolic() const { return !symbol.empty(); }
  bool operator==(const Dim& o) const { return symbol == o.symbol && (symbolic() || size == o.size); }
  std::string ToString() const { return symbolic() ? symbol : std::to_string(size); }
};

struct TensorType {
  DType dtype = DType::kUndefined;
  std::vector<Dim> dims;

  TensorType() = default;
  TensorType(DType t, std::vector<Dim> d) : dtype(t), dims(std::move(d)) {}
  static TensorType Of(DType t, const Shape& shape) { return {t, std::vector<Dim>(shape.begin(), shape.end())}; }
  int rank() const { return static_cast<int>(dims.size()); }
  bool concrete() const;
  Shape shape() const;  // CHECKs that it is concrete
  bool operator==(const TensorType&) const = default;
  std::string ToString() const;  // "f32[N,1,28,28]"
};

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;

enum class ValueKind : uint8_t {
  kNode = 0,       // a node's output
  kInput = 1,      // given by the caller at each run
  kParameter = 2,  // a trained variable
  kState = 3,      // a variable that is not trained: running statistics, optimizer slots
  kConstant = 4,
};
inline bool IsVariable(ValueKind k) { return k == ValueKind::kParameter || k == ValueKind::kState; }

// How a variable starts when it has no data: the name of an initialiser ("zeros", "constant", "normal", "uniform",
// "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal") and its attributes.
struct Initializer {
  std::string kind;
  Attributes attrs;
  bool operator==(const Initializer&) const = default;
};

struct Value {
  std::string name;  // unique in the graph, without '%'
  TensorType type;
  ValueKind kind = ValueKind::kNode;
  Initializer init;                    // variables; used when data is null
  std::shared_ptr<const Tensor> data;  // constants always, variables when known
};

struct Node {
  std::string op;    // OpDef::name
  std::string name;  // unique in the graph
  std::vector<ValueId> inputs;   // kNoValue for an optional input that is absent
  std::vector<ValueId> outputs;  // kNoValue for an optional output that is not wanted
  Attributes attrs;
  std::vector<PostOp> post_ops;  // fused; operand = index into `inputs`, behind the operator's own inputs
  std::string where;             // "file.cc:41" where the builder was called; may be empty
};

struct NamedValue {
  std::string name;
  ValueId value = kNoValue;
  bool operator==(const NamedValue&) const = default;
};

// One way to run the model. `training` chooses the phase of operators such as Dropout and BatchNorm.
struct GraphEntry {
  std::string name;
  bool training = false;
  std::vector<NamedValue> inputs;
  std::vector<NamedValue> outputs;
  ValueId loss = kNoValue;  // a scalar; the train entry's objective. It is an output too, by the name "loss".
  // After a run, variable `first` holds what was computed as `second` (optimizer steps, running statistics).
  std::vector<std::pair<ValueId, ValueId>> updates;
};

struct Graph {
  std::string name;
  Attributes metadata;  // "classes" (strings), "input_scale", "mean", "std", ...
  std::vector<Value> values;
  std::vector<Node> nodes;  // in topological order
  std::vector<GraphEntry> entries;

  const Value& value(ValueId id) const { return values[id]; }
  const TensorType& type(ValueId id) const { return values[id].type; }
  // kNoValue when there is none.
  ValueId FindValue(absl::string_view value_name) const;
  const GraphEntry* FindEntry(absl::string_view entry_name) const;

  // The names in use are kept unique: returns `name`, or name.1, name.2, ...
  std::string UniqueValueName(const std::string& name) const;
  ValueId AddValue(Value v);  // the name must be new (verify checks)

  // Producer node index by value (-1 for none), and the node indices that read each value (each node once).
  std::vector<int> Producers() const;
  std::vector<std::vector<int>> Users() const;

  // Makes every reader of `from` (nodes, entry outputs, losses, update sources) read `to`.
  void ReplaceUses(ValueId from, ValueId to);
  // Drops nodes whose op is empty, then values that nothing names; renumbers. Entry inputs always stay.
  void Compact();
};

// How errors name a node: `file.cc:41: node "conv1" (Conv2d)`.
std::string DescribeNode(const Node& node);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_GRAPH_H_
