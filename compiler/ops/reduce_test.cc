#include <cmath>
#include <limits>

#include "absl/strings/str_join.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOps[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin",       "ReduceProd",
                                "ReduceL1",  "ReduceL2",   "ReduceSumSquare", "ReduceLogSumExp"};
constexpr const char* kLogic[] = {"ReduceAny", "ReduceAll"};

TEST(Reduce, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1, 2, 3, -4, 5, -6}); };
  auto all = [&](const char* op, double want, double tolerance = 1e-12) {
    OpSpec(op).Given(x()).ExpectOutput({}).ExpectValues({want}, tolerance).Check();
  };
  all("ReduceSum", 1);
  all("ReduceProd", 720);
  all("ReduceL1", 21);
  all("ReduceL2", std::sqrt(91.0));
  all("ReduceSumSquare", 91);
  all("ReduceMin", -6);
  all("ReduceLogSumExp", std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0) + std::exp(-4.0) + std::exp(5.0) +
                                  std::exp(-6.0)));
  OpSpec("ReduceMean").Given(x()).Attr("axes", Ints{1}).ExpectOutput({2}).ExpectValues({2, -5.0 / 3}).Check();
  OpSpec("ReduceMax")
      .Given(x())
      .Attr("axes", Ints{0})
      .Attr("keepdims", true)
      .ExpectOutput({1, 3})
      .ExpectValues({1, 5, 3})
      .Check();
  // Equal extremes share the gradient; finite differences know nothing of that.
  auto ties = [](const char* op, const std::vector<float>& y) {
    OpSpec(op).Attr("axes", Ints{1}).Given(Tensor::Of<float>({2}, {6, 10}))
        .Given(Tensor::Of<float>({2, 3}, {7, 7, 7, 1, 2, 2})).Given(Tensor::Of<float>({2}, y)).ExpectOutput({2, 3})
        .ExpectValues(y[1] == 2 ? std::vector<double>{2, 2, 2, 0, 5, 5} : std::vector<double>{2, 2, 2, 10, 0, 0})
        .NotDifferentiable().Check();
  };
  ties("ReduceMaxGrad", {7, 2});
  ties("ReduceMinGrad", {7, 1});
}

TEST(Reduce, EverySetOfAxes) {
  for (const char* op : kOps) {
    for (const Shape& x : std::vector<Shape>{{3, 4, 5}, {2, 1, 6}, {1, 1, 1}, {2, 3, 33}}) {
      for (int mask = 0; mask < 16; ++mask) {
        const bool keepdims = mask & 8;
        Ints axes;
        Shape y;
        for (int d = 0; d < 3; ++d) {
          // The empty list means all.
          const bool reduced = (mask & 7) == 0 || mask & (1 << d);
          if (mask & (1 << d)) axes.push_back(d % 2 == 0 ? d : d - 3);
          if (!reduced || keepdims) y.push_back(reduced ? 1 : x[d]);
        }
        OpSpec spec(op);
        spec.Name("axes " + absl::StrJoin(axes, ",")).Attr("axes", axes).Attr("keepdims", keepdims).Input(x).KinkFree();
        spec.ExpectOutput(y);
        if (!axes.empty() && mask % 2 == 0) spec.SymbolicBatch();
        spec.Check();
      }
    }
  }
}

TEST(Reduce, OtherRanks) {
  for (const char* op : kOps) {
    auto spec = [op](const char* name, const Ints& axes, const Shape& x, const Shape& y) {
      OpSpec s(op);
      s.Name(name).Attr("axes", axes).Input(x).InputRange(-1.5, 1.5).KinkFree().ExpectOutput(y);
      return s;
    };
    OpSpec(op).Name("scalar").Input({}).ExpectOutput({}).Check();
    spec("vector", {}, {100}, {}).Check();
    spec("channels", {0, 2, 3}, {4, 6, 5, 5}, {6}).Check();
    spec("channels of images", {3, 2}, {4, 6, 5, 5}, {4, 6}).SymbolicBatch().Check();
    spec("rows", {-1}, {64, 300}, {64}).SymbolicBatch().Check();
    spec("columns", {0}, {300, 64}, {64}).Check();
    spec("narrow columns", {0}, {200, 3}, {3}).Check();
  }
}

