// Builds a graph in C++, layer by layer:
//
//   GraphBuilder b("classifier");
//   Var x = b.Input("x", DType::kF32, {"N", 784});
//   Var labels = b.Input("labels", DType::kS32, {"N"});
//   Var h = b.Relu(b.FullyConnected(x, {.units = 128, .name = "fc1"}));
//   Var logits = b.FullyConnected(h, {.units = 10, .name = "fc2"});
//   b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
//   b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = b.SoftmaxCrossEntropy(logits, labels)});
//   absl::StatusOr<Graph> graph = b.Build();
//
// Types are inferred at each call. The first error is kept, names the caller's file and line, and is what Build()
// returns; calls behind it do nothing. Layers lay out, name and start their parameters as torch.nn does: "fc1.weight"
// [out,in], "conv1.weight" [O,I/groups,kh,kw], "conv1.bias".
#ifndef ATHANOR_COMPILER_BUILDER_BUILDER_H_
#define ATHANOR_COMPILER_BUILDER_BUILDER_H_

#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "compiler/graph/graph.h"
#include "compiler/opdef/name_scope.h"

namespace athanor {

// A value of the graph that is being built. Default-made: none, for an optional input that is left out.
struct Var {
  ValueId id = kNoValue;
};

struct NamedVar {
  std::string name;
  Var var;
};

// Every `name` is of the node, unique in the graph; empty: made from the operator's name. Spatial sizes are {height,
// width}, pads {top, left, bottom, right}.
struct Conv2dOptions {
  int64_t out_channels = 0;
  Ints kernel = {};
  Ints strides = {1, 1};
  Ints pads = {0, 0, 0, 0};
  Ints dilations = {1, 1};
  int64_t groups = 1;
  bool bias = true;
  std::string name = "";
  Initializer weight_init = {};  // default: torch.nn.Conv2d's
  Initializer bias_init = {};
};
struct FullyConnectedOptions {
  int64_t units = 0;
  bool bias = true;
  std::string name = "";
  Initializer weight_init = {};  // default: torch.nn.Linear's
  Initializer bias_init = {};
};
struct PoolOptions {
  Ints kernel = {};
  Ints strides = {};  // empty: the kernel's size
  Ints pads = {0, 0, 0, 0};
  bool count_include_pad = true;  // AvgPool: padding counts in the divisor
  std::string name = "";
};
struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;  // of the new statistics: running = (1 - momentum) running + momentum batch
  std::string name = "";
};
struct SliceOptions {
  Ints starts = {}, ends = {};
  Ints axes = {};   // empty: 0, 1, ...
  Ints steps = {};  // empty: 1
  std::string name = "";
};
struct ReduceOptions {
  Ints axes = {};  // empty: all
  bool keepdims = false;
  std::string name = "";
};
struct EntryOptions {
  bool training = false;
  std::vector<Var> inputs = {};
  std::vector<NamedVar> outputs = {};
  Var loss = {};  // becomes the first output, "loss"
};

// Not thread-safe.
class GraphBuilder {
 public:
  using Location = std::source_location;

  explicit GraphBuilder(std::string name);

  Var Input(const std::string& name, DType dtype, std::vector<Dim> dims, Location where = Location::current());
  // Variables of f32: trained, and not.
  Var Parameter(const std::string& name, Shape shape, Initializer init, Location where = Location::current());
  Var State(const std::string& name, Shape shape, Initializer init, Location where = Location::current());
  Var Constant(Tensor data, const std::string& name = "", Location where = Location::current());
  Var Constant(float value, Location where = Location::current());

  // Layers with parameters. BatchNorm over dimension 1, with running statistics that training entries update.
  Var Conv2d(Var x, Conv2dOptions options, Location where = Location::current());
  Var FullyConnected(Var x, FullyConnectedOptions options, Location where = Location::current());
  Var BatchNorm(Var x, BatchNormOptions options = {}, Location where = Location::current());

