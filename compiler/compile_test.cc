#include "compiler/compile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "absl/strings/match.h"
#include "compiler/builder/builder.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/text.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/pipeline.h"
#include "compiler/program/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/cpu.h"
#include "runtime/core/philox.h"
#include "runtime/onednn/library.h"
#include "runtime/plan/plan_io.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Graph Built(GraphBuilder& b) {
  auto graph = b.Build();
  ATH_CHECK_OK(graph.status());
  ATH_CHECK_OK(InitializeVariables(&*graph, 1));
  return *std::move(graph);
}

// A classifier of three layers with the entries "infer", "evaluate" and "train".
Graph Mlp(int64_t features = 96, int64_t hidden = 80) {
  GraphBuilder b("mlp");
  Var x = b.Input("x", DType::kF32, {"N", features}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Relu(b.FullyConnected(x, {.units = hidden, .name = "fc1"}));
  h = b.Relu(b.FullyConnected(h, {.units = hidden, .name = "fc2"}));
  Var logits = b.FullyConnected(h, {.units = 10, .name = "fc3"});
  b.Metadata("classes", Strings{"a", "b"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}}});
  b.Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = loss});
  return Built(b);
}

// Convolution, batch normalisation, ReLU, twice, and a fully connected layer behind them.
Graph ConvNet() {
  GraphBuilder b("convnet");
  Var x = b.Input("x", DType::kF32, {"N", 3, 10, 10});
  for (const char* name : {"conv1", "conv2"}) {
    x = b.Conv2d(x, {.out_channels = 16, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .name = name});
    x = b.Relu(b.BatchNorm(x, {.name = std::string(name) + ".bn"}));
  }
  Var y = b.FullyConnected(b.Flatten(x), {.units = 5, .name = "fc"});
  b.Entry("infer", {.inputs = {Var{0}}, .outputs = {{"y", y}}});
  return Built(b);
}

CompileOptions Options(std::vector<EntryRequest> entries, bool trains = false) {
  CompileOptions options;
  options.entries = std::move(entries);
  options.threads = 2;
  if (trains) options.optimizer = OptimizerSpec{"SGD", {{"momentum", 0.9}}};
  return options;
}
EntryRequest At(const std::string& name, int64_t n) { return {name, {{"N", n}}}; }

Plan Compiled(const Graph& model, const CompileOptions& options) {
  auto plan = Compile(model, options);
  EXPECT_EQ(plan.status(), absl::OkStatus());
  return plan.ok() ? *std::move(plan) : Plan();
}

std::string ErrorOf(const CompileOptions& options, const Graph& model = Mlp()) {
  auto plan = Compile(model, options);
  EXPECT_FALSE(plan.ok());
  return std::string(plan.status().message());
}

TEST(CompileTest, ThePlanSaysWhatItIsOfAndFor) {
  const Graph model = Mlp();
  Plan plan = Compiled(model, Options({At("train", 8)}, /*trains=*/true));
  EXPECT_EQ(plan.model_name, "mlp");
  EXPECT_EQ(plan.model_hash, HashGraph(model));
  EXPECT_EQ(plan.metadata.GetStrings("classes"), (Strings{"a", "b"}));
  EXPECT_EQ(plan.target.isa, EffectiveIsa());
  EXPECT_EQ(plan.target.onednn_version, OneDnnVersion());
  EXPECT_EQ(plan.target.threads, 2);
  EXPECT_EQ(plan.entries[0].symbols, (std::map<std::string, int64_t>{{"N", 8}}));
  CompileOptions all_threads = Options({At("infer", 1)});
  all_threads.threads = 0;
  EXPECT_EQ(Compiled(model, all_threads).target.threads, AvailableCpus());
}

TEST(CompileTest, RequestsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(ErrorOf(Options({})), "REQ: no entry of model \"mlp\" was asked for");
  EXPECT_THAT(ErrorOf(Options({At("predict", 1)})), HasSubstr("predict"));
  EXPECT_THAT(ErrorOf(Options({At("predict", 1)})), HasSubstr("infer"));  // the list of those there are
  EXPECT_EQ(ErrorOf(Options({At("infer", 1), At("train", 2), At("infer", 1)})),
            "REQ: entry \"infer\" is asked for twice with the same sizes");
  EXPECT_THAT(ErrorOf(Options({{"infer", {}}})), HasSubstr("REQ: "));
  EXPECT_THAT(ErrorOf(Options({At("infer", 0)})), HasSubstr("REQ: "));
}

