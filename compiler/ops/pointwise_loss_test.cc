// What all losses of pointwise_loss.h have in common; their formulas' own values are in the tests of their files.
#include "compiler/ops/pointwise_loss.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Loss {
  const char* op;
  double low, high;                // of the predictions
  double target_low, target_high;  // of the targets
  bool batchmean = false;
};

constexpr Loss kLosses[] = {{"MeanAbsoluteError", -3, 3, 4, 6},
                            {"Huber", -3, 3, -2.83, 2.71},  // no difference of two such numbers is a bend
                            {"SmoothL1", -3, 3, -2.83, 2.71},
                            {"Hinge", -3, 3, 1.5, 2},
                            {"BinaryCrossEntropy", 0.05, 0.95, 0, 1},
                            {"BinaryCrossEntropyWithLogits", -5, 5, 0, 1},
                            {"LogLoss", 0.05, 0.95, 0, 1},
                            {"KLDivergence", -5, 0, 0.1, 1, true}};

std::vector<const char*> Reductions(const Loss& loss) {
  std::vector<const char*> all = {"mean", "sum", "none"};
  if (loss.batchmean) all.push_back("batchmean");
  return all;
}

TEST(PointwiseLosses, EveryReductionAndShape) {
  for (const Loss& loss : kLosses) {
    for (const char* reduction : Reductions(loss)) {
      for (const Shape& s : std::vector<Shape>{{}, {1}, {33}, {64, 10}, {2, 3, 4, 5}, {5000}}) {
        if (std::string(reduction) == "batchmean" && s.empty()) continue;
        OpSpec spec(loss.op);
        spec.Name(absl::StrCat(loss.op, " ", reduction, " ", ShapeToString(s))).Attr("reduction", reduction);
        spec.Input(s).InputRange(loss.low, loss.high).KinkFree();
        spec.Input(s).InputRange(loss.target_low, loss.target_high).KinkFree();
        spec.ExpectOutput(std::string(reduction) == "none" ? s : Shape{});
        if (!s.empty()) spec.SymbolicBatch();
        spec.Check();
      }
    }
  }
}

TEST(PointwiseLosses, GradientOperators) {
  for (const Loss& loss : kLosses) {
    for (const Shape& s : std::vector<Shape>{{}, {33}, {4, 10}}) {
      for (const Shape& dloss : {s, Shape{}}) {
        for (int wanted = 1; wanted < 4; ++wanted) {
          OpSpec spec(std::string(loss.op) + "Grad");
          spec.Name(absl::StrCat(loss.op, ShapeToString(s), ShapeToString(dloss), wanted)).Input(dloss);
          spec.Input(s).InputRange(loss.low, loss.high).KinkFree();
          spec.Input(s).InputRange(loss.target_low, loss.target_high).KinkFree();
          wanted & 1 ? spec.ExpectOutput(s) : spec.OmitOutput();
          if (wanted & 2) spec.ExpectOutput(s);
          spec.NotDifferentiable().Check();
        }
      }
    }
  }
}

TEST(PointwiseLosses, Errors) {
  for (const Loss& loss : kLosses) {
    OpSpec(loss.op).Input({2, 3}).Input({2, 1}).ExpectOutput({})
        .ExpectError(ErrorClass::kShape, "\"target\" is f32[2,1], expected f32[2,3] like pred");
    OpSpec(loss.op).Input({2}).IntInput({2}, 0, 1).ExpectOutput({})
        .ExpectError(ErrorClass::kDtype, "\"target\" is s32[2], expected f32[2]");
    OpSpec(loss.op).IntInput({2}, 0, 1).Input({2}).ExpectOutput({})
        .ExpectError(ErrorClass::kDtype, "\"pred\" is s32[2]");
    OpSpec(loss.op).Input({2, 0}).Input({2, 0}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "it is empty");
    OpSpec(loss.op).Input({2}).Input({2}).Attr("reduction", "max").ExpectOutput({})
        .ExpectError(ErrorClass::kAttr, "\"reduction\"");
    OpSpec(loss.op).Input({2}).Input({2}).Attr("reduction", true).ExpectOutput({})
        .ExpectError(ErrorClass::kAttr, "of type bool, expected string");
    OpSpec(loss.op).Input({2}).Input({2}).Attr("scale", 1.0).ExpectOutput({})
        .ExpectError(ErrorClass::kAttr, "\"scale\"");
    if (!loss.batchmean) {
      OpSpec(loss.op).Input({2}).Input({2}).Attr("reduction", "batchmean").ExpectOutput({})
          .ExpectError(ErrorClass::kAttr, "\"reduction\"");
    }
    const std::string grad = std::string(loss.op) + "Grad";
    OpSpec(grad).Input({3}).Input({2}).Input({2}).ExpectOutput({2})
        .ExpectError(ErrorClass::kShape, "do not broadcast");
    OpSpec(grad).Input({4, 2}).Input({2}).Input({2}).ExpectOutput({2})
        .ExpectError(ErrorClass::kShape, "\"dloss\" is f32[4,2]: it does not broadcast to pred, f32[2]");
    OpSpec(grad).Input({}).Input({2}).Input({3}).ExpectOutput({2})
        .ExpectError(ErrorClass::kShape, "\"target\" is f32[3], expected f32[2] like pred");
  }
  OpSpec("KLDivergence").Input({}).Input({}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "of rank 0");
}

TEST(PointwiseLosses, AttributeErrors) {
  auto expect = [](const char* op, const char* name, std::vector<double> values) {
    for (double bad : values) {
      OpSpec(op).Input({2}).Input({2}).Attr(name, bad).ExpectOutput({})
          .ExpectError(ErrorClass::kAttr, absl::StrCat("\"", name, "\""));
    }
  };
  const double inf = std::numeric_limits<double>::infinity();
  expect("Huber", "delta", {0, -1, std::nan(""), inf});
  expect("SmoothL1", "beta", {-1e-9, std::nan(""), inf});
  expect("Hinge", "margin", {std::nan(""), inf, -inf});
  expect("LogLoss", "epsilon", {0, -1, 2, std::nan("")});
  expect("KLDivergence", "log_target", {1});
}

}  // namespace
}  // namespace athanor
