#include "runtime/session/session.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "compiler/builder/builder.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"
#include "runtime/session/testing/text_plan.h"

namespace athanor {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// "probe": output = the sum of the inputs + 1, over f32[16]. Attributes: `fails_on`, an error when input 0 begins with
// this number; `scratch`, what it needs; `layout`, what it wants.
struct Log {
  std::vector<std::string> created, ran;
  std::vector<int> threads;  // of the runs
};
Log& TheLog() {
  static auto* log = new Log;
  return *log;
}

class ProbeKernel final : public Kernel {
 public:
  explicit ProbeKernel(const CallSpec& spec) : name_(spec.name), fails_on_(spec.attrs.Float("fails_on", -1e30)) {
    TheLog().created.push_back(name_);
  }
  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    for (void* p : inputs) inputs_.push_back(static_cast<const float*>(p));
    output_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }
  absl::Status Run() override {
    TheLog().ran.push_back(name_);
    TheLog().threads.push_back(omp_get_max_threads());
    if (inputs_[0][0] == fails_on_) return MakeError(ErrorClass::kIndex, "the number is %g", fails_on_);
    for (int i = 0; i < 16; ++i) {
      float sum = 1;
      for (const float* in : inputs_) sum += in[i];
      output_[i] = sum;
    }
    return absl::OkStatus();
  }

 private:
  std::string name_;
  double fails_on_;
  std::vector<const float*> inputs_;
  float* output_ = nullptr;
};

absl::StatusOr<KernelInfo> QueryProbe(const CallSpec& spec) {
  KernelInfo info{spec.inputs, spec.outputs, spec.attrs.Int("scratch"), "test", 0, 0};
  for (MemoryDesc& d : info.inputs) d.layout = spec.attrs.String("layout", d.layout);
  return info;
}
absl::StatusOr<std::unique_ptr<Kernel>> CreateProbe(const CallSpec& spec) {
  return std::make_unique<ProbeKernel>(spec);
}
ATH_REGISTER_KERNEL((KernelDef{"probe", QueryProbe, CreateProbe, {}}));

// y = x + w + 3, through two temporaries at bytes 64 and 128.
constexpr char kChain[] = R"(program "chain" arena=256
  variable w: parameter f32[16]:a bytes=64 offset=0
  buffer x: input f32[16]:a bytes=64 offset=0
  buffer w: variable f32[16]:a bytes=64 of=@w
  buffer a: temporary f32[16]:a bytes=64 offset=64
  buffer b: temporary f32[16]:a bytes=64 offset=128
  buffer y: output f32[16]:a bytes=64 offset=192
  call (%a) = probe(%x, %w) name="first" threads=2
  call (%b) = probe(%a) name="second" attrs={fails_on=13.0}
  call (%y) = probe(%b) name="third" threads=3 scratch=40@64 attrs={scratch=40}
  input x = %x
  output y = %y
)";
// v = u + 1 in the other arena's place.
constexpr char kShort[] = R"(program "short@N=4" arena=128
  variable w: parameter f32[16]:a bytes=64 offset=0
  buffer u: input f32[16]:a bytes=64 offset=0
  buffer v: output f32[16]:a bytes=64 offset=64
  call (%v) = probe(%u) name="only"
  input u = %u
  output v = %v
)";

std::shared_ptr<const Plan> Shared(Plan plan) { return std::make_shared<const Plan>(std::move(plan)); }

std::unique_ptr<Session> Made(std::shared_ptr<const Plan> plan, const SessionOptions& options = {}) {
  TheLog() = Log();
  auto session = Session::Create(std::move(plan), options);
  ATH_CHECK_OK(session.status());
  return *std::move(session);
}
std::unique_ptr<Session> Chain(const SessionOptions& options = {}) {
  return Made(Shared(PlanOfTexts({kChain, kShort})), options);
}

absl::Span<float> Floats(absl::StatusOr<TensorView> view) {
  ATH_CHECK_OK(view.status());
  return view->as<float>();
}
void Fill(absl::StatusOr<TensorView> view, float value) {
  absl::Span<float> floats = Floats(std::move(view));
  std::fill(floats.begin(), floats.end(), value);
}

std::string CreateError(Plan plan, const SessionOptions& options = {}) {
  auto session = Session::Create(Shared(std::move(plan)), options);
  EXPECT_FALSE(session.ok());
  return std::string(session.status().message());
}
// The chain with a part of its text changed.
Plan Changed(const std::string& from, const std::string& to) {
  std::string text = absl::StrReplaceAll(kChain, {{from, to}});
  EXPECT_NE(text, kChain) << from;
  return PlanOfTexts({text});
}

