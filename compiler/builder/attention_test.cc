#include "compiler/builder/attention.h"

#include <algorithm>
#include <cmath>

#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "compiler/interpreter/interpreter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Element i is sin(0.7 i + k).
Tensor Sines(const Shape& shape, int k) {
  Tensor t = *Tensor::Create(DType::kF32, shape);
  for (int64_t i = 0; i < t.num_elements(); ++i) t.as<float>()[i] = static_cast<float>(std::sin(0.7 * i + k));
  return t;
}

std::vector<std::string> Parameters(const Graph& graph) {
  std::vector<std::string> all;
  for (const Value& v : graph.values) {
    if (v.kind == ValueKind::kParameter) all.push_back(v.name + " " + v.type.ToString());
  }
  return all;
}

// The parameters hold Sines, numbered as they were made.
void SetParameters(Graph& graph) {
  int k = 0;
  for (Value& v : graph.values) {
    if (v.kind == ValueKind::kParameter) v.data = std::make_shared<const Tensor>(Sines(v.type.shape(), k++));
  }
}

void ExpectOutput(const Graph& graph, const std::map<std::string, Tensor>& inputs, const std::string& name,
                  const std::vector<double>& want) {
  auto interpreter = Interpreter::Create(graph, "infer");
  ASSERT_TRUE(interpreter.ok()) << interpreter.status();
  auto outputs = interpreter->Run(inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  const DoubleTensor& got = outputs->at(name);
  ASSERT_EQ(got.data.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got.data[i], want[i], 2e-6) << i;
}

// The expected numbers are torch.nn.MultiheadAttention's, in double.
TEST(MultiHeadAttention, SelfAttentionIsPyTorchs) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {2, 3, 4}), mask = b.Input("mask", DType::kBool, {2, 3});
  Var y = MultiHeadAttention(b, x, {.heads = 2, .causal = true, .key_mask = mask, .name = "attn"});
  b.Entry("infer", {.inputs = {x, mask}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Parameters(*graph), ElementsAre("attn.in_proj_weight f32[12,4]", "attn.in_proj_bias f32[12]",
                                              "attn.out_proj.weight f32[4,4]", "attn.out_proj.bias f32[4]"));
  SetParameters(*graph);
  std::map<std::string, Tensor> inputs;
  inputs["x"] = Sines({2, 3, 4}, 9);
  inputs["mask"] = Tensor::Of<bool>({2, 3}, {true, true, false, true, false, true});
  ExpectOutput(*graph, inputs, "y",
               {1.5672725365648337,   -2.5531410321820234, 1.4350515386896956,  -3.4000264974735925,
                0.40826240511366396,  -1.9809312430261103, 1.5157639763568564,  -4.124334410509159,
                -0.21208714588205893, -0.589247395626954,  -0.4864376969818104, -1.7429799636205823,
                -0.16576506330467558, -1.0975046488553386, 0.42502289803814797, -2.9523197809261057,
                -0.16576506330467558, -1.0975046488553386, 0.42502289803814797, -2.9523197809261057,
                0.5205704967763738,   -1.7592198007810445, 0.9856529365638088,  -3.3470809232980168});
}

TEST(MultiHeadAttention, AttentionToKeysOfAnotherWidthIsPyTorchs) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {2, 3, 4}), k = b.Input("k", DType::kF32, {2, 2, 3}),
      v = b.Input("v", DType::kF32, {2, 2, 5});
  Var y = MultiHeadAttention(b, x, {.heads = 2, .key = k, .value = v, .name = "attn"});
  b.Entry("infer", {.inputs = {x, k, v}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Parameters(*graph),
              ElementsAre("attn.q_proj_weight f32[4,4]", "attn.k_proj_weight f32[4,3]", "attn.v_proj_weight f32[4,5]",
                          "attn.in_proj_bias f32[12]", "attn.out_proj.weight f32[4,4]", "attn.out_proj.bias f32[4]"));
  SetParameters(*graph);
  std::map<std::string, Tensor> inputs;
  inputs["x"] = Sines({2, 3, 4}, 9);
  inputs["k"] = Sines({2, 2, 3}, 10);
  inputs["v"] = Sines({2, 2, 5}, 11);
  ExpectOutput(*graph, inputs, "y",
               {-1.7483620598995202, 0.13238932881826804, -0.3812298183080022,  0.9839312013822812,
                0.21886531673121767, -3.0052777944675078, 3.5643029273440994,   -3.3135398729182635,
                -1.902755081285592,  0.1943122502476945,  -0.34352711686248133, 0.8509596247417941,
                -3.005236237261071,  1.0475824747146947,  -0.8489864971273402,  0.9501996410469631,
                -0.33178177432923117, -1.1775171928237698, 0.6706362738791116,  0.31165426012324504,
                -1.6525427381656086, -1.0749381655769885, 1.798092735403537,    -1.9155540994826297});
}

