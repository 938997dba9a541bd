#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOp = "ScaledDotProductAttention";

struct Sizes {
  Shape batch;  // all before T; the heads are the last of them
  int64_t queries, keys, size, value_size;
};

Shape Rows(const Sizes& s, int64_t rows, int64_t columns, bool interleaved) {
  Shape shape = s.batch;
  shape.insert(interleaved ? shape.end() - 1 : shape.end(), rows);
  shape.push_back(columns);
  return shape;
}

// q, k and v of a case, and its result.
OpSpec Spec(const Sizes& s, bool interleaved = false, bool causal = false) {
  OpSpec spec(kOp);
  spec.Name(absl::StrCat(s.batch.size(), " batch dimensions, ", s.queries, " by ", s.keys));
  if (interleaved) spec.Attr("layout", "bthe");
  if (causal) spec.Attr("causal", true);
  spec.Input(Rows(s, s.queries, s.size, interleaved)).Input(Rows(s, s.keys, s.size, interleaved))
      .Input(Rows(s, s.keys, s.value_size, interleaved));
  return spec;
}

OpSpec& Expect(OpSpec& spec, const Sizes& s, bool interleaved = false) {
  return spec.ExpectOutput(Rows(s, s.queries, s.value_size, interleaved)).NoGradientFromOutput(1);
}

Shape Scores(const Sizes& s) { return Rows(s, s.queries, s.keys, false); }

TEST(Attention, KnownValues) {
  const float log3 = static_cast<float>(std::log(3.0));
  auto q = [&] { return Tensor::Of<float>({1, 1}, {log3}); };
  auto k = [] { return Tensor::Of<float>({2, 1}, {0, 1}); };
  auto v = [] { return Tensor::Of<float>({2, 2}, {0, 4, 8, 12}); };
  OpSpec(kOp).Given(q()).Given(k()).Given(v()).ExpectOutput({1, 2}).ExpectValues({6, 10}, 1e-6)
      .ExpectOutput({1, 2}).ExpectValues({std::log(3.0), 3.0 / 4}, 1e-6).NoGradientFromOutput(1).Check();
  OpSpec(kOp).Name("scale 0: the mean").Attr("scale", 0.0).Given(q()).Given(k()).Given(v()).ExpectOutput({1, 2})
      .ExpectValues({4, 8}).Check();
  OpSpec(kOp).Name("scale 2").Attr("scale", 2.0).Given(q()).Given(k()).Given(v()).ExpectOutput({1, 2})
      .ExpectValues({7.2, 11.2}, 1e-5).Check();
  OpSpec(kOp).Name("bias").Attr("scale", 0.0).Given(q()).Given(k()).Given(v()).Absent()
      .Given(Tensor::Of<float>({2}, {0, log3})).ExpectOutput({1, 2}).ExpectValues({6, 10}, 1e-6).Check();
  OpSpec(kOp).Name("mask").Given(q()).Given(k()).Given(v()).Given(Tensor::Of<bool>({1, 2}, {true, false}))
      .ExpectOutput({1, 2}).ExpectValues({0, 4}).Check();
  OpSpec(kOp).Name("causal").Attr("causal", true).Given(q()).Given(k()).Given(v()).ExpectOutput({1, 2})
      .ExpectValues({0, 4}).Check();
}

TEST(Attention, Shapes) {
  for (const Sizes& s : std::vector<Sizes>{{{}, 1, 1, 1, 1}, {{}, 3, 5, 4, 2}, {{2}, 7, 7, 3, 5}, {{1}, 1, 9, 8, 8},
                                           {{2, 3}, 5, 4, 16, 17}, {{3, 1}, 4, 1, 2, 3}, {{2, 1, 2}, 2, 6, 5, 33}}) {
    for (bool causal : {false, true}) {
      OpSpec spec = Spec(s, false, causal);
      if (!s.batch.empty()) spec.SymbolicBatch();
      Expect(spec, s).Check();
      if (s.batch.empty()) continue;
      OpSpec interleaved = Spec(s, true, causal);
      if (s.batch.size() > 1) interleaved.SymbolicBatch();
      Expect(interleaved, s, true).Check();
    }
  }
}

TEST(Attention, SeveralBlocks) {
  for (const Sizes& s : std::vector<Sizes>{{{}, 65, 130, 3, 5}, {{}, 130, 66, 2, 3}}) {
    for (bool causal : {false, true}) {
      OpSpec spec = Spec(s, false, causal);
      Expect(spec, s).ExpectOutput(Rows(s, s.queries, 2, false)).Check();
    }
  }
}

// Such a bias changes nothing: its gradient is what rounding leaves of 0.
bool IsTheSameForEveryKey(const Shape& bias) { return bias.empty() || bias.back() == 1; }

