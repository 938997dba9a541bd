// Everything that RNN, LSTM, GRU and their gradients refuse.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOps[] = {"RNN", "LSTM", "GRU"};
int64_t Gates(const std::string& op) {
  return absl::StartsWith(op, "LSTM") ? 4 : absl::StartsWith(op, "GRU") ? 3 : 1;
}

// The inputs of a good node of [7,2,5] and 3 hidden units, one direction, of which a test replaces one.
class Inputs {
 public:
  explicit Inputs(const std::string& op) : op_(op) {
    const int64_t rows = Gates(op) * 3;
    shapes_ = {{7, 2, 5}, {1, rows, 5}, {1, rows, 3}, {1, rows}, {1, rows}, {2}, {1, 2, 3}};
    if (Gates(op) == 4) shapes_.push_back({1, 2, 3});
    integer_ = 5;  // lengths
    if (!absl::EndsWith(op, "Grad")) return;
    workspace_ = static_cast<int>(shapes_.size()) + 1;
    shapes_.insert(shapes_.end(), {{7, 2, 3}, {7, 2, 3}, {7, 2, 3}, {1, 2, 3}});  // y, workspace, dy, dh_n
    if (Gates(op) == 4) shapes_.push_back({1, 2, 3});
  }
  int count() const { return static_cast<int>(shapes_.size()); }
  Inputs& Set(int input, Shape shape) {
    shapes_[input] = std::move(shape);
    return *this;
  }
  Inputs& OtherDtype(int input) {
    other_dtype_ = input;
    return *this;
  }
  Inputs& Add(Shape shape) {
    shapes_.push_back(std::move(shape));
    return *this;
  }
  Inputs& Truncate(int count) {
    shapes_.resize(count);
    return *this;
  }
  Inputs& Omit(int input) {
    omitted_ = input;
    return *this;
  }
  OpSpec Spec() const {
    OpSpec spec(op_);
    for (int i = 0; i < count(); ++i) {
      const bool other = i == other_dtype_;
      if (i == omitted_) {
        spec.Absent();
      } else if (i == workspace_) {
        spec.IntInput(shapes_[i], 0, 0, other ? DType::kS32 : DType::kU8);
      } else if ((i == integer_) != other) {
        spec.IntInput(shapes_[i], 0, 1);
      } else {
        spec.Input(shapes_[i]);
      }
    }
    spec.ExpectOutput({7, 2, 3});
    return spec;
  }

 private:
  std::string op_;
  std::vector<Shape> shapes_;
  int integer_ = -1, workspace_ = -1, other_dtype_ = -1, omitted_ = -1;
};