  Var MaxPool(Var x, PoolOptions options, Location where = Location::current());
  Var AvgPool(Var x, PoolOptions options, Location where = Location::current());
  Var GlobalAvgPool(Var x, const std::string& name = "", Location where = Location::current());
  Var Relu(Var x, const std::string& name = "", Location where = Location::current());
  Var Sigmoid(Var x, const std::string& name = "", Location where = Location::current());
  Var Tanh(Var x, const std::string& name = "", Location where = Location::current());
  Var Identity(Var x, const std::string& name = "", Location where = Location::current());
  // In training entries each element is 0 with probability `ratio`, else divided by 1 - ratio. When compiled, those
  // entries get the inputs "seed" and "step", s64 [], that choose the random numbers.
  Var Dropout(Var x, double ratio, const std::string& name = "", Location where = Location::current());
  Var Softmax(Var x, int64_t axis = -1, const std::string& name = "", Location where = Location::current());
  Var Add(Var a, Var b, const std::string& name = "", Location where = Location::current());
  Var Sub(Var a, Var b, const std::string& name = "", Location where = Location::current());
  Var Mul(Var a, Var b, const std::string& name = "", Location where = Location::current());
  Var Div(Var a, Var b, const std::string& name = "", Location where = Location::current());
  Var MatMul(Var a, Var b, const std::string& name = "", Location where = Location::current());
  Var Reshape(Var x, Ints shape, const std::string& name = "", Location where = Location::current());
  Var Flatten(Var x, const std::string& name = "", Location where = Location::current());
  Var Transpose(Var x, Ints perm, const std::string& name = "", Location where = Location::current());
  Var Concat(std::vector<Var> parts, int64_t axis, const std::string& name = "", Location where = Location::current());
  Var Slice(Var x, SliceOptions options, Location where = Location::current());
  Var ReduceSum(Var x, ReduceOptions options = {}, Location where = Location::current());
  Var ReduceMean(Var x, ReduceOptions options = {}, Location where = Location::current());
  Var ReduceMax(Var x, ReduceOptions options = {}, Location where = Location::current());
  // Scalar losses, the mean over the batch: labels s32 [N] are class numbers; targets are like the predictions.
  Var SoftmaxCrossEntropy(Var logits, Var labels, const std::string& name = "", Location where = Location::current());
  Var MeanSquaredError(Var prediction, Var target, const std::string& name = "", Location where = Location::current());

  // Any operator: its first `num_outputs` outputs (values without an id after an error).
  std::vector<Var> Op(const std::string& op, std::vector<Var> inputs, Attributes attrs = {}, int num_outputs = 1,
                      const std::string& name = "", Location where = Location::current());

  // After each run of a training entry that computes `value`, the variable holds it.
  void Update(Var variable, Var value, Location where = Location::current());
  void Metadata(const std::string& key, AttrValue value);
  void Entry(const std::string& name, EntryOptions options, Location where = Location::current());

  // For layers that are functions outside of this class: settles the name of one, which its parameters begin with;
  // empty after an error, also an earlier one.
  std::string LayerName(const std::string& op, const std::string& name, Location where = Location::current());
  // And what they refuse: an error naming the layer by a name that LayerName gave. The first error is kept.
  void Reject(const std::string& op, const std::string& name, const absl::Status& error,
              Location where = Location::current());

  // The type so far, undefined for none: shapes to compute with.
  TensorType TypeOf(Var v) const;
  const absl::Status& status() const { return status_; }
  // The graph, which VerifyGraph accepts, or the first error. The builder is empty afterwards.
  absl::StatusOr<Graph> Build();

 private:
  struct Layer {  // what all nodes of one call share
    std::string op, name;
    Location where;
  };
  // Settles the name. False after an error, also an earlier one.
  bool Begin(Layer* layer);
  bool Fail(const absl::Status& status);  // always false
  template <typename... Args>
  bool Fail(const Layer& layer, ErrorClass c, const absl::FormatSpec<Args...>& format, const Args&... args) {
    return Fail(layer, MakeErrorFromMessage(c, absl::StrFormat(format, args...)));
  }
  bool Fail(const Layer& layer, const absl::Status& status);
  bool CheckVars(const Layer& layer, const std::vector<Var>& vars);
  bool CheckRank(const Layer& layer, Var x, int rank);
  // The number in dimension `dim` of x, which must be at least 1; 0 after an error.
  int64_t Known(const Layer& layer, Var x, int dim);
  Var AddLeaf(Value value, const char* what, Location where);
  std::vector<Var> AddNode(const Layer& layer, std::vector<Var> inputs, Attributes attrs, int num_outputs);
  // The first output; the operator's other required outputs are made too.
  Var Simple(const char* op, std::vector<Var> inputs, Attributes attrs, const std::string& name, Location where);
  Var Pool(const char* op, Var x, PoolOptions options, bool average, Location where);
  Var Reduce(const char* op, Var x, ReduceOptions options, Location where);

  Graph graph_;
  NameScope names_;
  absl::Status status_;
  std::vector<std::pair<ValueId, ValueId>> updates_;
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_BUILDER_BUILDER_H_