TEST(Attention, MasksAndBiasesOfEveryBroadcast) {
  const Sizes s{{2, 3}, 4, 5, 3, 2};
  for (const Shape& shape : std::vector<Shape>{{}, {5}, {1}, {4, 5}, {4, 1}, {3, 4, 5}, {2, 1, 1, 5}, {2, 3, 4, 5},
                                               {1, 3, 4, 1}}) {
    for (bool interleaved : {false, true}) {
      for (bool causal : {false, true}) {
        OpSpec masked = Spec(s, interleaved, causal);
        masked.IntInput(shape, 0, 1, DType::kBool);
        Expect(masked, s, interleaved).Check();
        OpSpec biased = Spec(s, interleaved, causal);
        biased.Absent().Input(shape);
        if (IsTheSameForEveryKey(shape)) biased.NoGradient(4);
        Expect(biased, s, interleaved).Check();
      }
      OpSpec both = Spec(s, interleaved);
      both.IntInput({4, 5}, 0, 1, DType::kBool).Parameter(shape);
      if (IsTheSameForEveryKey(shape)) both.NoGradient(4);
      Expect(both, s, interleaved).Check();
    }
  }
  const Sizes large{{2}, 66, 67, 1, 2};
  for (const Shape& shape : std::vector<Shape>{{67}, {66, 67}, {2, 66, 1}}) {
    OpSpec masked = Spec(large, false, /*causal=*/true);
    masked.IntInput(shape, 0, 1, DType::kBool);
    Expect(masked, large).Check();
    OpSpec biased = Spec(large);
    biased.Absent().Input(shape);
    if (IsTheSameForEveryKey(shape)) biased.NoGradient(4);
    Expect(biased, large).Check();
  }
}

TEST(Attention, AQueryWithoutAKeyGivesZeros) {
  const float none = -std::numeric_limits<float>::infinity();
  const Sizes s{{}, 3, 2, 2, 2};
  OpSpec masked = Spec(s);
  masked.Name("mask").Given(Tensor::Of<bool>({3, 2}, {true, true, false, false, false, true}));
  Expect(masked, s).ExpectOutput({3, 2}).Check();
  OpSpec biased = Spec(s);
  biased.Name("bias").Absent().Given(Tensor::Of<float>({3, 2}, {none, none, 0, none, none, none}));
  // Finite differences of an infinite bias are no numbers.
  Expect(biased, s).NoGradient(4).ExpectOutput({3, 2}).Check();
  OpSpec(kOp).Name("values").Given(Tensor::Of<float>({1, 1}, {1})).Given(Tensor::Of<float>({1, 1}, {1}))
      .Given(Tensor::Of<float>({1, 2}, {1, 2})).Given(Tensor::Of<bool>({}, {false})).ExpectOutput({1, 2})
      .ExpectValues({0, 0}).ExpectOutput({1, 2}).ExpectValues({0, 0}).NoGradientFromOutput(1).Check();
}

// e^(1e4) overflows and e^(-1e4) vanishes, even in double.
TEST(Attention, ScoresOfTenThousand) {
  auto q = [] { return Tensor::Of<float>({2, 1}, {1e4f, -1e4f}); };
  auto v = [] { return Tensor::Of<float>({3, 1}, {1, 2, 4}); };
  // Finite differences by k would step over the bend of the softmax.
  OpSpec(kOp).Given(q()).Given(Tensor::Of<float>({3, 1}, {1, 1, -1})).Given(v()).NoGradient(1).ExpectOutput({2, 1})
      .ExpectValues({1.5, 4}).ExpectOutput({2, 2}).ExpectValues({1e4, 0.5, 1e4, 1}).NoGradientFromOutput(1).Check();
  OpSpec(kOp).Name("a bias").Attr("scale", 0.0).Given(q()).Given(Tensor::Of<float>({3, 1}, {1, 1, -1})).Given(v())
      .Absent().Given(Tensor::Of<float>({3}, {-1e4f, -1e4f, -1e4f})).ExpectOutput({2, 1})
      .ExpectValues({7.0 / 3, 7.0 / 3}, 1e-6).Check();
}