TEST(CompileTest, OptionsOutOfRangeAreRefused) {
  CompileOptions options = Options({At("train", 4)}, /*trains=*/true);
  for (int threads : {-1, 1025}) {
    CompileOptions bad = options;
    bad.threads = threads;
    EXPECT_EQ(ErrorOf(bad),
              "REQ: threads = " + std::to_string(threads) + " is not in [1, 1024] (0: all available)");
  }
  CompileOptions frozen = options;
  frozen.freeze_parameters = true;
  EXPECT_EQ(ErrorOf(frozen), "REQ: parameters cannot be frozen in a plan that has an optimizer");
  CompileOptions stage = options;
  stage.dump_after = {"lower", "polish"};
  EXPECT_THAT(ErrorOf(stage), HasSubstr("REQ: no stage \"polish\" to dump after; there are: all, select_entry, "));
  EXPECT_THAT(ErrorOf(stage), HasSubstr("fuse_post_ops, fuse_elementwise, check_types, lower, group_updates, "
                                        "propagate_layouts, schedule, plan_memory"));
  CompileOptions optimizer = options;
  optimizer.optimizer->op = "Alchemy";
  EXPECT_THAT(ErrorOf(optimizer), HasSubstr("Alchemy"));
}

TEST(CompileTest, AMemoryLimitIsKeptToTheByte) {
  CompileOptions options = Options({At("infer", 64)});
  const Plan plan = Compiled(Mlp(), options);
  options.memory_limit = plan.peak_bytes();
  Compiled(Mlp(), options);
  options.memory_limit = plan.peak_bytes() - 1;
  const std::string message = ErrorOf(options);
  EXPECT_THAT(message, HasSubstr("LIMIT: model \"mlp\" needs " + std::to_string(plan.peak_bytes()) + " bytes"));
  EXPECT_THAT(message, HasSubstr("above the limit of " + std::to_string(options.memory_limit)));
}

TEST(CompileTest, SeveralBatchSizesShareTheWeightsAndTheLargestArena) {
  const Plan one = Compiled(Mlp(), Options({At("infer", 32)}));
  const Plan plan = Compiled(Mlp(), Options({At("infer", 1), At("infer", 32), At("infer", 8)}));
  std::vector<std::string> names;
  int64_t largest = 0;
  for (const Entry& e : plan.entries) {
    names.push_back(e.name);
    largest = std::max(largest, e.arena_bytes);
  }
  EXPECT_THAT(names, ElementsAre("infer@N=1", "infer@N=32", "infer@N=8"));
  EXPECT_EQ(one.entries[0].name, "infer");
  EXPECT_EQ(largest, plan.entries[1].arena_bytes);
  EXPECT_LT(plan.entries[0].arena_bytes, plan.entries[2].arena_bytes);
  EXPECT_EQ(plan.activation_bytes, (largest + 4095) / 4096 * 4096);
  EXPECT_EQ(plan.weight_bytes, one.weight_bytes);
  EXPECT_EQ(plan.weight_bytes % 4096, 0);
  EXPECT_EQ(plan.variables.size(), 6u);
}

// Whichever entry is asked for first: training decides, and has no reorders for it.
TEST(CompileTest, ParametersOfATrainingStepKeepOneLayout) {
  const Plan train_first = Compiled(Mlp(), Options({At("train", 64), At("infer", 1)}, /*trains=*/true));
  const Plan train_last = Compiled(Mlp(), Options({At("infer", 1), At("train", 64)}, /*trains=*/true));
  EXPECT_EQ(train_first.FindEntry("train")->reorders, 0);
  EXPECT_EQ(train_last.FindEntry("train")->reorders, 0);
  for (const Variable& v : train_first.variables) {
    EXPECT_EQ(train_last.FindVariable(v.name)->desc, v.desc) << v.name;
  }
  const Entry& e = *train_first.FindEntry("train");
  int updates = 0;
  for (const KernelCall& c : e.calls) {
    EXPECT_NE(c.kernel, "reorder") << c.name;
    if (c.kernel != "optimizer_update") continue;
    ++updates;
    ASSERT_EQ(c.outputs.size(), 6 * 2);  // parameters and momentum buffers
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(c.outputs[2 * i], c.inputs[3 * i]);  // in place
      EXPECT_EQ(e.buffers[c.inputs[3 * i + 1]].desc, e.buffers[c.inputs[3 * i]].desc);
    }
  }
  EXPECT_EQ(updates, 1);
}