TEST(RecurrentErrors, ShapesOfInputs) {
  for (const char* suffix : {"", "Grad"}) {
    for (const char* base : kOps) {
      const std::string op = absl::StrCat(base, suffix);
      const int64_t rows = Gates(op) * 3;
      auto expect = [&](int input, Shape shape, const std::string& text) {
        Inputs(op).Set(input, std::move(shape)).Spec().ExpectError(ErrorClass::kShape, text);
      };
      for (const Shape& empty : std::vector<Shape>{{0, 2, 5}, {7, 0, 5}, {7, 2, 0}}) {
        expect(0, empty, absl::StrCat("input \"x\" is f32", ShapeToString(empty), ": it is empty"));
      }
      expect(0, {7, 5}, "input \"x\"");
      expect(0, {7, 2, 5, 1}, "input \"x\"");
      expect(0, {7, 2, 4}, absl::StrCat("input \"weight_ih\" is f32[1,", rows, ",5], expected f32[1,", rows, ",4]"));
      expect(1, {1, rows + 1, 5}, "input \"weight_ih\" is f32[1,");
      expect(1, {2, rows, 5}, "input \"weight_ih\" is f32[2,");
      expect(1, {rows, 5}, "input \"weight_ih\" is f32[");
      expect(2, {rows, 3}, "input \"weight_hh\"");
      expect(2, {1, rows, 0}, "input \"weight_hh\" is");
      expect(2, {1, 0, 3}, "it is empty");
      expect(2, {0, rows, 3}, "it is empty");
      expect(2, {1, rows + 3, 3}, absl::StrCat("expected [1,", rows, ",3]: 1 direction, ", Gates(op), " gate"));
      expect(2, {1, rows, 4}, "input \"weight_hh\" is");
      expect(2, {2, rows, 3}, "input \"weight_hh\" is f32[2,");
      for (int bias : {3, 4}) {
        const std::string name = bias == 3 ? "bias_ih" : "bias_hh";
        expect(bias, {1, rows - 1},
               absl::StrCat("input \"", name, "\" is f32[1,", rows - 1, "], expected f32[1,", rows));
        expect(bias, {rows}, absl::StrCat("input \"", name, "\""));
        expect(bias, {2, rows}, absl::StrCat("input \"", name, "\" is f32[2,", rows, "]"));
      }
      expect(5, {7}, "input \"lengths\" is s32[7], expected s32[2]");
      expect(5, {2, 1}, "input \"lengths\" is s32[2,1]");
      expect(6, {1, 2, 4}, "input \"h0\" is f32[1,2,4], expected f32[1,2,3]");
      expect(6, {1, 7, 3}, "input \"h0\" is f32[1,7,3]");
      expect(6, {2, 3}, "input \"h0\" is f32[2,3]");
      if (Gates(op) == 4) expect(7, {2, 2, 3}, "input \"c0\" is f32[2,2,3], expected f32[1,2,3]");
    }
  }
}

TEST(RecurrentErrors, ShapesOfWhatTheGradientReads) {
  for (const char* base : kOps) {
    const std::string op = absl::StrCat(base, "Grad");
    const int first = Gates(op) == 4 ? 8 : 7;
    auto expect = [&](int input, Shape shape, const std::string& text) {
      Inputs(op).Set(first + input, std::move(shape)).Spec().ExpectError(ErrorClass::kShape, text);
    };
    expect(0, {7, 2, 6}, "input \"y\" is f32[7,2,6], expected f32[7,2,3]");
    expect(1, {7, 2}, "input \"workspace\" is u8[7,2]");
    expect(2, {2, 7, 3}, "input \"dy\" is f32[2,7,3], expected f32[7,2,3]");
    expect(3, {1, 2, 2}, "input \"dh_n\" is f32[1,2,2], expected f32[1,2,3]");
    if (Gates(op) == 4) expect(4, {2, 2, 3}, "input \"dc_n\" is f32[2,2,3], expected f32[1,2,3]");
    Inputs(op).OtherDtype(first + 1).Spec().ExpectError(ErrorClass::kDtype, "input \"workspace\" is s32[7,2,3]");
    Inputs(op).Omit(first).Spec().ExpectError(ErrorClass::kGraph, "(\"y\") is required");
    Inputs(op).Omit(first + 1).Spec().ExpectError(ErrorClass::kGraph, "(\"workspace\") is required");
    Inputs(op).Truncate(first + 1).Spec().ExpectError(ErrorClass::kGraph, "inputs, expected");
  }
}

TEST(RecurrentErrors, ElementTypes) {
  static constexpr const char* kNames[] = {"x",       "weight_ih", "weight_hh", "bias_ih",
                                           "bias_hh", "lengths",   "h0",        "c0"};
  for (const char* suffix : {"", "Grad"}) {
    for (const char* base : kOps) {
      const std::string op = absl::StrCat(base, suffix);
      for (int i = 0; i < (Gates(op) == 4 ? 8 : 7); ++i) {
        Inputs(op).OtherDtype(i).Spec().ExpectError(ErrorClass::kDtype, absl::StrCat("input \"", kNames[i], "\""));
      }
    }
  }
}

