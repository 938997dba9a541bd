#include <limits>

#include "compiler/opdef/op_def.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

absl::Status NoReference(ReferenceContext&) { return absl::OkStatus(); }

// An operator with one of everything a node can get wrong.
OpDef EverythingDef() {
  OpDef def;
  def.name = "Everything";
  def.inputs = {{"x", ""}, {"w", ""}, {"bias", "", /*optional=*/true}};
  def.outputs = {{"y", ""}, {"mask", "", /*optional=*/true}};
  def.attributes = {
      {.name = "groups", .type = AttrType::kInt, .default_value = int64_t{1}, .min = 1},
      {.name = "rate", .type = AttrType::kFloat, .default_value = 0.5, .min = 0, .max = 1, .max_exclusive = true},
      {.name = "strides", .type = AttrType::kInts, .default_value = Ints{1, 1}, .min = 1},
      {.name = "scales", .type = AttrType::kFloats, .default_value = Floats{}, .min = 0, .min_exclusive = true},
      {.name = "mode", .type = AttrType::kString, .default_value = "max", .choices = {"max", "avg"}},
      {.name = "axis", .type = AttrType::kInt},
      {.name = "count", .type = AttrType::kInt, .default_value = int64_t{-1}, .min = 0},
  };
  def.infer = [](InferContext& c) {
    std::vector<Dim> dims = c.Input(0).dims;
    if (!dims.empty()) dims[0].size += c.attrs().Int("axis");  // lets a test ask for an impossible shape
    c.SetOutput(0, {DType::kF32, dims});
    c.SetOutput(1, {DType::kBool, dims});
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(EverythingDef());

OpDef PairDef(const char* name, bool post_op) {
  OpDef def;
  def.name = name;
  def.inputs = {{"a", ""}, {"b", ""}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(c.Input(0), c.Input(1)));
    c.SetOutput(0, {c.Input(0).dtype, dims});
    return absl::OkStatus();
  };
  def.reference = NoReference;
  def.traits.post_op_binary = post_op;
  return def;
}
ATH_REGISTER_OP(PairDef("Plus", true));
ATH_REGISTER_OP(PairDef("Pair", false));

OpDef JoinDef() {
  OpDef def;
  def.name = "Join";
  def.inputs = {{"parts", "", /*optional=*/false, /*variadic=*/true}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(JoinDef());

// As many outputs as a node has; each is like x.
OpDef PartsDef() {
  OpDef def;
  def.name = "Parts";
  def.inputs = {{"x", ""}};
  def.outputs = {{"parts", "", /*optional=*/false, /*variadic=*/true}};
  def.infer = [](InferContext& c) {
    for (int i = 0; i < c.num_outputs(); ++i) c.SetOutput(i, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = NoReference;
  return def;
}
ATH_REGISTER_OP(PartsDef());

Node Good() { return {"Everything", "n1", {0, 1}, {2}, {{"axis", int64_t{0}}}, {}, "net.cc:7"}; }

absl::Status Check(Node node) {
  auto def = FindOp(node);
  return def.ok() ? CheckNode(**def, node) : def.status();
}

// The status must have the class, name the node and tell the rule.
void ExpectError(const absl::Status& status, absl::string_view error_class, const std::string& rule) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("net.cc:7: node \"n1\""));
  EXPECT_THAT(std::string(status.message()), HasSubstr(rule));
}

template <typename T>
Node WithAttr(const char* name, T value) {
  Node node = Good();
  node.attrs.Set(name, value);
  return node;
}

TEST(CheckNode, FillsInDefaults) {
  Node node = Good();
  ASSERT_TRUE(CheckNode(**FindOp(node), node).ok());
  EXPECT_EQ(node.attrs.ToString(),
            "{axis=0, count=-1, groups=1, mode=\"max\", rate=0.5, scales=floats[], strides=[1,1]}");
  Node before = node;
  ASSERT_TRUE(CheckNode(**FindOp(node), node).ok());
  EXPECT_EQ(node.attrs, before.attrs);
}

TEST(CheckNode, TakesAnIntWhereAFloatIsAskedFor) {
  Node node = WithAttr("rate", 0);
  node.attrs.Set("scales", Ints{1, 2});
  ASSERT_TRUE(CheckNode(**FindOp(node), node).ok());
  EXPECT_EQ(node.attrs.Float("rate"), 0.0);
  EXPECT_EQ(node.attrs.GetFloats("scales"), (Floats{1, 2}));
}

TEST(CheckNode, RefusesAnUnknownOperator) {
  Node node = Good();
  node.op = "Wormhole";
  ExpectError(Check(node), "VERSION", "no operator \"Wormhole\"");
}

TEST(CheckNode, RefusesWrongCounts) {
  Node node = Good();
  node.inputs = {0};
  ExpectError(Check(node), "GRAPH", "has 1 inputs, expected 2 to 3");
  node.inputs = {0, 1, kNoValue, 3};
  ExpectError(Check(node), "GRAPH", "has 4 inputs, expected 2 to 3");
  node.inputs = {0, kNoValue};
  ExpectError(Check(node), "GRAPH", "input 1 (\"w\") is required");
  node = Good();
  node.outputs = {};
  ExpectError(Check(node), "GRAPH", "has 0 outputs, expected 1 to 2");
  node.outputs = {2, 3, 4};
  ExpectError(Check(node), "GRAPH", "has 3 outputs, expected 1 to 2");
  node.outputs = {kNoValue, 3};
  ExpectError(Check(node), "GRAPH", "output 0 (\"y\") is required");
  Node join{"Join", "n1", {}, {1}, {}, {}, "net.cc:7"};
  ExpectError(Check(join), "GRAPH", "has 0 inputs, expected at least 1");
  join.inputs = {0, kNoValue};
  ExpectError(Check(join), "GRAPH", "input 1 (\"parts\") is required");
  Node parts{"Parts", "n1", {0}, {}, {}, {}, "net.cc:7"};
  ExpectError(Check(parts), "GRAPH", "has 0 outputs, expected at least 1");
  parts.outputs = {1, 2, kNoValue};
  ExpectError(Check(parts), "GRAPH", "output 2 (\"parts\") is required");
}

TEST(CheckNode, TakesOptionalAndVariadicPorts) {
  Node node = Good();
  node.inputs = {0, 1, kNoValue};
  node.outputs = {2, kNoValue};
  EXPECT_TRUE(Check(node).ok());
  EXPECT_TRUE(Check({"Join", "n1", {0, 1, 0, 1, 0}, {1}, {}, {}, ""}).ok());
  Node parts{"Parts", "n1", {0}, {1, 2, 3}, {}, {}, ""};
  TensorType x{DType::kF32, {"N", 3}};
  auto types = InferTypes(**FindOp(parts), parts, {x});
  ASSERT_TRUE(types.ok()) << types.status();
  EXPECT_EQ(*types, (std::vector<TensorType>{x, x, x}));
}

TEST(CheckNode, RefusesBadAttributes) {
  Node node = Good();
  node.attrs.Erase("axis");
  ExpectError(Check(node), "ATTR", "attribute \"axis\" is required");
  ExpectError(Check(WithAttr("dilation", 2)), "ATTR",
              "has no attribute \"dilation\"; it has: groups, rate, strides, scales, mode, axis, count");
  ExpectError(Check(WithAttr("groups", "many")), "ATTR",
              "attribute \"groups\" = \"many\" is of type string, expected int");
  ExpectError(Check(WithAttr("axis", AttrValue(1.0))), "ATTR", "is of type float, expected int");
  ExpectError(Check(WithAttr("groups", 0)), "ATTR", "attribute \"groups\" = 0 is not in [1, inf]");
  ExpectError(Check(WithAttr("rate", 1.0)), "ATTR", "attribute \"rate\" = 1.0 is not in [0, 1)");
  ExpectError(Check(WithAttr("rate", std::numeric_limits<double>::quiet_NaN())), "ATTR", "= nan is not in");
  ExpectError(Check(WithAttr("strides", Ints{1, 0})), "ATTR", "attribute \"strides\" = [1,0] is not in");
  ExpectError(Check(WithAttr("scales", Floats{0.0})), "ATTR", "attribute \"scales\" = [0.0] is not in (0, inf]");
  ExpectError(Check(WithAttr("mode", "median")), "ATTR", "\"median\" is not one of max, avg");
  ExpectError(Check(WithAttr("count", -2)), "ATTR", "attribute \"count\" = -2 is not in [0, inf]");
}

TEST(CheckNode, CountsPostOpOperandsApart) {
  Node node = Good();
  node.inputs = {0, 1, 5};
  node.post_ops = {{"Plus", {}, 2}};
  EXPECT_EQ(NumOwnInputs(node), 2);
  EXPECT_TRUE(Check(node).ok());
  OpContext context(node);
  EXPECT_EQ(context.num_inputs(), 2);
  EXPECT_FALSE(context.HasInput(2)) << "the operand is not the bias";
}

TEST(CheckNode, RefusesBadPostOps) {
  Node node = Good();
  node.inputs = {0, 1, 5};
  node.post_ops = {{"Wormhole", {}, 2}};
  ExpectError(Check(node), "VERSION", "no post-op \"Wormhole\"");
  node.post_ops = {{"Pair", {}, 2}};
  ExpectError(Check(node), "GRAPH", "\"Pair\" cannot be a post-op with an operand");
  node.post_ops = {{"Plus", {}, -1}};
  ExpectError(Check(node), "GRAPH", "\"Plus\" cannot be a post-op without an operand");
  node.post_ops = {{"Plus", {}, 3}};
  ExpectError(Check(node), "GRAPH", "post-op \"Plus\" reads input 3 of 3");
  node.post_ops = {{"Plus", {}, -2}};
  ExpectError(Check(node), "GRAPH", "post-op \"Plus\" reads input -2 of 3");
  node.post_ops = {{"Plus", {{"x", true}}, 2}};
  ExpectError(Check(node), "ATTR", "post-op \"Plus\": has no attribute \"x\"; it has: none");
  node.inputs = {0, 1, 5, 6};
  node.post_ops = {{"Plus", {}, 2}};
  ExpectError(Check(node), "GRAPH", "input 3 is read by no post-op");
}

TEST(InferTypes, GivesOneTypeAnOutput) {
  TensorType x{DType::kF32, {"N", 3}};
  Node node = Good();
  auto types = InferTypes(**FindOp(node), node, {x, x});
  ASSERT_TRUE(types.ok()) << types.status();
  ASSERT_EQ(types->size(), 1u);
  node.outputs = {2, 3};
  EXPECT_EQ((*InferTypes(**FindOp(node), node, {x, x}))[1].ToString(), "bool[N,3]");
}

TEST(InferTypes, RefusesImpossibleOutputs) {
  TensorType x{DType::kF32, {2, 3}};
  Node node = WithAttr("axis", -3);
  ExpectError(InferTypes(**FindOp(node), node, {x, x}).status(), "SHAPE",
              "output \"y\": shape [-1,3] has the negative dimension -1");
  TensorType huge{DType::kF32, {"N", int64_t{1} << 40, int64_t{1} << 30}};
  node = Good();
  ExpectError(InferTypes(**FindOp(node), node, {huge, x}).status(), "LIMIT", "overflows 64 bits");
}

TEST(InferTypes, PostOpsMustKeepTheType) {
  TensorType x{DType::kF32, {1, 3}};
  Node node = Good();
  node.inputs = {0, 1, 5};
  node.post_ops = {{"Plus", {}, 2}};
  EXPECT_TRUE(InferTypes(**FindOp(node), node, {x, x, TensorType(DType::kF32, {3})}).ok());
  ExpectError(InferTypes(**FindOp(node), node, {x, x, TensorType(DType::kF32, {4, 3})}).status(), "SHAPE",
              "post-op \"Plus\" would make f32[4,3] of f32[1,3]");
}

TEST(OpRegistry, ListsByName) {
  std::vector<std::string> names;
  for (const OpDef* def : OpRegistry::Get().All()) names.push_back(def->name);
  EXPECT_THAT(names, ::testing::ElementsAre("Everything", "Join", "Pair", "Parts", "Plus"));
  EXPECT_EQ(OpRegistry::Get().Find("Joi"), nullptr);
}

}  // namespace
}  // namespace athanor