// (x[N,3], w[4,3]) -> [N,3], whose kernel wants w in an order of its own for large batches.
OpDef PickyOp() {
  OpDef def;
  def.name = "T.Picky";
  def.inputs = {{"x", ""}, {"w", ""}};
  def.outputs = {{"y", ""}};
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  def.lower = [](LowerContext& c) {
    c.Emit("picky", {c.Input(0), c.Input(1)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  return def;
}
ATH_REGISTER_OP(PickyOp());
ATH_REGISTER_KERNEL((KernelDef{"picky",
                               [](const CallSpec& spec) -> absl::StatusOr<KernelInfo> {
                                 KernelInfo info{spec.inputs, spec.outputs, 0, "test", 0, 0};
                                 info.inputs[0].layout = info.outputs[0].layout = "ab";
                                 info.inputs[1].layout = spec.inputs[0].dims[0] >= 64 ? "ba" : "ab";
                                 return info;
                               },
                               [](const CallSpec&) -> absl::StatusOr<std::unique_ptr<Kernel>> {
                                 return MakeError(ErrorClass::kPlan, "not to be run");
                               },
                               {}}));

TEST(CompileTest, OfEntriesThatOnlyReadTheLargestDecides) {
  auto model = ParseGraph(R"(graph "g" {
    %x : input f32[N,3]
    %w : parameter f32[4,3] = zeros
    %y = T.Picky(%x, %w) @"picky" : f32[N,3]
    entry "infer" (x=%x) -> (y=%y)
  })");
  ASSERT_TRUE(model.ok()) << model.status();
  for (const auto& sizes : {std::vector<int64_t>{1, 128, 16}, {128, 1, 16}, {1, 16, 128}}) {
    std::vector<EntryRequest> entries;
    for (int64_t n : sizes) entries.push_back(At("infer", n));
    const Plan plan = Compiled(*model, Options(entries));
    EXPECT_EQ(plan.FindVariable("w")->desc.layout, "ba");
    for (const Entry& e : plan.entries) EXPECT_EQ(e.reorders, e.symbols.at("N") == 128 ? 0 : 1);
  }
}

struct Dumps {
  std::vector<std::pair<std::string, std::string>> all;
  CompileOptions Into(CompileOptions options, std::vector<std::string> stages) {
    options.dump_after = std::move(stages);
    options.dump = [this](absl::string_view stage, absl::string_view text) { all.emplace_back(stage, text); };
    return options;
  }
};

TEST(CompileTest, TheDumpsOfAllStagesParseBack) {
  const Graph model = Mlp();
  const Blobs blobs = CollectBlobs(model);
  Dumps dumps;
  const Plan plan = Compiled(model, dumps.Into(Options({At("train", 4), At("infer", 2)}, /*trains=*/true), {"all"}));
  std::set<std::string> stages;
  int changed = 0;
  for (const auto& [stage, text] : dumps.all) {
    EXPECT_TRUE(stages.insert(stage).second) << stage << " is dumped twice";
    if (text == "(unchanged)") continue;
    ++changed;
    if (absl::StartsWith(text, "program")) {
      auto program = ParseProgram(text);
      ASSERT_TRUE(program.ok()) << stage << ": " << program.status();
      EXPECT_EQ(ToText(program->entry, program->variables), text) << stage;
    } else {
      auto graph = ParseGraph(text, &blobs);
      ASSERT_TRUE(graph.ok()) << stage << ": " << graph.status();
      EXPECT_EQ(ToText(*graph), text) << stage;
    }
  }
  std::set<std::string> expected;
  for (const char* entry : {"train", "infer"}) {
    for (const GraphPass& pass : GraphPasses()) expected.insert(std::string(entry) + "." + pass.name);
    for (const char* stage : {"lower", "group_updates", "propagate_layouts", "schedule", "plan_memory"}) {
      expected.insert(std::string(entry) + "." + stage);
    }
  }
  EXPECT_EQ(stages, expected);
  EXPECT_GE(changed, 16);
  // The last of them is the plan. (Variables are placed behind it.)
  auto last = ParseProgram(dumps.all.back().second);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(ToText(last->entry, plan.variables), ToText(plan.entries[1], plan.variables));
}

TEST(CompileTest, OnlyTheStagesAskedForAreDumped) {
  Dumps dumps;
  Compiled(Mlp(), dumps.Into(Options({At("infer", 2)}), {"schedule", "select_phase"}));
  ASSERT_EQ(dumps.all.size(), 2u);
  EXPECT_EQ(dumps.all[0].first, "infer.select_phase");
  EXPECT_EQ(dumps.all[1].first, "infer.schedule");
  EXPECT_THAT(dumps.all[1].second, HasSubstr("program \"infer\" symbols={N=2}"));
}

TEST(CompileTest, TheSameModelGivesTheSamePlan) {
  auto bytes_of = [](const Graph& model, const CompileOptions& options) {
    auto bytes = SerializePlan(Compiled(model, options));
    EXPECT_EQ(bytes.status(), absl::OkStatus());
    return bytes.ok() ? *bytes : "";
  };
  const CompileOptions options = Options({At("train", 16), At("infer", 1), At("infer", 8)}, /*trains=*/true);
  const std::string first = bytes_of(Mlp(), options);
  CompileOptions frozen = Options({At("infer", 2)});
  frozen.freeze_parameters = true;
  const std::string folded = bytes_of(ConvNet(), frozen);
  EXPECT_EQ(bytes_of(Mlp(), options), first);
  EXPECT_EQ(bytes_of(ConvNet(), frozen), folded);
}

int Calls(const Entry& entry, absl::string_view kernel) {
  return static_cast<int>(std::count_if(entry.calls.begin(), entry.calls.end(),
                                        [&](const KernelCall& c) { return c.kernel == kernel; }));
}

std::vector<float> OutputOf(const Plan& plan, const std::string& output) {
  auto session = Session::Create(std::make_shared<const Plan>(plan), SessionOptions{.poison = true});
  ATH_CHECK_OK(session.status());
  auto x = (*session)->Input(0, "x");
  ATH_CHECK_OK(x.status());
  Philox rng(7, 0);
  for (size_t i = 0; i < x->as<float>().size(); ++i) x->as<float>()[i] = rng.Uniform(i) - 0.5f;
  ATH_CHECK_OK((*session)->Run(0));
  auto y = (*session)->Output(0, output);
  ATH_CHECK_OK(y.status());
  return {y->as<float>().begin(), y->as<float>().end()};
}

TEST(CompileTest, FrozenBatchNormalisationIsFoldedIntoTheConvolution) {
  Graph model = ConvNet();
  for (Value& v : model.values) {  // statistics as after some training
    if (v.kind != ValueKind::kState) continue;
    Tensor t = v.data->Clone();
    for (int64_t i = 0; i < t.num_elements(); ++i) t.as<float>()[i] = 0.5f + 0.1f * static_cast<float>(i);
    v.data = std::make_shared<const Tensor>(std::move(t));
  }
  CompileOptions options = Options({At("infer", 4)});
  const Plan plain = Compiled(model, options);
  options.freeze_parameters = true;
  const Plan frozen = Compiled(model, options);
  EXPECT_EQ(Calls(plain.entries[0], "batch_normalization_inference"), 2);
  const Entry& e = frozen.entries[0];
  EXPECT_EQ(Calls(e, "batch_normalization_inference"), 0);
  EXPECT_EQ(Calls(e, "convolution"), 2);
  EXPECT_EQ(Calls(e, "elementwise"), 0);  // the ReLU is fused too
  for (const Variable& v : frozen.variables) EXPECT_EQ(v.kind, VariableKind::kConstant) << v.name;
  EXPECT_LE(frozen.peak_bytes(), plain.peak_bytes());

  const std::vector<float> want = OutputOf(plain, "y"), got = OutputOf(frozen, "y");
  ASSERT_EQ(want.size(), 20u);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4 * (1 + std::abs(want[i]))) << i;
}

TEST(CompileTest, InferencePlansHaveNoDropoutNoLossAndNoBatchNormalisation) {
  GraphBuilder b("phases");
  Var x = b.Input("x", DType::kF32, {"N", 3, 8, 8}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Conv2d(x, {.out_channels = 16, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .name = "conv"});
  h = b.Dropout(b.Relu(b.BatchNorm(h, {.name = "bn"})), 0.5, "dropout");
  Var logits = b.FullyConnected(b.Flatten(h), {.units = 5, .name = "fc"});
  Var loss = b.SoftmaxCrossEntropy(logits, labels);
  b.Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}, {"probabilities", b.Softmax(logits)}}});
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = loss});
  const Graph model = Built(b);
  const Plan train = Compiled(model, Options({At("train", 4)}, /*trains=*/true));
  for (const char* kernel : {"dropout", "softmax_cross_entropy", "batch_normalization"}) {
    EXPECT_GE(Calls(train.entries[0], kernel), 1) << kernel;
  }
  CompileOptions options = Options({At("infer", 4)});
  options.freeze_parameters = true;
  auto kernels = [&] {
    const Plan plan = Compiled(model, options);
    std::vector<std::string> names;
    for (const KernelCall& c : plan.entries[0].calls) {
      if (c.kernel != "reorder") names.push_back(c.kernel);
    }
    return names;
  };
  EXPECT_THAT(kernels(), ElementsAre("convolution", "inner_product", "softmax"));
  options.entries[0].outputs = {"logits"};
  EXPECT_THAT(kernels(), ElementsAre("convolution", "inner_product"));
}