TEST(MultiHeadAttention, BatchAndLengthMayBeSymbolsAndBiasesAbsent) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", "T", 6}), mask = b.Input("mask", DType::kBool, {"N", "T"});
  Var y = MultiHeadAttention(b, x, {.heads = 3, .bias = false, .key_mask = mask});
  EXPECT_EQ(b.TypeOf(y).ToString(), "f32[N,T,6]") << b.status();
  b.Entry("infer", {.inputs = {x, mask}, .outputs = {{"y", y}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Parameters(*graph), ElementsAre("multi_head_attention.in_proj_weight f32[18,6]",
                                              "multi_head_attention.out_proj.weight f32[6,6]"));
}

TEST(MultiHeadAttention, StartsAsPyTorchs) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {1, 2, 32});
  MultiHeadAttention(b, x, {.heads = 4, .name = "attn"});
  b.Entry("infer", {.inputs = {x}, .outputs = {{"x", x}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  auto greatest = [&](const char* name) {
    auto data = graph->value(graph->FindValue(name)).data->as<float>();
    return std::max(*std::max_element(data.begin(), data.end()), -*std::min_element(data.begin(), data.end()));
  };
  EXPECT_NEAR(greatest("attn.in_proj_weight"), std::sqrt(6.0 / (4 * 32)), 2e-3);
  EXPECT_NEAR(greatest("attn.out_proj.weight"), 1 / std::sqrt(32.0), 2e-3);
  EXPECT_EQ(greatest("attn.in_proj_bias"), 0);
  EXPECT_EQ(greatest("attn.out_proj.bias"), 0);
}

// The heads are read where the projections left them.
TEST(MultiHeadAttention, NothingIsTransposedOrReordered) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {2, 16, 32});
  Var y = MultiHeadAttention(b, x, {.heads = 4});
  b.Entry("train", {.training = true, .inputs = {x}, .loss = b.ReduceMean(y)});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_TRUE(InitializeVariables(&*graph, 1).ok());
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.gradients_as_outputs = true;
  options.threads = 1;
  auto plan = Compile(*graph, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const KernelCall& call : plan->entries[0].calls) EXPECT_NE(call.kernel, "transpose") << call.name;
  EXPECT_EQ(plan->entries[0].reorders, 0);
}

TEST(MultiHeadAttention, RefusesWhatDoesNotFit) {
  auto error = [](std::vector<Dim> x_dims, MultiHeadAttentionOptions options, std::vector<Dim> key_dims = {},
                  std::vector<Dim> mask_dims = {}) {
    GraphBuilder b("net");
    Var x = b.Input("x", DType::kF32, x_dims);
    if (!key_dims.empty()) options.key = b.Input("key", DType::kF32, key_dims);
    if (!mask_dims.empty()) options.key_mask = b.Input("mask", DType::kBool, mask_dims);
    options.name = "attn";
    EXPECT_EQ(MultiHeadAttention(b, x, options).id, kNoValue);
    EXPECT_FALSE(b.status().ok());
    return std::string(b.status().message());
  };
  EXPECT_THAT(error({"N", 3, 4}, {.heads = 3}),
              HasSubstr("node \"attn\" (MultiHeadAttention): heads = 3 does not divide the 4 features of input \"x\""));
  EXPECT_THAT(error({"N", 3, 4}, {.heads = 0}), HasSubstr("heads = 0"));
  EXPECT_THAT(error({"N", 3, 4}, {.heads = -4}), HasSubstr("heads = -4"));
  EXPECT_THAT(error({3, 4}, {}), HasSubstr("input \"x\" is f32[3,4], expected rank 3"));
  EXPECT_THAT(error({"N", 3, "E"}, {}), HasSubstr("input \"x\" is f32[N,3,E], expected rank 3 with a last dimension"));
  EXPECT_THAT(error({2, 3, 4}, {}, {4}), HasSubstr("input \"key\" is f32[4]"));
  EXPECT_THAT(error({2, 3, 4}, {}, {5, 3, 4}), HasSubstr("their batch and head dimensions must be equal"));
  EXPECT_THAT(error({2, 3, 4}, {}, {2, 6, 4}, {2, 3}),
              HasSubstr("input \"key_mask\" is bool[2,3], expected [2,6], for the keys are f32[2,6,4]"));
  EXPECT_THAT(error({2, 3, 4}, {}, {}, {3}), HasSubstr("input \"key_mask\" is bool[3]"));
}