TEST(RecurrentErrors, CountsAndRequiredInputs) {
  for (const char* op : kOps) {
    Inputs(op).Truncate(2).Spec().ExpectError(ErrorClass::kGraph, "has 2 inputs, expected 3 to");
    Inputs(op).Add({1}).Spec().ExpectError(ErrorClass::kGraph, "inputs, expected 3 to");
    for (int i : {0, 1, 2}) Inputs(op).Omit(i).Spec().ExpectError(ErrorClass::kGraph, "is required");
    OpSpec none = Inputs(op).Spec();
    none.ExpectOutput({1, 2, 3}).ExpectOutput({1, 2, 3}).ExpectOutput({7, 2, 3}, DType::kU8).ExpectOutput({1});
    none.ExpectError(ErrorClass::kGraph, "has 5 outputs, expected 1 to");
  }
}

TEST(RecurrentErrors, Attributes) {
  for (const char* suffix : {"", "Grad"}) {
    for (const char* base : kOps) {
      const std::string op = absl::StrCat(base, suffix);
      Inputs(op).Spec().Attr("direction", "backward").ExpectError(
          ErrorClass::kAttr, "attribute \"direction\" = \"backward\" is not one of forward, reverse, bidirectional");
      Inputs(op).Spec().Attr("direction", 2).ExpectError(ErrorClass::kAttr, "is of type int, expected string");
      Inputs(op).Spec().Attr("hidden_size", 3).ExpectError(ErrorClass::kAttr, "has no attribute \"hidden_size\"");
      Inputs(op).Spec().Attr("direction", "bidirectional").ExpectError(ErrorClass::kShape, "expected [2,");
    }
    const std::string rnn = absl::StrCat("RNN", suffix), gru = absl::StrCat("GRU", suffix);
    Inputs(rnn).Spec().Attr("nonlinearity", "sigmoid").ExpectError(ErrorClass::kAttr, "is not one of tanh, relu");
    Inputs(rnn).Spec().Attr("linear_before_reset", true).ExpectError(ErrorClass::kAttr, "has no attribute");
    Inputs(gru).Spec().Attr("linear_before_reset", 1).ExpectError(ErrorClass::kAttr, "is of type int, expected bool");
    Inputs(gru).Spec().Attr("nonlinearity", "tanh").ExpectError(ErrorClass::kAttr, "has no attribute");
  }
}

// Types without data: none could be held.
TEST(RecurrentErrors, SizesBeyondTheLimits) {
  struct Case {
    Dim steps, batch;
    int64_t inputs, hidden;
  };
  for (const char* op : kOps) {
    for (const Case& s : std::vector<Case>{{int64_t{1} << 20, int64_t{1} << 11, 1, 1},
                                           {1, int64_t{1} << 20, 1000, 1},
                                           {1, 1, 1, 1 << 15},
                                           {1, 1, int64_t{1} << 28, 1},
                                           {int64_t{1} << 40, 1, 1, 1},
                                           {1, INT64_MAX, INT64_MAX, 1},
                                           {"T", int64_t{1} << 40, 1, 1}}) {
      Node node;
      node.op = op, node.name = "node";
      node.inputs = {0, 1, 2};
      node.outputs = {3};
      const int64_t rows = Gates(op) * s.hidden;
      std::vector<TensorType> types = {{DType::kF32, {s.steps, s.batch, s.inputs}},
                                       {DType::kF32, {1, rows, s.inputs}},
                                       {DType::kF32, {1, rows, s.hidden}}};
      auto inferred = InferTypes(**FindOp(node), node, types);
      ASSERT_FALSE(inferred.ok());
      EXPECT_EQ(ErrorClassOf(inferred.status()), "LIMIT") << inferred.status();
      EXPECT_TRUE(absl::StrContains(inferred.status().message(), types[0].ToString())) << inferred.status();
    }
  }
}

}  // namespace
}  // namespace athanor
