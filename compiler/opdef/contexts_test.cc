#include "compiler/opdef/contexts.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::Status NoReference(ReferenceContext&) { return absl::OkStatus(); }

// Stand-ins: this folder knows no operators. ReduceTo uses these two by name.
OpDef ReduceSumDef() {
  OpDef def;
  def.name = "ReduceSum";
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.attributes = {{.name = "axes", .type = AttrType::kInts}, {.name = "keepdims", .type = AttrType::kBool}};
  def.infer = [](InferContext& c) {
    std::vector<Dim> dims = c.Input(0).dims, kept;
    for (int64_t axis : c.attrs().GetInts("axes")) dims[axis] = Dim(-7);
    for (Dim& d : dims) {
      if (!(d == Dim(-7))) kept.push_back(d);
      else if (c.attrs().Bool("keepdims")) kept.push_back(1);
    }
    c.SetOutput(0, {c.Input(0).dtype, kept});
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(ReduceSumDef());

OpDef ReshapeDef() {
  OpDef def;
  def.name = "Reshape";
  def.inputs = {{"x", ""}};
  def.outputs = {{"y", ""}};
  def.attributes = {{.name = "shape", .type = AttrType::kInts}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, TensorType::Of(c.Input(0).dtype, c.attrs().GetInts("shape")));
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(ReshapeDef());

OpDef SplitDef() {
  OpDef def;
  def.name = "Halves";
  def.inputs = {{"x", ""}};
  def.outputs = {{"low", ""}, {"high", ""}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 1, 2));
    c.SetOutput(0, c.Input(0));
    c.SetOutput(1, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(SplitDef());

class EmitTest : public ::testing::Test {
 protected:
  EmitTest() { node_ = {"Conv2d", "conv1", {Add("x", {DType::kF32, {2, 6, 4}})}, {Add("y", {})}, {}, {}, "net.cc:9"}; }
  ValueId Add(const std::string& name, TensorType type) {
    Value v;
    v.name = name;
    v.type = std::move(type);
    return graph_.AddValue(std::move(v));
  }
  // The operators that ReduceTo needs, and the type it arrives at.
  std::string Reduced(TensorType grad, TensorType to) {
    graph_.nodes.clear();
    GradientContext c(&graph_, node_, {kNoValue}, {true});
    auto v = c.ReduceTo(Add("g", std::move(grad)), to);
    if (!v.ok()) return std::string(v.status().message());
    std::string path;
    for (const Node& n : graph_.nodes) path += n.op + n.attrs.ToString() + " ";
    return path + graph_.type(*v).ToString();
  }
  Graph graph_;
  Node node_;
};

TEST_F(EmitTest, NewNodesAreNamedAfterTheirParent) {
  GradientContext c(&graph_, node_, {kNoValue}, {true});
  ASSERT_FALSE(c.EmitMulti("Halves", {c.Input(0)}, {}, 2).ok())
      << "rank 3 is not taken";
  ValueId flat = Add("flat", {DType::kF32, {5}});
  auto first = c.EmitMulti("Halves", {flat}, {}, 2);
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = c.Emit("Reshape", {(*first)[1]}, {{"shape", Ints{5, 1}}});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(graph_.nodes.back().name, "conv1/grad.Reshape");
  EXPECT_EQ(graph_.nodes.back().where, "net.cc:9");
  EXPECT_EQ(graph_.value((*first)[1]).name, "conv1/grad.Halves.1.high");
  EXPECT_EQ(graph_.value(*second).name, "conv1/grad.Reshape");
  EXPECT_EQ(graph_.type(*second).ToString(), "f32[5,1]");
  EXPECT_EQ(graph_.value(c.Constant(2.0f)).name, "conv1/const");
}

TEST_F(EmitTest, ABadNodeIsReportedAndLeavesTheGraphAlone) {
  ExpandContext c(&graph_, node_);
  size_t values = graph_.values.size();
  absl::Status status = c.Emit("Wormhole", {0}).status();
  EXPECT_EQ(ErrorClassOf(status), "VERSION");
  EXPECT_THAT(std::string(status.message()), HasSubstr("made for net.cc:9: node \"conv1\" (Conv2d)"));
  status = c.EmitMulti("Halves", {0}, {}, 2).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("input \"x\" is f32[2,6,4] of rank 3, expected rank 1 to 2"));
  EXPECT_EQ(graph_.values.size(), values);
  EXPECT_TRUE(graph_.nodes.empty());
}

TEST_F(EmitTest, NamesStayUniqueOverContextsAndPlantedNames) {
  Add("conv1/Reshape", {});
  NameScope names(graph_);
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) {
    ExpandContext c(&graph_, node_, i < 2 ? &names : nullptr);
    ASSERT_TRUE(c.Emit("Reshape", {0}, {{"shape", Ints{48}}}).ok());
    made.push_back(graph_.nodes.back().name);
  }
  EXPECT_THAT(made, ElementsAre("conv1/Reshape.1", "conv1/Reshape.2", "conv1/Reshape.3"));
}

TEST_F(EmitTest, TheNodeMayLiveInTheGraphItGrows) {
  graph_.nodes.push_back(node_);
  graph_.nodes.shrink_to_fit();
  ExpandContext c(&graph_, graph_.nodes[0]);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(c.Emit("Reshape", {c.Input(0)}, {{"shape", Ints{48}}}).ok());
  EXPECT_EQ(c.node().name, "conv1");
}

TEST_F(EmitTest, TypesSurviveTheGrowthOfTheGraph) {
  GradientContext c(&graph_, node_, {kNoValue}, {true});
  graph_.values.shrink_to_fit();
  const TensorType& before = c.TypeOf(c.Input(0));
  for (int i = 0; i < 20; ++i) c.Constant(1.0f);
  EXPECT_EQ(before.ToString(), "f32[2,6,4]");
}

TEST_F(EmitTest, ReduceToSumsWhatWasBroadcast) {
  TensorType g{DType::kF32, {2, 6, 4}};
  EXPECT_EQ(Reduced(g, g), "f32[2,6,4]");
  EXPECT_EQ(Reduced(g, {DType::kF32, {4}}), "ReduceSum{axes=[0,1], keepdims=false} f32[4]");
  EXPECT_EQ(Reduced(g, {DType::kF32, {}}), "ReduceSum{axes=[0,1,2], keepdims=false} f32[]");
  EXPECT_EQ(Reduced(g, {DType::kF32, {2, 1, 4}}), "ReduceSum{axes=[1], keepdims=true} f32[2,1,4]");
  EXPECT_EQ(Reduced(g, {DType::kF32, {6, 1}}),
            "ReduceSum{axes=[0,2], keepdims=true} Reshape{shape=[6,1]} f32[6,1]");
  EXPECT_EQ(Reduced({DType::kF32, {3, "N", 4}}, {DType::kF32, {"N", 1}}),
            "ReduceSum{axes=[2], keepdims=true} ReduceSum{axes=[0], keepdims=false} f32[N,1]");
  EXPECT_THAT(Reduced({DType::kF32, {4}}, g), HasSubstr("f32[4] cannot be summed to f32[2,6,4]"));
}

class InferTest : public ::testing::Test {
 protected:
  InferContext Context(std::vector<TensorType> inputs) {
    inputs_ = std::move(inputs);
    node_.inputs.assign(inputs_.size(), 0);
    return InferContext(node_, inputs_, &outputs_);
  }
  std::string Broadcast(TensorType a, TensorType b) {
    auto dims = Context({}).Broadcast(a, b);
    return dims.ok() ? TensorType(DType::kF32, *dims).ToString() : std::string(dims.status().message());
  }
  Node node_{"Add", "add1", {}, {}, {}, {}, ""};
  std::vector<TensorType> inputs_, outputs_;
};

TEST_F(InferTest, ChecksNameTheInputAndTheRule) {
  InferContext c = Context({{DType::kS32, {"N", -2}}});
  EXPECT_TRUE(c.CheckRank(0, "x", 2, 2).ok());
  EXPECT_EQ(c.CheckRank(0, "x", 4, 4).message(),
            "SHAPE: node \"add1\" (Add): input \"x\" is s32[N,-2] of rank 2, expected rank 4");
  EXPECT_THAT(std::string(c.CheckFloating(0, "x").message()),
              HasSubstr("DTYPE: node \"add1\" (Add): input \"x\" is s32"));
  EXPECT_TRUE(c.CheckDtype(0, "x", DType::kS32).ok());
  EXPECT_THAT(std::string(c.CheckDtype(0, "x", DType::kBool).message()), HasSubstr("expected element type bool"));
  EXPECT_THAT(std::string(c.Known(0, 0, "x").status().message()), HasSubstr("dimension 0 must be a number here"));
  EXPECT_THAT(std::string(c.Known(0, 1, "x").status().message()), HasSubstr("dimension 1 is negative"));
  EXPECT_EQ(*c.Axis(-1, 3), 2);
  EXPECT_EQ(*c.Axis(0, 3), 0);
  EXPECT_EQ(ErrorClassOf(c.Axis(3, 3).status()), "ATTR");
  EXPECT_EQ(ErrorClassOf(c.Axis(-4, 3).status()), "ATTR");
}

TEST_F(InferTest, BroadcastsLikeNumPyWithSymbols) {
  EXPECT_EQ(Broadcast({DType::kF32, {2, 1, 4}}, {DType::kF32, {3, 1}}), "f32[2,3,4]");
  EXPECT_EQ(Broadcast({DType::kF32, {"N", 4}}, {DType::kF32, {4}}), "f32[N,4]");
  EXPECT_EQ(Broadcast({DType::kF32, {1, 4}}, {DType::kF32, {"N", 1}}), "f32[N,4]");
  EXPECT_EQ(Broadcast({DType::kF32, {0, 4}}, {DType::kF32, {1, 4}}), "f32[0,4]");
  EXPECT_EQ(Broadcast({DType::kF32, {}}, {DType::kF32, {}}), "f32[]");
  EXPECT_THAT(Broadcast({DType::kF32, {"N", 4}}, {DType::kF32, {2, 4}}), HasSubstr("SHAPE"));
  EXPECT_THAT(Broadcast({DType::kF32, {5, 4}}, {DType::kF32, {5, 3}}),
              HasSubstr("f32[5,4] and f32[5,3] do not broadcast: dimension 1 from the right is 4 against 3"));
}

TEST(LowerContext, EmitsCallsAndRenumbersPostOpOperands) {
  Graph graph;
  Entry entry;
  entry.buffers.resize(6);
  Node node{"Conv2d", "conv1", {0, 1, kNoValue, 3}, {4, kNoValue}, {}, {{"ReLU", {}, -1}, {"Add", {}, 3}}, ""};
  LowerContext c(graph, node, &entry, {0, 1, kNoBuffer, 3}, {4, kNoBuffer});
  EXPECT_EQ(c.Input(2), kNoBuffer);
  EXPECT_EQ(c.Input(3), kNoBuffer) << "an operand of a post-op is not an input of the operator";
  EXPECT_FALSE(c.PostOpsTaken());
  BufferId t = c.Temporary("padded", DType::kF32, {2, 3});
  EXPECT_EQ(entry.buffers[t].name, "conv1/padded");
  EXPECT_TRUE(entry.buffers[t].desc.any());
  c.Emit("convolution", {0, 1, c.Input(2)}, {t, c.Output(1)}, {{"bias", false}}, /*with_post_ops=*/true);
  EXPECT_TRUE(c.PostOpsTaken());
  c.View(t, c.Output());
  c.PreferLayoutOf(4, 1);
  ASSERT_EQ(entry.calls.size(), 2u);
  const KernelCall& conv = entry.calls[0];
  EXPECT_EQ(conv.name, "conv1");
  EXPECT_THAT(conv.inputs, ElementsAre(0, 1, 3));
  EXPECT_THAT(conv.outputs, ElementsAre(t));
  EXPECT_EQ(conv.post_ops[0].operand, -1);
  EXPECT_EQ(conv.post_ops[1].operand, 2);
  EXPECT_EQ(entry.calls[1].kernel, "reshape");
  EXPECT_EQ(entry.buffers[4].layout_like, 1);
}

TEST(DoubleTensor, HoldsEveryTypeExactly) {
  auto round_trip = [](const Tensor& t) {
    Tensor back = DoubleTensor::From(t).To(t.dtype());
    EXPECT_EQ(back.shape(), t.shape());
    EXPECT_EQ(std::memcmp(back.data(), t.data(), t.bytes()), 0) << DTypeName(t.dtype());
  };
  round_trip(Tensor::Of<float>({3}, {1.5f, -0.1f, std::numeric_limits<float>::infinity()}));
  round_trip(Tensor::Of<double>({2}, {0.1, -1e300}));
  round_trip(Tensor::Of<int32_t>({2}, {INT32_MIN, INT32_MAX}));
  round_trip(Tensor::Of<int64_t>({2}, {-5, int64_t{1} << 53}));
  round_trip(Tensor::Of<uint8_t>({2}, {0, 255}));
  round_trip(Tensor::Of<int8_t>({2}, {-128, 127}));
  round_trip(Tensor::Of<bool>({2}, {true, false}));
  round_trip(*Tensor::Create(DType::kBF16, {0, 4}));
}

TEST(DoubleTensor, RoundsAndSaturates) {
  DoubleTensor d({6});
  d.data = {2.5, 300, -300, NAN, 1e30, -1e30};
  EXPECT_THAT(d.To(DType::kU8).as<uint8_t>(), ElementsAre(2, 255, 0, 0, 255, 0));
  EXPECT_THAT(d.To(DType::kS64).as<int64_t>(), ElementsAre(2, 300, -300, 0, INT64_MAX, INT64_MIN));
  d.data = {1.0, 1.00390625, 1.01171875, -3.0, 0.0, 1e-3};  // ties to even between 8-bit significands
  DoubleTensor b = DoubleTensor::From(d.To(DType::kBF16));
  EXPECT_EQ(b[0], 1.0);
  EXPECT_EQ(b[1], 1.0);
  EXPECT_EQ(b[2], 1.015625);
  EXPECT_EQ(b[3], -3.0);
  EXPECT_NEAR(b[5], 1e-3, 4e-6);
}

TEST(NameScope, CountsOnFromTheLastSuffix) {
  NameScope names;
  names.Add("a.2");
  EXPECT_EQ(names.Unique("a"), "a");
  EXPECT_EQ(names.Unique("a"), "a.1");
  EXPECT_EQ(names.Unique("a"), "a.3");
  EXPECT_EQ(names.Unique("a.1"), "a.1.1");
}

}  // namespace
}  // namespace athanor