TEST(Attention, ShapeErrors) {
  auto expect = [](const std::vector<Shape>& shapes, ErrorClass error, const std::string& text, const char* layout) {
    OpSpec spec(kOp);
    spec.Attr("layout", layout);
    for (const Shape& shape : shapes) spec.Input(shape);
    spec.ExpectOutput({1, 1}).ExpectError(error, text);
  };
  const ErrorClass shape = ErrorClass::kShape;
  expect({{4}, {3, 4}, {3, 4}}, shape, "input \"q\" is f32[4] of rank 1, expected rank 2 to 8", "bhte");
  expect({{2, 4}, {4}, {3, 4}}, shape, "input \"k\" is f32[4] of rank 1", "bhte");
  expect({{2, 4}, {3, 4}, {4}}, shape, "input \"v\" is f32[4] of rank 1", "bhte");
  expect({{2, 4}, {3, 4}, {3, 4}}, shape, "input \"q\" is f32[2,4] of rank 2, expected rank 3 to 8", "bthe");
  expect({{2, 4}, {3, 5}, {3, 4}}, shape,
         "input \"q\" is f32[2,4] and input \"k\" is f32[3,5]: their last dimensions must be equal", "bhte");
  expect({{2, 4}, {3, 4}, {2, 4}}, shape,
         "input \"k\" is f32[3,4] and input \"v\" is f32[2,4]: their numbers of keys must be equal", "bhte");
  expect({{2, 2, 4}, {3, 4}, {3, 4}}, shape, "input \"q\" is f32[2,2,4] and input \"k\" is f32[3,4]: their ranks",
         "bhte");
  expect({{2, 4}, {3, 4}, {1, 3, 4}}, shape, "input \"k\" is f32[3,4] and input \"v\" is f32[1,3,4]: their ranks",
         "bhte");
  expect({{2, 2, 4}, {1, 3, 4}, {1, 3, 4}}, shape,
         "input \"q\" is f32[2,2,4] and input \"k\" is f32[1,3,4]: their batch and head dimensions", "bhte");
  expect({{2, 2, 4}, {2, 3, 4}, {1, 3, 4}}, shape,
         "input \"k\" is f32[2,3,4] and input \"v\" is f32[1,3,4]: their batch and head dimensions", "bhte");
  expect({{2, 5, 4}, {3, 6, 4}, {3, 6, 4}}, shape,
         "input \"q\" is f32[2,5,4] and input \"k\" is f32[3,6,4]: their batch and head dimensions", "bthe");
  expect({{2, 5, 4}, {3, 5, 4}, {2, 5, 4}}, shape, "their numbers of keys must be equal", "bthe");
  expect({{2, 0}, {3, 0}, {3, 4}}, shape, "input \"q\" is f32[2,0]: it is empty", "bhte");
  expect({{2, 4}, {0, 4}, {0, 4}}, shape, "input \"k\" is f32[0,4]: it is empty", "bhte");
  expect({{2, 4}, {3, 4}, {3, 0}}, shape, "input \"v\" is f32[3,0]: it is empty", "bhte");
}

TEST(Attention, MaskErrors) {
  const Sizes s{{2}, 4, 5, 3, 3};
  for (const Shape& shape : std::vector<Shape>{{4}, {5, 4}, {3, 4, 5}, {2, 2, 4, 5}}) {
    Spec(s).IntInput(shape, 0, 1, DType::kBool).ExpectOutput({2, 4, 3})
        .ExpectError(ErrorClass::kShape, absl::StrCat("input \"mask\" is bool", ShapeToString(shape),
                                                      ", which does not broadcast to the scores f32[2,4,5]"));
    Spec(s).Absent().Input(shape).ExpectOutput({2, 4, 3})
        .ExpectError(ErrorClass::kShape, absl::StrCat("input \"bias\" is f32", ShapeToString(shape),
                                                      ", which does not broadcast to the scores f32[2,4,5]"));
  }
  Spec(s).IntInput({0}, 0, 1, DType::kBool).ExpectOutput({2, 4, 3}).ExpectError(ErrorClass::kShape, "it is empty");
  Spec(s).Input({4, 5}).ExpectOutput({2, 4, 3})
      .ExpectError(ErrorClass::kDtype, "input \"mask\" is f32[4,5], expected element type bool");
  Spec(s).Absent().IntInput({4, 5}, 0, 1, DType::kBool).ExpectOutput({2, 4, 3})
      .ExpectError(ErrorClass::kDtype, "input \"bias\" is bool[4,5], expected element type f32");
}

TEST(Attention, TypeAndAttributeErrors) {
  const Sizes s{{2}, 4, 5, 3, 3};
  OpSpec(kOp).IntInput({2, 3}, 0, 1).Input({2, 3}).Input({2, 3}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kDtype, "input \"q\" is s32[2,3]");
  OpSpec(kOp).Input({2, 3}).IntInput({2, 3}, 0, 1).Input({2, 3}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kDtype, "input \"k\" is s32[2,3]");
  OpSpec(kOp).Input({2, 3}).Input({2, 3}).IntInput({2, 3}, 0, 1).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kDtype, "input \"v\" is s32[2,3]");
  OpSpec(kOp).Input({2, 3}).Input({2, 3}).ExpectOutput({2, 3}).ExpectError(ErrorClass::kGraph, "2 inputs");
  for (double scale : {-2.0, 1e39, std::numeric_limits<double>::infinity(), std::nan("")}) {
    Spec(s).Attr("scale", scale).ExpectOutput({2, 4, 3}).ExpectError(ErrorClass::kAttr, "scale");
  }
  Spec(s).Attr("layout", "btbt").ExpectOutput({2, 4, 3}).ExpectError(ErrorClass::kAttr, "btbt");
  Spec(s).Attr("causal", 1).ExpectOutput({2, 4, 3}).ExpectError(ErrorClass::kAttr, "causal");
  Spec(s).Attr("heads", 1).ExpectOutput({2, 4, 3}).ExpectError(ErrorClass::kAttr, "heads");
}

