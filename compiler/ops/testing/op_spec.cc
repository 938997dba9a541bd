#include "compiler/ops/testing/op_spec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "compiler/graph/model_io.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {

using ::testing::HasSubstr;

namespace internal {

std::vector<double> RandomFloats(const std::string& key, uint64_t stream, int64_t count, double low, double high) {
  uint64_t seed = 1469598103934665603u;  // FNV-1a
  for (char c : key) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211u;
  Philox random(seed, stream);
  std::vector<double> v(count);
  for (int64_t i = 0; i < count; ++i) v[i] = static_cast<float>(low + (high - low) * random.Uniform(i));
  return v;
}

std::vector<double> KinkFreeFloats(const std::string& key, uint64_t stream, int64_t count, double low, double high) {
  const std::vector<double> random = RandomFloats(key, stream, count, 0, 1);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return random[a] < random[b]; });
  std::vector<double> v(count);
  const double step = (high - low) / static_cast<double>(count);
  // A quarter step off: with an odd count the middle point would lie on the middle.
  for (int64_t k = 0; k < count; ++k) {
    v[order[k]] = static_cast<float>(low + (static_cast<double>(k) + 0.25) * step);
  }
  return v;
}

double RelativeError(const DoubleTensor& got, const DoubleTensor& want, double least) {
  if (got.shape != want.shape) return std::numeric_limits<double>::infinity();
  double worst = 0, scale = least;
  for (int64_t i = 0; i < want.size(); ++i) {
    if (got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) continue;
    double difference = std::abs(got[i] - want[i]);
    worst = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(worst, difference);
  }
  for (double v : want.data) {
    if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
  }
  return worst / scale;
}

}  // namespace internal

OpSpec& OpSpec::Name(std::string name) {
  name_ = std::move(name);
  return *this;
}

OpSpec& OpSpec::Attr(const std::string& name, AttrValue value) {
  node_.attrs.Set(name, std::move(value));
  return *this;
}

OpSpec& OpSpec::Input(Shape shape) {
  ins_.push_back({.shape = std::move(shape)});
  return *this;
}

OpSpec& OpSpec::Parameter(Shape shape) {
  Input(std::move(shape));
  ins_.back().parameter = true;
  return *this;
}

OpSpec& OpSpec::IntInput(Shape shape, int64_t low, int64_t high, DType dtype) {
  Input(std::move(shape)).InputRange(static_cast<double>(low), static_cast<double>(high));
  ins_.back().integer = true;
  ins_.back().dtype = dtype;
  return *this;
}

OpSpec& OpSpec::Given(Tensor data) {
  Input(data.shape());
  ins_.back().dtype = data.dtype();
  ins_.back().given = std::make_shared<const Tensor>(std::move(data));
  return *this;
}

OpSpec& OpSpec::GivenParameter(Tensor data) {
  Given(std::move(data));
  ins_.back().parameter = true;
  return *this;
}

OpSpec& OpSpec::Absent() {
  ins_.emplace_back();
  ins_.back().absent = true;
  return *this;
}

OpSpec& OpSpec::InputRange(double low, double high) {
  ins_.back().low = low;
  ins_.back().high = high;
  return *this;
}

OpSpec& OpSpec::KinkFree() {
  ins_.back().kink_free = true;
  return *this;
}

OpSpec& OpSpec::ExpectOutput(Shape shape, DType dtype) {
  outs_.push_back({.type = TensorType::Of(dtype, shape), .values = {}});
  return *this;
}

OpSpec& OpSpec::ExpectValues(std::vector<double> values, double tolerance) {
  outs_.back().values = std::move(values);
  outs_.back().tolerance = tolerance;
  return *this;
}

OpSpec& OpSpec::OpaqueOutput(Shape shape, DType dtype) {
  ExpectOutput(std::move(shape), dtype);
  outs_.back().opaque = true;
  return NoGradientFromOutput(static_cast<int>(outs_.size()) - 1);
}

OpSpec& OpSpec::OmitOutput() {
  outs_.emplace_back();
  outs_.back().omitted = true;
  return *this;
}

OpSpec& OpSpec::SymbolicBatch() {
  symbolic_batch_ = true;
  return *this;
}

OpSpec& OpSpec::Training() {
  training_ = true;
  return *this;
}

OpSpec& OpSpec::NotDifferentiable() {
  not_differentiable_ = true;
  return *this;
}