TEST(SessionTest, RunsTheCallsOfAnEntry) {
  auto session = Chain();
  const int entry = *session->FindEntry("chain");
  ASSERT_EQ(session->weights().Set("w", Tensor::Of<float>({16}, std::vector<float>(16, 0.5f))), absl::OkStatus());
  Fill(session->Input(entry, "x"), 2);
  ASSERT_EQ(session->Run(entry), absl::OkStatus());
  EXPECT_THAT(Floats(session->Output(entry, "y")), Each(5.5f));
  EXPECT_THAT(TheLog().ran, ElementsAre("first", "second", "third"));
  ASSERT_EQ(session->Run(entry), absl::OkStatus());  // the input is still there
  EXPECT_THAT(Floats(session->Output(entry, "y")), Each(5.5f));
}

TEST(SessionTest, EntriesShareOneArena) {
  auto session = Chain();
  EXPECT_EQ(session->mapped_bytes(), session->plan().peak_bytes());
  EXPECT_EQ(session->mapped_bytes(), 8192);
  const int chain = *session->FindEntry("chain"), other = *session->FindEntry("short");  // the only one at a size
  EXPECT_EQ(*session->FindEntry("short@N=4"), other);
  EXPECT_EQ(session->Input(chain, "x")->data, session->Input(other, "u")->data);
  for (float value : {1.0f, 4.0f}) {
    Fill(session->Input(chain, "x"), value);
    ASSERT_EQ(session->Run(chain), absl::OkStatus());
    EXPECT_THAT(Floats(session->Output(chain, "y")), Each(value + 3));
    Fill(session->Input(other, "u"), value);
    ASSERT_EQ(session->Run(other), absl::OkStatus());
    EXPECT_THAT(Floats(session->Output(other, "v")), Each(value + 1));
  }
}

TEST(SessionTest, UnknownNamesAreAnsweredWithThoseThereAre) {
  auto session = Chain();
  EXPECT_EQ(std::string(session->FindEntry("train").status().message()),
            "REQ: no entry \"train\" in this session of model \"by hand\"; it has: chain, short@N=4");
  EXPECT_EQ(std::string(session->Input(0, "u").status().message()),
            "REQ: entry \"chain\" has no input \"u\"; it has: x");
  EXPECT_EQ(std::string(session->Output(0, "x").status().message()),
            "REQ: entry \"chain\" has no output \"x\"; it has: y");
}

TEST(SessionTest, OnlyTheEntriesAskedForArePrepared) {
  auto session = Chain({.entries = {"short", "short@N=4"}});
  EXPECT_THAT(TheLog().created, ElementsAre("only"));
  EXPECT_EQ(*session->FindEntry("short"), 0);
  Fill(session->Input(0, "u"), 1);
  EXPECT_EQ(session->Run(0), absl::OkStatus());
  EXPECT_THAT(std::string(session->FindEntry("chain").status().message()), HasSubstr("it has: short@N=4"));
  EXPECT_EQ(CreateError(PlanOfTexts({kChain, kShort}), {.entries = {"short", "evaluate"}}),
            "REQ: the plan of model \"by hand\" has no entry \"evaluate\"; it has: chain, short@N=4");
}

TEST(SessionTest, SessionsShareWeightsAndOutliveTheirMaker) {
  auto plan = Shared(PlanOfTexts({kChain}));
  auto weights = Weights::Create(plan);
  ASSERT_TRUE(weights.ok());
  auto one = Session::Create(plan, *weights), two = Session::Create(plan, *weights);
  ASSERT_TRUE(one.ok() && two.ok());
  plan.reset();
  weights->reset();
  EXPECT_NE((*one)->Input(0, "x")->data, (*two)->Input(0, "x")->data);
  ASSERT_EQ((*one)->weights().Set("w", Tensor::Of<float>({16}, std::vector<float>(16, 10))), absl::OkStatus());
  Fill((*two)->Input(0, "x"), 0);
  ASSERT_EQ((*two)->Run(0), absl::OkStatus());
  EXPECT_THAT(Floats((*two)->Output(0, "y")), Each(13.0f));
}

TEST(SessionTest, WeightsOfAnotherPlanAreRefused) {
  auto plan = Shared(PlanOfTexts({kChain})), same = Shared(PlanOfTexts({kChain}));
  auto weights = Weights::Create(same);
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(std::string(Session::Create(plan, *weights).status().message()),
            "REQ: the weights given belong to another plan (model \"by hand\")");
}

// Said first: what else such a plan holds may mean nothing here.
TEST(SessionTest, APlanForAnotherMachineIsRefused) {
  Plan plan = PlanOfTexts({kChain});
  plan.variables[0].offset = 7;
  plan.target.isa = "abacus";
  EXPECT_THAT(CreateError(plan), StartsWith("VERSION: the plan was compiled for ISA abacus and this process runs"));
  plan = PlanOfTexts({kChain});
  plan.target.onednn_version = "0.1.0";
  EXPECT_THAT(CreateError(plan), StartsWith("VERSION: the plan was compiled with oneDNN 0.1.0 and this process runs"));
}