TEST(CompileTest, VariantsOfAnEntryHaveNamesOfTheirOwn) {
  CompileOptions options = Options({At("train", 4), At("train", 2), At("evaluate", 4)}, /*trains=*/true);
  options.accumulate_gradients = true;
  options.ema_decay = 0.99;
  options.entries.push_back({.name = "train", .symbols = {{"N", 4}}, .gradients = GradientUse::kAccumulate});
  options.entries.push_back({.name = "train", .symbols = {{"N", 4}}, .diagnose = true});
  options.entries.push_back({.name = "evaluate", .symbols = {{"N", 4}}, .use_ema = true});
  const Plan plan = Compiled(Mlp(), options);
  std::vector<std::string> names;
  for (const Entry& e : plan.entries) names.push_back(e.name);
  EXPECT_THAT(names, ElementsAre("train@N=4", "train@N=2", "evaluate", "train.accumulate", "train.diagnose",
                                 "evaluate.ema"));
  options.freeze_parameters = true;
  options.optimizer.reset();
  EXPECT_EQ(ErrorOf(options), "REQ: entry \"evaluate\" is to read averages, which a plan of constants has not");
  for (double bad : {-0.5, 1.0, std::nan("")}) {
    CompileOptions decay = Options({At("train", 4)}, /*trains=*/true);
    decay.ema_decay = bad;
    EXPECT_THAT(ErrorOf(decay), HasSubstr("is not in (0, 1) (0: no averages)"));
  }
}