OpSpec& OpSpec::NoGradient(int input) {
  no_gradient_.insert(input);
  return *this;
}

OpSpec& OpSpec::NoGradientFromOutput(int output) {
  no_gradient_from_.insert(output);
  return *this;
}

OpSpec& OpSpec::Tolerance(double relative) {
  tolerance_ = relative;
  return *this;
}

Tensor OpSpec::MakeData(int input) const {
  const In& in = ins_[input];
  if (in.given) return in.given->Clone();
  DoubleTensor data(in.shape);
  const std::string key = node_.op + "/" + name_;
  data.data = internal::RandomFloats(key, input, data.size(), in.integer ? 0 : in.low, in.integer ? 1 : in.high);
  if (in.integer) {
    for (double& v : data.data) v = in.low + std::floor(v * (in.high - in.low + 1));
  }
  if (in.kink_free) data.data = internal::KinkFreeFloats(key, input, data.size(), in.low, in.high);
  return data.To(in.dtype);
}

absl::Status OpSpec::BuildGraph() {
  node_.name = "node";
  node_.where = "case";
  node_.inputs.clear();
  node_.outputs.clear();
  ATH_ASSIGN_OR_RETURN(def_, FindOp(node_));
  graph_ = Graph();
  graph_.name = "case";
  GraphEntry entry{"run", training_, {}, {}, kNoValue, {}};
  std::vector<TensorType> types;
  for (size_t i = 0; i < ins_.size(); ++i) {
    const In& in = ins_[i];
    node_.inputs.push_back(in.absent ? kNoValue : static_cast<ValueId>(graph_.values.size()));
    types.push_back(in.absent ? TensorType() : TensorType::Of(in.dtype, in.shape));
    if (in.absent) continue;
    Tensor data = MakeData(static_cast<int>(i));
    Value value;
    value.name = absl::StrCat("in", i);
    value.type = types.back();
    value.kind = in.parameter ? ValueKind::kParameter : ValueKind::kInput;
    data_[node_.inputs.back()] = DoubleTensor::From(data);
    if (in.parameter) value.data = std::make_shared<const Tensor>(std::move(data));
    if (!in.parameter) entry.inputs.push_back({value.name, node_.inputs.back()});
    graph_.AddValue(std::move(value));
  }
  for (size_t i = 0; i < outs_.size(); ++i) {
    node_.outputs.push_back(outs_[i].omitted ? kNoValue : static_cast<ValueId>(graph_.values.size()));
    if (outs_[i].omitted) continue;
    Value value;
    value.name = absl::StrCat("out", i);
    entry.outputs.push_back({value.name, node_.outputs.back()});
    graph_.AddValue(std::move(value));
  }
  ATH_ASSIGN_OR_RETURN(inferred_, InferTypes(*def_, node_, types));
  for (size_t i = 0; i < outs_.size(); ++i) {
    if (node_.outputs[i] != kNoValue) graph_.values[node_.outputs[i]].type = inferred_[i];
  }
  graph_.nodes = {node_};
  graph_.entries = {std::move(entry)};
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DoubleTensor>> OpSpec::Evaluate(const std::map<ValueId, DoubleTensor>& data) const {
  std::vector<const DoubleTensor*> inputs;
  for (ValueId v : node_.inputs) inputs.push_back(v == kNoValue ? nullptr : &data.at(v));
  return EvaluateNode(*def_, node_, inferred_, inputs);
}

bool OpSpec::CheckTypes() const {
  bool good = true;
  for (size_t i = 0; i < outs_.size(); ++i) {
    if (outs_[i].omitted || inferred_[i] == outs_[i].type) continue;
    ADD_FAILURE() << "type of output " << i << " is " << inferred_[i].ToString() << ", expected "
                  << outs_[i].type.ToString();
    good = false;
  }
  return good;
}

std::map<std::string, DoubleTensor> OpSpec::InputsOf(const Graph& graph) const {
  std::map<std::string, DoubleTensor> inputs;
  for (const NamedValue& in : graph.entries[0].inputs) {
    if (auto it = data_.find(in.value); it != data_.end()) inputs[in.name] = it->second;
  }
  return inputs;
}

bool OpSpec::IsOpaque(ValueId v) const {
  for (size_t i = 0; i < outs_.size(); ++i) {
    if (outs_[i].opaque && node_.outputs[i] == v) return true;
  }
  return false;
}

void OpSpec::CheckSymbolicBatch() const {
  std::vector<TensorType> types;
  for (size_t i = 0; i < ins_.size(); ++i) {
    types.push_back(ins_[i].absent ? TensorType() : TensorType::Of(ins_[i].dtype, ins_[i].shape));
    if (!ins_[i].parameter && types.back().rank() > 0) types.back().dims[0] = Dim("N");
  }
  Node node = node_;
  auto inferred = InferTypes(*def_, node, types);
  ASSERT_TRUE(inferred.ok()) << "with a symbolic batch: " << inferred.status();
  for (size_t i = 0; i < outs_.size(); ++i) {
    if (outs_[i].omitted) continue;
    TensorType expected = outs_[i].type;
    if (expected.rank() > 0) expected.dims[0] = Dim("N");
    EXPECT_EQ((*inferred)[i].ToString(), expected.ToString()) << "type of output " << i << " with a symbolic batch";
  }
}

void OpSpec::CheckRoundTrips() const {
  TextOptions all;
  all.inline_data = InlineData::kAll;
  std::string text = ToText(graph_, all);
  auto parsed = ParseGraph(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
  EXPECT_EQ(ToText(*parsed, all), text);

  auto bytes = SerializeModel(graph_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  auto read = ParseModel(*bytes, "case.ath");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToText(*read, all), text) << "through the model file";
}

bool OpSpec::CheckReference() const {
  auto outputs = Evaluate(data_);
  if (!outputs.ok()) {
    ADD_FAILURE() << outputs.status();
    return false;
  }
  for (size_t i = 0; i < outs_.size(); ++i) {
    if (outs_[i].omitted) continue;
    DoubleTensor want(outs_[i].type.shape());
    if ((*outputs)[i].shape != want.shape || (*outputs)[i].size() != want.size()) {
      ADD_FAILURE() << "the reference changed the shape of output " << i;
      return false;
    }
    if (!outs_[i].values) continue;
    want.data = *outs_[i].values;
    EXPECT_EQ(want.data.size(), (*outputs)[i].data.size()) << "the case states another number of values";
    if (want.data.size() != (*outputs)[i].data.size()) return false;
    EXPECT_LE(internal::RelativeError((*outputs)[i], want, 1e-300), outs_[i].tolerance)
        << "reference of output " << i << ": " << ::testing::PrintToString((*outputs)[i].data) << ", expected "
        << ::testing::PrintToString(want.data);
  }
  return true;
}

void OpSpec::CountCase() const {
  static auto* counts = new std::map<std::pair<const ::testing::TestInfo*, std::string>, int>;
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  ::testing::Test::RecordProperty("cases:" + node_.op, ++(*counts)[{test, node_.op}]);
}

void OpSpec::Check(Location where) {
  CountCase();
  ::testing::ScopedTrace trace(where.file_name(), static_cast<int>(where.line()), absl::StrCat(node_.op, ": ", name_));
  absl::Status built = BuildGraph();
  ASSERT_TRUE(built.ok()) << built;
  if (!CheckTypes()) return;
  if (symbolic_batch_) CheckSymbolicBatch();
  CheckRoundTrips();
  if (!CheckReference()) return;
  CheckCompiledOutputs();
  CheckGradient();
}

void OpSpec::ExpectError(ErrorClass error, const std::string& text, Location where) {
  CountCase();
  ::testing::ScopedTrace trace(where.file_name(), static_cast<int>(where.line()), absl::StrCat(node_.op, ": ", name_));
  absl::Status status = BuildGraph();
  ASSERT_FALSE(status.ok()) << "was accepted";
  EXPECT_EQ(std::string(ErrorClassOf(status)), std::string(ErrorClassName(error))) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("node \"node\" (", node_.op, ")")));
}

void OpSpec::ExpectRunError(ErrorClass error, const std::string& text, Location where) {
  CountCase();
  ::testing::ScopedTrace trace(where.file_name(), static_cast<int>(where.line()), absl::StrCat(node_.op, ": ", name_));
  absl::Status built = BuildGraph();
  ASSERT_TRUE(built.ok()) << built;
  absl::Status status = Evaluate(data_).status();
  ASSERT_FALSE(status.ok()) << "the reference accepted it";
  EXPECT_EQ(std::string(ErrorClassOf(status)), std::string(ErrorClassName(error))) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("node \"node\" (", node_.op, ")")));
  ExpectCompiledRunError(error);
}

}  // namespace athanor