TEST(SessionTest, APlanThatGivesAKernelTooLittleIsRefused) {
  EXPECT_THAT(CreateError(Changed("attrs={scratch=40}", "attrs={scratch=41}")),
              HasSubstr("PLAN: entry \"chain\": kernel probe of \"third\" asks for other layouts or more scratch (41 "
                        "bytes) than the plan holds (40)"));
  EXPECT_THAT(CreateError(Changed("attrs={scratch=40}", "attrs={layout=\"b\"}")),
              HasSubstr("kernel probe of \"third\" asks for other layouts"));
  Made(Shared(Changed("attrs={scratch=40}", "attrs={scratch=39}")));  // more than enough is enough
}

TEST(SessionTest, APlanWithoutRoomForItsLayoutsIsRefused) {
  const std::string blocked =
      absl::StrReplaceAll(kChain, {{"a: temporary f32[16]:a", "a: temporary f32[4,4]:AB16b16a"}});
  EXPECT_EQ(CreateError(PlanOfTexts({blocked})),
            "PLAN: entry \"chain\": buffer \"a\" of 64 bytes is too small for f32[4,4]:AB16b16a, which takes 1024");
  const std::string turned = absl::StrReplaceAll(kChain, {{"y: output f32[16]:a", "y: output f32[4,4]:ba"}});
  EXPECT_EQ(CreateError(PlanOfTexts({turned})),
            "PLAN: entry \"chain\": \"y\" is f32[4,4]:ba, inputs and outputs are row-major");
  Plan half_a_page = PlanOfTexts({kChain});
  half_a_page.activation_bytes = 2048;
  EXPECT_THAT(CreateError(half_a_page), HasSubstr("PLAN: an arena of 2048 bytes"));
}

TEST(SessionTest, APlanWhoseBuffersCollideIsRefused) {
  EXPECT_THAT(CreateError(Changed("b: temporary f32[16]:a bytes=64 offset=128",
                                  "b: temporary f32[16]:a bytes=64 offset=64")),
              HasSubstr("PLAN: entry \"chain\": call 1 \"second\" (probe)"));
  EXPECT_THAT(CreateError(Changed("scratch=40@64", "scratch=40@128")), HasSubstr("call 2 \"third\" (probe)"));
  EXPECT_THAT(CreateError(Changed("= probe(%a)", "= probe(%b)")), HasSubstr("call 1 \"second\" (probe)"));
  EXPECT_THAT(CreateError(Changed("= probe(%a)", "= alchemy(%a)")), HasSubstr("no kernel \"alchemy\""));
}

TEST(SessionTest, AFailingCallIsNamedAndNothingRunsBehindIt) {
  auto session = Chain();
  Fill(session->Input(0, "x"), 12);  // the second call sees 13
  absl::Status status = session->Run(0);
  EXPECT_EQ(std::string(status.message()), "INDEX: entry \"chain\", call 1 \"second\" (probe): the number is 13");
  EXPECT_THAT(TheLog().ran, ElementsAre("first", "second"));
  Fill(session->Input(0, "x"), 1);  // and the session goes on
  ASSERT_EQ(session->Run(0), absl::OkStatus());
  EXPECT_THAT(Floats(session->Output(0, "y")), Each(4.0f));
}

TEST(SessionTest, EachCallHasItsThreadsAndTheCallerItsOwnAgain) {
  const int before = omp_get_max_threads();
  for (int mine : {1, 5}) {
    omp_set_num_threads(mine);
    for (bool poison : {false, true}) {
      auto session = Chain({.poison = poison});
      EXPECT_EQ(omp_get_max_threads(), mine);
      Fill(session->Input(0, "x"), 1);
      ASSERT_EQ(session->Run(0), absl::OkStatus());
      EXPECT_THAT(TheLog().threads, ElementsAre(2, 1, 3));
      EXPECT_EQ(omp_get_max_threads(), mine);
      Fill(session->Input(0, "x"), 12);
      EXPECT_FALSE(session->Run(0).ok());
      EXPECT_EQ(omp_get_max_threads(), mine);
    }
  }
  omp_set_num_threads(before);
}

TEST(SessionTest, ProfilesEveryCall) {
  auto session = Chain({.profile = true});
  Fill(session->Input(0, "x"), 1);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(session->Run(0), absl::OkStatus());
  Fill(session->Input(0, "x"), 12);
  EXPECT_FALSE(session->Run(0).ok());
  std::vector<int64_t> runs;
  for (const CallProfile& p : session->profile(0)) {
    runs.push_back(p.runs);
    EXPECT_GE(p.min_seconds, 0);
    EXPECT_GE(p.seconds, static_cast<double>(p.runs) * p.min_seconds);
  }
  EXPECT_THAT(runs, ElementsAre(4, 3, 3));
  ASSERT_EQ(session->profile(1).size(), 1u);
  EXPECT_EQ(session->profile(1)[0].runs, 0);
  EXPECT_THAT(Chain()->profile(0), IsEmpty());
}