TEST(Reduce, ProductsWithZeros) {
  for (int zeros : {1, 2, 6}) {
    for (int axis : {0, 1}) {
      std::vector<float> x = {2, 3, -1, 4, 0.5f, 5, -2, 3, 7, 1, 1, 2};
      for (int i = 0; i < zeros; ++i) x[axis == 0 ? i * 2 : i] = 0;
      const Shape shape = axis == 0 ? Shape{6, 2} : Shape{2, 6};
      OpSpec("ReduceProd").Name(std::to_string(zeros)).Given(Tensor::Of<float>(shape, x)).Attr("axes", Ints{axis})
          .ExpectOutput({2}).Check();
    }
  }
  OpSpec("ReduceProdGrad").Attr("axes", Ints{1}).Given(Tensor::Of<float>({3}, {1.0f, 2.0f, 3.0f}))
      .Given(Tensor::Of<float>({3, 3}, {2, 3, 4, 2, 0, 4, 0, 0, 4})).Given(Tensor::Of<float>({3}, {24, 0, 0}))
      .ExpectOutput({3, 3}).ExpectValues({12, 8, 6, 0, 16, 0, 0, 0, 0}).NotDifferentiable().Check();
}

TEST(Reduce, AtTheEndsOfTheRange) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1e4f, 1e4f, -1e4f, -1e4f, -1e4f, -1e4f}); };
  for (int axis : {1, -1}) {
    OpSpec("ReduceLogSumExp").Given(x()).Attr("axes", Ints{axis}).ExpectOutput({2})
        .ExpectValues({1e4 + std::log(2.0), -1e4 + std::log(3.0)}).Check();
  }
  OpSpec("ReduceLogSumExp").Given(x()).Attr("axes", Ints{0}).ExpectOutput({3})
      .ExpectValues({1e4, 1e4, -1e4 + std::log(2.0)}).Check();
}

// The slope of a root at 0 is infinite; PyTorch's norm has 0 there.
TEST(Reduce, TheGradientOfL2AtZeroIsZero) {
  Graph graph;
  auto add = [&graph](const char* name, Tensor data) {
    Value value;
    value.name = name;
    value.type = TensorType::Of(data.dtype(), data.shape());
    value.kind = ValueKind::kConstant;
    value.data = std::make_shared<const Tensor>(std::move(data));
    return graph.AddValue(std::move(value));
  };
  const ValueId x = add("x", Tensor::Of<float>({2, 2}, {0.0f, 0.0f, 3.0f, 4.0f}));
  const ValueId y = add("y", Tensor::Of<float>({2}, {0.0f, 5.0f}));
  const ValueId dy = add("dy", Tensor::Of<float>({2}, {7.0f, 10.0f}));
  Node node{"ReduceL2", "n", {x}, {y}, {{"axes", Ints{1}}, {"keepdims", false}}, {}, ""};
  GradientContext context(&graph, node, {dy}, {true});
  ASSERT_TRUE((*FindOp(node))->gradient(context).ok());
  std::map<ValueId, DoubleTensor> values;
  auto value = [&](ValueId v) {
    return values.contains(v) ? values[v] : DoubleTensor::From(*graph.value(v).data);
  };
  for (Node& n : graph.nodes) {
    std::vector<DoubleTensor> inputs;
    std::vector<const DoubleTensor*> pointers;
    for (ValueId v : n.inputs) inputs.push_back(value(v));
    for (const DoubleTensor& t : inputs) pointers.push_back(&t);
    ReferenceContext reference(n, pointers, {graph.type(n.outputs[0])});
    ASSERT_TRUE((*FindOp(n))->reference(reference).ok());
    values[n.outputs[0]] = reference.outputs()[0];
  }
  EXPECT_EQ(value(context.input_grads()[0]).data, (std::vector<double>{0, 0, 6, 8}));
}