TEST(AdditiveAttention, GivesContextAndWeights) {
  GraphBuilder b("net");
  Var query = b.Input("query", DType::kF32, {1, 1, 3}), keys = b.Input("keys", DType::kF32, {1, 2, 2});
  auto [y, weights] = AdditiveAttention(b, query, keys, {.units = 4, .name = "attn"});
  EXPECT_EQ(b.TypeOf(y).ToString(), "f32[1,1,2]") << b.status();
  b.Entry("infer", {.inputs = {query, keys}, .outputs = {{"y", y}, {"weights", weights}}});
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Parameters(*graph), ElementsAre("attn.W_q.weight f32[4,3]", "attn.W_k.weight f32[4,2]", "attn.v f32[4]"));
  SetParameters(*graph);
  double score[2] = {0, 0};
  for (int u = 0; u < 4; ++u) {
    double q = 0;
    for (int i = 0; i < 3; ++i) q += std::sin(0.7 * (u * 3 + i)) * std::sin(0.7 * i + 3);
    for (int s = 0; s < 2; ++s) {
      double k = 0;
      for (int i = 0; i < 2; ++i) k += std::sin(0.7 * (u * 2 + i) + 1) * std::sin(0.7 * (s * 2 + i) + 4);
      score[s] += std::sin(0.7 * u + 2) * std::tanh(q + k);
    }
  }
  const double w = 1 / (1 + std::exp(score[1] - score[0]));
  std::map<std::string, Tensor> inputs;
  inputs["query"] = Sines({1, 1, 3}, 3);
  inputs["keys"] = Sines({1, 2, 2}, 4);
  ExpectOutput(*graph, inputs, "weights", {w, 1 - w});
  ExpectOutput(*graph, inputs, "y",
               {w * std::sin(4.0) + (1 - w) * std::sin(5.4), w * std::sin(4.7) + (1 - w) * std::sin(6.1)});
}

TEST(AdditiveAttention, ValuesAndBiasAndErrors) {
  GraphBuilder b("net");
  Var query = b.Input("query", DType::kF32, {"N", 5, 3}), keys = b.Input("keys", DType::kF32, {"N", 7, 2}),
      values = b.Input("values", DType::kF32, {"N", 7, 9}), bias = b.Input("bias", DType::kF32, {"N", 1, 7});
  auto [y, weights] = AdditiveAttention(b, query, keys, {.units = 4, .values = values, .bias = bias});
  EXPECT_EQ(b.TypeOf(y).ToString(), "f32[N,5,9]") << b.status();
  EXPECT_EQ(b.TypeOf(weights).ToString(), "f32[N,5,7]");
  AdditiveAttention(b, query, keys, {.name = "bad"});
  EXPECT_THAT(std::string(b.Build().status().message()),
              HasSubstr("node \"bad\" (AdditiveAttention): units = 0 is not at least 1"));
  Var flat = b.Input("flat", DType::kF32, {5});
  AdditiveAttention(b, flat, flat, {.units = 2});
  EXPECT_THAT(std::string(b.Build().status().message()), HasSubstr("input \"query\" is f32[5], expected rank 3"));
}

TEST(SinusoidalPositions, AreSinesAndCosinesOfFallingFrequency) {
  Tensor table = SinusoidalPositions(50, 7);
  for (int64_t p : {0, 1, 7, 49}) {
    for (int64_t i = 0; i < 7; ++i) {
      const double angle = p / std::pow(10000, (i / 2 * 2) / 7.0);
      EXPECT_NEAR(table.as<float>()[p * 7 + i], i % 2 ? std::cos(angle) : std::sin(angle), 1e-6) << p << " " << i;
    }
  }
}

TEST(SinusoidalPositions, AreAddedToASequence) {
  GraphBuilder b("net");
  Var x = b.Input("x", DType::kF32, {"N", 3, 4});
  EXPECT_EQ(b.TypeOf(AddSinusoidalPositions(b, x)).ToString(), "f32[N,3,4]") << b.status();
  AddSinusoidalPositions(b, b.Input("z", DType::kF32, {"N", "T", 4}), "positions");
  EXPECT_THAT(
      std::string(b.Build().status().message()),
      HasSubstr("node \"positions\" (AddSinusoidalPositions): input \"x\" is f32[N,T,4]: its last two dimensions"));
}

}  // namespace
}  // namespace athanor