TEST(SessionTest, PoisonSpoilsWhatIsDeadAndNothingElse) {
  auto session = Chain({.poison = true});
  Fill(session->Input(0, "x"), 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(session->Run(0), absl::OkStatus());
    EXPECT_THAT(Floats(session->Output(0, "y")), Each(4.0f));
    EXPECT_THAT(Floats(session->Input(0, "x")), Each(1.0f));
    const auto* arena = static_cast<const unsigned char*>(session->Input(0, "x")->data);
    for (int at = 64; at < 192; ++at) ASSERT_EQ(arena[at], 0xFF) << at;  // both temporaries
  }
}

Graph Classifier() {
  GraphBuilder b("classifier");
  Var x = b.Input("x", DType::kF32, {"N", 20}), labels = b.Input("labels", DType::kS32, {"N"});
  Var h = b.Relu(b.FullyConnected(x, {.units = 30, .name = "fc1"}));
  Var loss = b.SoftmaxCrossEntropy(b.FullyConnected(h, {.units = 5, .name = "fc2"}), labels, "xent");
  b.Entry("train", {.training = true, .inputs = {x, labels}, .loss = loss});
  auto graph = b.Build();
  ATH_CHECK_OK(graph.status());
  ATH_CHECK_OK(InitializeVariables(&*graph, 1));
  return *std::move(graph);
}

std::vector<std::byte> BytesOf(const Weights& weights) { return {weights.data(), weights.data() + weights.bytes()}; }

TEST(SessionTest, ALabelOutOfRangeLeavesTheWeightsBitForBit) {
  CompileOptions options;
  options.entries = {{"train", {{"N", 8}}}};
  options.threads = 2;
  options.optimizer = OptimizerSpec{"SGD", {{"momentum", 0.9}}};
  auto plan = Compile(Classifier(), options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  auto session = Made(Shared(*std::move(plan)));
  Philox rng(1, 1);
  for (int i = 0; i < 160; ++i) Floats(session->Input(0, "x"))[i] = rng.Uniform(i) - 0.5f;
  auto labels = session->Input(0, "labels")->as<int32_t>();
  for (int i = 0; i < 8; ++i) labels[i] = i % 5;
  Floats(session->Input(0, "lr"))[0] = 0.1f;
  ASSERT_EQ(session->Run(0), absl::OkStatus());
  const std::vector<std::byte> before = BytesOf(session->weights());
  for (int32_t bad : {5, -1, 1 << 30}) {
    labels[3] = bad;
    const std::string message(session->Run(0).message());
    EXPECT_THAT(message, StartsWith("INDEX: entry \"train\", call "));
    EXPECT_THAT(message, HasSubstr("\"xent\" (softmax_cross_entropy)"));
    EXPECT_THAT(message, HasSubstr(absl::StrCat("labels[3] = ", bad, " is not in [0, 5)")));
    EXPECT_TRUE(BytesOf(session->weights()) == before);
  }
  labels[3] = 3;
  ASSERT_EQ(session->Run(0), absl::OkStatus());
  EXPECT_FALSE(BytesOf(session->weights()) == before);
}

TEST(SessionTest, AllVariablesAreUpdatedAtOnce) {
  auto model = ParseGraph(R"(graph "swap" {
    %a : state f32[2] = zeros = [1,2]
    %b : state f32[2] = zeros = [3,4]
    %c : state f32[2] = zeros = [5,6]
    %sum = Add(%a, %b) @"sum" : f32[2]
    entry "turn" () -> (sum=%sum, old=%c) update (%a <- %b, %b <- %c, %c <- %a)
  })");
  ASSERT_TRUE(model.ok()) << model.status();
  CompileOptions options;
  options.entries = {{"turn", {}}};
  auto plan = Compile(*model, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  auto session = Made(Shared(*std::move(plan)), {.poison = true});
  ASSERT_EQ(session->Run(0), absl::OkStatus());
  EXPECT_THAT(Floats(session->Output(0, "sum")), ElementsAre(4, 6));
  EXPECT_THAT(Floats(session->Output(0, "old")), ElementsAre(5, 6));
  EXPECT_THAT(session->weights().Get("a")->as<float>(), ElementsAre(3, 4));
  EXPECT_THAT(session->weights().Get("b")->as<float>(), ElementsAre(5, 6));
  EXPECT_THAT(session->weights().Get("c")->as<float>(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace athanor
