// One case of an operator, described once and checked in every way there is:
//   - the shape rule gives the expected types, also with a symbolic batch where the case has one;
//   - the one-node graph survives the text form and the model file;
//   - the reference gives the expected values, where the case states them;
//   - the compiled plan (real kernels, arena poisoned with NaN) gives what the reference gives, also where the inputs
//     are not row-major;
//   - the gradient agrees with central finite differences of the reference in double, and the compiled gradient with
//     the interpreted one.
//
//   OpSpec("Conv2d").Name("stride 2").Input({2, 3, 7, 7}).Parameter({4, 3, 3, 3}).Attr("strides", Ints{2, 2})
//       .ExpectOutput({2, 4, 3, 3}).Check();
//
// Failures are gtest's, and name the line of the case. Data is random and the same in every run (Philox).
#ifndef ATHANOR_COMPILER_OPS_TESTING_OP_SPEC_H_
#define ATHANOR_COMPILER_OPS_TESTING_OP_SPEC_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <source_location>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/opdef/op_def.h"

namespace athanor {

struct Plan;
class Session;

class OpSpec {
 public:
  using Location = std::source_location;

  explicit OpSpec(std::string op) { node_.op = std::move(op); }
  OpSpec& Name(std::string name);
  OpSpec& Attr(const std::string& name, AttrValue value);
  OpSpec& Attr(const std::string& name, int value) { return Attr(name, AttrValue(int64_t{value})); }
  OpSpec& Attr(const std::string& name, int64_t value) { return Attr(name, AttrValue(value)); }
  OpSpec& Attr(const std::string& name, bool value) { return Attr(name, AttrValue(value)); }
  OpSpec& Attr(const std::string& name, double value) { return Attr(name, AttrValue(value)); }
  OpSpec& Attr(const std::string& name, const char* value) { return Attr(name, AttrValue(std::string(value))); }

  // Inputs in the operator's order: f32, uniform in [-1, 1]. An Input is given at each run, a Parameter is a variable,
  // so that a kernel may choose its layout.
  OpSpec& Input(Shape shape);
  OpSpec& Parameter(Shape shape);
  OpSpec& IntInput(Shape shape, int64_t low, int64_t high, DType dtype = DType::kS32);  // both ends included
  OpSpec& Given(Tensor data);           // an Input with this data
  OpSpec& GivenParameter(Tensor data);  // a Parameter with this data
  OpSpec& Absent();                     // an optional input that is left out
  // Of the input just described:
  OpSpec& InputRange(double low, double high);
  // No two elements closer than range / (4 elements), none that close to 0: max and ReLU keep their branch under the
  // steps of finite differences.
  OpSpec& KinkFree();

  // Outputs in the operator's order; those behind the last one described are left out.
  OpSpec& ExpectOutput(Shape shape, DType dtype = DType::kF32);
  OpSpec& ExpectValues(std::vector<double> values, double tolerance = 1e-12);  // of the output just described
  // Has a type, but a content that is the kernel's own (a workspace): not compared, and no gradient comes from it.
  OpSpec& OpaqueOutput(Shape shape, DType dtype);
  OpSpec& OmitOutput();  // an optional output that is not wanted

  // Dimension 0 of every Input, Given and IntInput and of every output is the batch (scalars have none): the shape rule
  // must hold with a symbol there.
  OpSpec& SymbolicBatch();
  // The entry is one of training: it sets the operator's phase.
  OpSpec& Training();
  // The operator has no gradient.
  OpSpec& NotDifferentiable();
  OpSpec& NoGradient(int input);            // has none for this input
  OpSpec& NoGradientFromOutput(int output);  // ignores what depends on this output (running statistics)
  // Of compiled results, relative to the largest magnitude in the tensor; 1e-5 unless told.
  OpSpec& Tolerance(double relative);

  void Check(Location where = Location::current());
  // Instead of Check: the shape rule, attributes or counts must be refused, the message naming the node and `text`.
  void ExpectError(ErrorClass error, const std::string& text, Location where = Location::current());
  // Instead of Check: the types are fine, but the data must be refused when it runs, by the reference and the kernel.
  void ExpectRunError(ErrorClass error, const std::string& text, Location where = Location::current());

 private:
  struct In {
    bool absent = false, parameter = false, integer = false, kink_free = false;
    DType dtype = DType::kF32;
    Shape shape;
    double low = -1, high = 1;
    std::shared_ptr<const Tensor> given = nullptr;
  };
  struct Out {
    bool omitted = false, opaque = false;
    TensorType type;
    std::optional<std::vector<double>> values;
    double tolerance = 0;
  };

  // Adds to the number of cases of the operator, which the test's XML report holds as the property "cases:<operator>".
  void CountCase() const;
  Tensor MakeData(int input) const;
  // The one-node graph, with the entry "run".
  absl::Status BuildGraph();
  absl::StatusOr<std::vector<DoubleTensor>> Evaluate(const std::map<ValueId, DoubleTensor>& data) const;
  // False: has failed, and what comes behind would only repeat it.
  bool CheckTypes() const;
  void CheckSymbolicBatch() const;
  void CheckRoundTrips() const;
  bool CheckReference() const;
  // op_spec_gradient.cc
  bool HasGradient(int input) const;
  void CheckGradient() const;
  absl::StatusOr<Graph> GradientGraph(std::vector<bool> needs) const;
  double NumericGradient(int input, int64_t element, const std::vector<DoubleTensor>& cotangents) const;
  // op_spec_compiled.cc: the graph has one entry, `expected` its outputs.
  void CheckCompiledOutputs() const;
  void CheckCompiled(const Graph& graph, const std::map<std::string, DoubleTensor>& inputs,
                     const std::map<std::string, DoubleTensor>& expected) const;
  void CheckKernels(const Plan& plan) const;
  void CheckRun(Session& session, const Graph& graph, const std::map<std::string, DoubleTensor>& expected) const;
  void ExpectCompiledRunError(ErrorClass error) const;
  // The case's data for the inputs of the graph's only entry, by name.
  std::map<std::string, DoubleTensor> InputsOf(const Graph& graph) const;
  bool IsOpaque(ValueId v) const;

  Node node_;
  std::string name_;
  std::vector<In> ins_;
  std::vector<Out> outs_;
  bool symbolic_batch_ = false, training_ = false, not_differentiable_ = false;
  std::set<int> no_gradient_, no_gradient_from_;
  double tolerance_ = 1e-5;

  // Made by BuildGraph.
  const OpDef* def_ = nullptr;
  Graph graph_;
  std::vector<TensorType> inferred_;
  std::map<ValueId, DoubleTensor> data_;  // of every input of the graph, parameters included
};

namespace internal {
// Uniform doubles that are floats, in [low, high): the same for the same key and stream.
std::vector<double> RandomFloats(const std::string& key, uint64_t stream, int64_t count, double low, double high);
// As many, evenly spaced in random order; none is the middle of the range.
std::vector<double> KinkFreeFloats(const std::string& key, uint64_t stream, int64_t count, double low, double high);
// The largest difference over the largest magnitude of `want` (or over `least`, when that is larger); infinity when a
// NaN stands where none should.
double RelativeError(const DoubleTensor& got, const DoubleTensor& want, double least);
}  // namespace internal

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_TESTING_OP_SPEC_H_