// The gradient of a mean holds 1 / N: constants of one name that differ between entries have places of their own.
TEST(CompileTest, ConstantsThatDependOnTheBatchSizeAreNotMixedUp) {
  auto model = ParseGraph(R"(graph "g" {
    %x : input f32[N,2]
    %w : parameter f32[2] = zeros
    %h = Mul(%x, %w) @"mul" : f32[N,2]
    %loss = ReduceMean(%h) @"mean" : f32[]
    entry "train" training (x=%x) -> (loss=%loss) loss %loss
  })");
  ASSERT_TRUE(model.ok()) << model.status();
  CompileOptions options = Options({At("train", 2), At("train", 4)});
  options.gradients_as_outputs = true;
  const Plan plan = Compiled(*model, options);
  auto is_renamed = [](const Variable& v) { return absl::StrContains(v.name, "@train@N=4"); };
  ASSERT_TRUE(std::any_of(plan.variables.begin(), plan.variables.end(), is_renamed));
  auto session = Session::Create(std::make_shared<const Plan>(plan));
  ASSERT_TRUE(session.ok()) << session.status();
  for (int entry : {0, 1, 0}) {
    auto x = (*session)->Input(entry, "x");
    ASSERT_TRUE(x.ok());
    std::fill(x->as<float>().begin(), x->as<float>().end(), 3.0f);
    ASSERT_TRUE((*session)->Run(entry).ok());
    EXPECT_THAT((*session)->Output(entry, "grad:w")->as<float>(), ElementsAre(1.5f, 1.5f));
  }
}

}  // namespace
}  // namespace athanor