TEST(AttentionGrad, AgreesWithItsReference) {
  for (bool interleaved : {false, true}) {
    for (bool causal : {false, true}) {
      const Sizes s{{2, 3}, 5, 4, 3, 2};
      const Shape q = Rows(s, 5, 3, interleaved), k = Rows(s, 4, 3, interleaved), v = Rows(s, 4, 2, interleaved),
                  y = Rows(s, 5, 2, interleaved);
      OpSpec("ScaledDotProductAttentionGrad").Attr("causal", causal).Attr("layout", interleaved ? "bthe" : "bhte")
          .Input(y).Input(q).Input(k).Input(v).Input(y).Input(Rows(s, 5, 2, false)).InputRange(0.1, 0.9)
          .IntInput({5, 4}, 0, 1, DType::kBool).Input({4})
          .ExpectOutput(q).ExpectOutput(k).ExpectOutput(v).ExpectOutput(Scores(s)).NotDifferentiable().Check();
    }
  }
}

TEST(AttentionGrad, Errors) {
  auto spec = [](const Shape& dy, const Shape& y, const Shape& stats) {
    OpSpec s("ScaledDotProductAttentionGrad");
    s.Input(dy).Input({4, 3}).Input({5, 3}).Input({5, 2}).Input(y).Input(stats);
    s.ExpectOutput({4, 3}).ExpectOutput({5, 3}).ExpectOutput({5, 2});
    return s;
  };
  const ErrorClass shape = ErrorClass::kShape;
  spec({4, 3}, {4, 2}, {4, 2}).ExpectError(shape, "input \"dy\" is f32[4,3], expected f32[4,2]");
  spec({4, 2}, {5, 2}, {4, 2}).ExpectError(shape, "input \"y\" is f32[5,2], expected f32[4,2]");
  spec({4, 2}, {4, 2}, {4}).ExpectError(shape, "input \"stats\" is f32[4], expected f32[4,2]");
  spec({4, 2}, {4, 2}, {4, 2}).IntInput({4}, 0, 1, DType::kBool).ExpectError(shape, "which does not broadcast");
}

// Peak bytes of a training entry over parameters q, k and v [8, 1024, 64]; `nodes` compute %y of them.
int64_t PeakBytes(const std::string& nodes) {
  std::string text = "graph \"peak\" {\n";
  for (const char* name : {"q", "k", "v"}) {
    absl::StrAppend(&text, "  %", name, " : parameter f32[8,1024,64] = zeros\n");
  }
  absl::StrAppend(&text, nodes, "  %loss = ReduceMean(%y) @\"loss\"\n",
                  "  entry \"train\" training () -> (loss=%loss) loss %loss\n}\n");
  absl::StatusOr<Graph> graph = ParseGraph(text);
  EXPECT_TRUE(graph.ok()) << graph.status();
  if (!graph.ok()) return 0;
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.threads = 2;
  options.gradients_as_outputs = true;
  absl::StatusOr<Plan> plan = Compile(*graph, options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? plan->activation_bytes : 0;
}

TEST(Attention, ScoresTakeNoMemory) {
  const int64_t blocked = PeakBytes("  %y = ScaledDotProductAttention(%q, %k, %v) @\"attention\"\n");
  const int64_t composed = PeakBytes(
      "  %scale : constant f32[] = [0.125]\n"
      "  %s = MatMul(%q, %k) {transpose_b=true} @\"scores\"\n"
      "  %t = Mul(%s, %scale) @\"scaled\"\n"
      "  %p = Softmax(%t) @\"softmax\"\n"
      "  %y = MatMul(%p, %v) @\"y\"\n");
  const int64_t rows = 8 * 1024 * 64 * 4, scores = 8 * 1024 * 1024 * 4;
  RecordProperty("blocked_bytes", std::to_string(blocked));
  RecordProperty("composed_bytes", std::to_string(composed));
  // q, k and v are variables: y, its gradient and three more gradients, and what the threads work in.
  EXPECT_LE(blocked, 6 * rows + (1 << 20));
  EXPECT_GE(composed, 2 * scores);
  EXPECT_LT(4 * blocked, composed);
}

}  // namespace
}  // namespace athanor