TEST(Reduce, NothingHasTheResultOfNoTerms) {
  for (const char* op : {"ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd"}) {
    const double want = std::string(op) == "ReduceProd" ? 1 : 0;
    OpSpec(op).Name("all").Input({2, 0}).ExpectOutput({}).ExpectValues({want}).Check();
    OpSpec(op).Name("rows").Input({2, 0}).Attr("axes", Ints{1}).ExpectOutput({2}).ExpectValues({want, want}).Check();
    OpSpec(op).Name("kept").Input({2, 0}).Attr("axes", Ints{1}).Attr("keepdims", true).ExpectOutput({2, 1})
        .ExpectValues({want, want}).Check();
    OpSpec(op).Name("still nothing").Input({2, 0}).Attr("axes", Ints{0}).ExpectOutput({0}).Check();
  }
  for (const char* op : kLogic) {
    OpSpec(op).IntInput({2, 0}, 0, 1, DType::kBool).Attr("axes", Ints{1}).ExpectOutput({2}, DType::kBool)
        .ExpectValues({op == kLogic[1] ? 1.0 : 0.0, op == kLogic[1] ? 1.0 : 0.0}).NotDifferentiable().Check();
  }
  for (const char* op : {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceLogSumExp"}) {
    OpSpec(op).Input({2, 0}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "\"x\" is f32[2,0]: it is empty");
  }
}

TEST(Reduce, Logic) {
  auto x = [] { return DoubleTensor::From(Tensor::Of<float>({3, 2}, {1, 1, 0, 1, 0, 0})).To(DType::kBool); };
  auto spec = [&](const char* op, int axis) {
    OpSpec s(op);
    s.Given(x()).Attr("axes", Ints{axis}).NotDifferentiable();
    return s;
  };
  spec("ReduceAny", 1).ExpectOutput({3}, DType::kBool).ExpectValues({1, 1, 0}).Check();
  spec("ReduceAll", 1).ExpectOutput({3}, DType::kBool).ExpectValues({1, 0, 0}).Check();
  spec("ReduceAny", 0).ExpectOutput({2}, DType::kBool).ExpectValues({1, 1}).Check();
  spec("ReduceAll", 0).ExpectOutput({2}, DType::kBool).ExpectValues({0, 0}).Check();
  for (const char* op : kLogic) {
    for (const Ints& axes : std::vector<Ints>{{}, {0}, {1}, {2}, {0, 2}, {1, 2}, {-3}}) {
      for (const Shape& shape : std::vector<Shape>{{2, 3, 4}, {1, 2, 1}, {3, 2, 700}}) {
        Shape y;
        for (int d = 0; d < 3; ++d) {
          const auto named = std::count(axes.begin(), axes.end(), d) + std::count(axes.begin(), axes.end(), d - 3);
          const bool reduced = axes.empty() || named > 0;
          y.push_back(reduced ? 1 : shape[d]);
        }
        OpSpec(op).IntInput(shape, 0, 1, DType::kBool).Attr("axes", axes).Attr("keepdims", true)
            .ExpectOutput(y, DType::kBool).NotDifferentiable().Check();
      }
    }
    OpSpec(op).Input({2}).ExpectOutput({}, DType::kBool)
        .ExpectError(ErrorClass::kDtype, "input \"x\" is f32[2], expected element type bool");
    OpSpec(op).IntInput({2, 3}, 0, 1, DType::kBool).Attr("axes", Ints{2}).ExpectOutput({2}, DType::kBool)
        .ExpectError(ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  }
}

TEST(Reduce, Errors) {
  for (const char* op : kOps) {
    for (int64_t axis :
         {int64_t{2}, int64_t{-3}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
      OpSpec(op).Input({2, 3}).Attr("axes", Ints{0, axis}).ExpectOutput({3})
          .ExpectError(ErrorClass::kAttr, "axis " + std::to_string(axis) + " is not in [-2, 1]");
    }
    OpSpec(op)
        .Input({2, 3})
        .Attr("axes", Ints{1, -1})
        .ExpectOutput({2})
        .ExpectError(ErrorClass::kAttr, "axes [1,-1] name axis 1 twice");
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({}).ExpectError(ErrorClass::kDtype, "\"x\" is s32[2]");
    OpSpec(op).Input({2}).Attr("axes", 0).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "of type int, expected ints");
  }
  for (const char* op : {"ReduceMaxGrad", "ReduceMinGrad", "ReduceProdGrad"}) {
    OpSpec(op).Input({3}).Input({2, 3}).Input({2}).Attr("axes", Ints{1}).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kShape, "input \"dy\" is f32[3], expected f32[2] like x reduced");
    OpSpec(op).Input({2}).Input({2, 3}).Input({3}).Attr("axes", Ints{1}).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kShape, "input \"y\" is f32[3], expected f32[2] like x reduced");
    OpSpec(op).Input({2}).Input({2, 0}).Input({2}).Attr("axes", Ints{1}).ExpectOutput({2, 0})
        .ExpectError(ErrorClass::kShape, "it is empty");
    OpSpec(op).Input({2}).Input({2, 3}).Input({2}).Attr("axes", Ints{5}).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kAttr, "axis 5 is not in [-2, 1]");
  }
}

}  // namespace
}  // namespace athanor
