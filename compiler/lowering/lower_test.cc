#include "compiler/lowering/lower.h"

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "compiler/graph/verify.h"
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/program/text.h"
#include "compiler/program/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Operators that lower to one call of a kernel of their own name, without "T.".
OpDef TestOp(const std::string& name, std::vector<std::pair<int, int>> in_place = {}, bool post_ops = false) {
  OpDef def;
  def.name = "T." + name;
  def.infer = [](InferContext&) { return absl::OkStatus(); };
  def.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  def.lower = [name, post_ops](LowerContext& c) {
    std::vector<BufferId> inputs, outputs;
    for (int i = 0; i < c.num_inputs(); ++i) inputs.push_back(c.Input(i));
    for (int i = 0; i < c.num_outputs(); ++i) outputs.push_back(c.Output(i));
    c.Emit(name, inputs, outputs, c.attrs(), post_ops);
    return absl::OkStatus();
  };
  def.traits.in_place = std::move(in_place);
  return def;
}

OpDef ViewOp() {
  OpDef def = TestOp("View");
  def.lower = [](LowerContext& c) {
    c.View(c.Input(0), c.Output());
    return absl::OkStatus();
  };
  return def;
}

OpDef WithoutLowering() {
  OpDef def = TestOp("Phantom");
  def.lower = nullptr;
  return def;
}

// (a, b or absent) -> e^(a - b), a + a b
OpDef FormulaOp() {
  OpDef def = TestOp("Formula");
  def.lower = nullptr;
  def.elementwise = [](const Node&, absl::Span<const Elem> x) -> std::vector<Elem> {
    return {Exp(x[0] - x[1]), x[0] + x[0] * x[1]};
  };
  return def;
}

// A chain of as many operations as its attribute "length" says.
OpDef ChainOp() {
  OpDef def = TestOp("Chain");
  def.lower = nullptr;
  def.elementwise = [](const Node& node, absl::Span<const Elem> x) -> std::vector<Elem> {
    Elem y = x[0];
    for (int64_t i = 0; i < node.attrs.Int("length"); ++i) y = Exp(y);
    return {y};
  };
  return def;
}

ATH_REGISTER_OP(FormulaOp());
ATH_REGISTER_OP(ChainOp());
ATH_REGISTER_OP(TestOp("Copy"));
ATH_REGISTER_OP(TestOp("Fused", {}, /*post_ops=*/true));
ATH_REGISTER_OP(TestOp("Step", {{0, 0}}));          // (w, gradient) -> w, in place
ATH_REGISTER_OP(TestOp("Pair", {{0, 0}, {1, 1}}));  // (a, b) -> (a, b), in place
ATH_REGISTER_OP(ViewOp());
ATH_REGISTER_OP(WithoutLowering());

Graph GraphOf(absl::string_view lines) {
  auto graph = ParseGraph(absl::StrCat("graph \"g\" {\n", lines, "\n}\n"));
  EXPECT_TRUE(graph.ok()) << graph.status() << "\n" << lines;
  if (!graph.ok()) return Graph();
  EXPECT_EQ(VerifyGraph(*graph), absl::OkStatus());
  return *std::move(graph);
}

// A plan in the making: entries lowered one after another over the same variables.
struct Lowered {
  std::vector<Variable> variables;
  Entry entry;

  absl::Status Add(absl::string_view lines, const std::string& name = "e") {
    auto lowered = Lower(GraphOf(lines), name, {}, &variables);
    if (!lowered.ok()) return lowered.status();
    entry = *std::move(lowered);
    EXPECT_EQ(VerifyProgram(entry, variables, {.known_kernels = false}), absl::OkStatus()) << Text();
    return absl::OkStatus();
  }
  std::string Text() const { return ToText(entry, variables); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Variable& v : variables) names.push_back(v.name);
    return names;
  }
};

std::string TextOf(absl::string_view lines) {
  Lowered lowered;
  EXPECT_EQ(lowered.Add(lines), absl::OkStatus());
  return lowered.Text();
}

std::string ErrorOf(absl::string_view lines) {
  Lowered lowered;
  absl::Status status = lowered.Add(lines);
  EXPECT_FALSE(status.ok()) << lowered.Text();
  return std::string(status.message());
}

// Only the calls: what most tests here are about.
std::string CallsOf(absl::string_view lines) {
  std::string calls;
  const std::string text = TextOf(lines);
  for (absl::string_view rest = text; !rest.empty();) {
    size_t end = rest.find('\n');
    if (absl::string_view line = rest.substr(0, end); line.substr(0, 5) == "call ") absl::StrAppend(&calls, line, "\n");
    rest.remove_prefix(end + 1);
  }
  return calls;
}

TEST(LowerTest, EachNodeBecomesCallsOverBuffers) {
  EXPECT_EQ(TextOf(R"(
    %x : input f32[2,3]
    %w : parameter f32[3] = zeros
    %half : constant f32[] = [0.5]
    %h = T.Copy(%x, %w, _, %half) {k=2} @"first" : f32[2,3]
    %y, _, %z = T.Copy(%h) @"second" : f32[3,2], _, s32[4]
    entry "infer" (in=%x) -> (y=%y))"),
            R"(program "e"
variable w: parameter f32[3]:any
variable half: constant f32[]:a
buffer in: input f32[2,3]:ab
buffer w: variable f32[3]:any of=@w
buffer half: variable f32[]:a of=@half
buffer h: temporary f32[2,3]:any
buffer y: output f32[3,2]:ab
buffer z: temporary s32[4]:any
call (%h) = Copy(%in, %w, %half) name="first" attrs={k=2}
call (%y, %z) = Copy(%h) name="second"
input in = %in
output y = %y
)");
}

TEST(LowerTest, ElementwiseOperatorsBecomePrograms) {
  EXPECT_EQ(CallsOf(R"(
    %x : input f32[2,3]
    %w : parameter f32[3] = zeros
    %a, %b = T.Formula(%x, %w) @"both" : f32[2,3], f32[2,3]
    %c = T.Formula(%a, _) @"one input" : f32[2,3]
    _, %d = T.Formula(%b, %b) @"one value" : _, f32[2,3]
    entry "e" (x=%x) -> (c=%c, d=%d))"),
            R"(call (%a, %b) = elementwise(%x, %w) name="both" attrs={program="sub x0 x1; exp t0; mul_add x0 x1 x0 -> t1, t2"}
call (%c) = elementwise(%a) name="one input" attrs={program="exp x0 -> t0"}
call (%d) = elementwise(%b) name="one value" attrs={program="mul_add x0 x0 x0 -> t0"}
)");
}

TEST(LowerTest, AFormulaThatIsTooLongIsRefused) {
  const std::string error = ErrorOf(R"(
    %x : input f32[2,3]
    %a = T.Chain(%x) {length=97} @"long" : f32[2,3]
    entry "e" (x=%x) -> (a=%a))");
  EXPECT_THAT(error, HasSubstr("LIMIT"));
  EXPECT_THAT(error, HasSubstr("node \"long\" (T.Chain)"));
  EXPECT_THAT(error, HasSubstr("97 instructions, the limit is 96"));
}

TEST(LowerTest, TheSizesAreThoseAskedFor) {
  std::vector<Variable> variables;
  auto entry = Lower(GraphOf("%x : input f32[8] entry \"infer\" (x=%x) -> ()"), "infer@N=8", {{"N", 8}}, &variables);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->name, "infer@N=8");
  EXPECT_EQ(entry->symbols, (std::map<std::string, int64_t>{{"N", 8}}));
}

constexpr char kVariables[] = R"(
    %x : input f32[4]
    %w : parameter f32[4] = zeros
    %v : state f32[4] = zeros
)";

std::string WithVariables(absl::string_view lines) { return absl::StrCat(kVariables, lines); }

TEST(LowerTest, AnUpdateIsDoneInPlaceWhereItsOperatorMay) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %y = T.Copy(%w, %v) @"reads" : f32[4]
    %w.1, %v.1 = T.Pair(%w, %v) @"updates" : f32[4], f32[4]
    %z = T.Copy(%w.1) @"reads the new" : f32[4]
    entry "e" (x=%x) -> (z=%z) update (%w <- %w.1, %v <- %v.1))")),
            R"(call (%y) = Copy(%w, %v) name="reads"
call (%w, %v) = Pair(%w, %v) name="updates"
call (%z) = Copy(%w) name="reads the new"
)");
}

TEST(LowerTest, ALaterReaderOfTheOldContentForcesACopyAtTheEnd) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %x) @"update" : f32[4]
    %y = T.Copy(%w) @"late reader" : f32[4]
    entry "e" (x=%x) -> (y=%y) update (%w <- %w.1))")),
            R"(call (%w.1) = Step(%w, %x) name="update"
call (%y) = Copy(%w) name="late reader"
call (%w) = reorder(%w.1) name="w/update"
)");
}

// The kernel may write over its operand 0 while it still reads operand 1, which is the same memory.
TEST(LowerTest, AnOperatorThatReadsTheVariableTwiceDoesNotUpdateItInPlace) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %w) @"update" : f32[4]
    entry "e" (x=%x) -> () update (%w <- %w.1))")),
            R"(call (%w.1) = Step(%w, %w) name="update"
call (%w) = reorder(%w.1) name="w/update"
)");
}

TEST(LowerTest, WhatMayNotWorkInPlaceIsCopied) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Copy(%w) @"no in-place operator" : f32[4]
    %a, %v.1 = T.Pair(%v, %x) @"the wrong output" : f32[4], f32[4]
    entry "e" (x=%x) -> () update (%w <- %w.1, %v <- %v.1))")),
            R"(call (%w.1) = Copy(%w) name="no in-place operator"
call (%a, %v.1) = Pair(%v, %x) name="the wrong output"
call (%w) = reorder(%w.1) name="w/update"
call (%v) = reorder(%v.1) name="v/update"
)");
}

TEST(LowerTest, AnOutputThatIsAVariableShowsWhatItWasBeforeTheRun) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %x) @"update" : f32[4]
    entry "e" (x=%x) -> (old=%w, new=%w.1) update (%w <- %w.1))")),
            R"(call (%w.1) = Step(%w, %x) name="update"
call (%old) = reorder(%w) name="old/copy"
call (%w) = reorder(%w.1) name="w/update"
)");
}

TEST(LowerTest, AnOutputThatIsTheNewContentIsACopyOfTheVariable) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %x) @"update" : f32[4]
    entry "e" (x=%x) -> (new=%w.1) update (%w <- %w.1))")),
            R"(call (%w) = Step(%w, %x) name="update"
call (%new) = reorder(%w) name="new/copy"
)");
}

TEST(LowerTest, OneValueMayUpdateTwoVariables) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %x) @"update" : f32[4]
    entry "e" (x=%x) -> () update (%w <- %w.1, %v <- %w.1))")),
            R"(call (%w) = Step(%w, %x) name="update"
call (%v) = reorder(%w) name="v/update"
)");
}

TEST(LowerTest, VariablesTakeInputsAndThemselves) {
  EXPECT_EQ(CallsOf(WithVariables(R"(entry "e" (x=%x) -> () update (%w <- %x, %v <- %v))")),
            R"(call (%w) = reorder(%x) name="w/update"
)");
}

TEST(LowerTest, TwoVariablesMayChangePlaces) {
  EXPECT_EQ(CallsOf(WithVariables(R"(entry "e" (x=%x) -> () update (%w <- %v, %v <- %w))")),
            R"(call (%v/old) = reorder(%v) name="v/old"
call (%w/old) = reorder(%w) name="w/old"
call (%w) = reorder(%v/old) name="w/update"
call (%v) = reorder(%w/old) name="v/update"
)");
}

// w's update could be in place, but v wants w as it was.
TEST(LowerTest, AVariableThatBecomesAnothersNewContentKeepsItsOldUntilThen) {
  EXPECT_EQ(CallsOf(WithVariables(R"(
    %w.1 = T.Step(%w, %x) @"update" : f32[4]
    entry "e" (x=%x) -> () update (%w <- %w.1, %v <- %w))")),
            R"(call (%w.1) = Step(%w, %x) name="update"
call (%w/old) = reorder(%w) name="w/old"
call (%w) = reorder(%w.1) name="w/update"
call (%v) = reorder(%w/old) name="v/update"
)");
}

TEST(LowerTest, OutputsThatAreInputsConstantsOrNamedTwiceAreCopies) {
  EXPECT_EQ(TextOf(R"(
    %x : input f32[2,3]
    %c : constant s32[2] = [1,2]
    %y = T.Copy(%x) @"n" : f32[2,3]
    entry "e" (x=%x) -> (same=%x, c=%c, y=%y, again=%y))"),
            R"(program "e"
variable c: constant s32[2]:a
buffer x: input f32[2,3]:ab
buffer c: variable s32[2]:a of=@c
buffer y: output f32[2,3]:ab
buffer same: output f32[2,3]:ab
buffer c: output s32[2]:a
buffer again: output f32[2,3]:ab
call (%y) = Copy(%x) name="n"
call (%same) = reorder(%x) name="same/copy"
call (%4) = reorder(%1) name="c/copy"
call (%again) = reorder(%y) name="again/copy"
input x = %x
output same = %same
output c = %4
output y = %y
output again = %again
)");
}

TEST(LowerTest, VariablesAreSharedByTheEntries) {
  Lowered plan;
  ASSERT_EQ(plan.Add(WithVariables("%y = T.Copy(%x, %w) @\"n\" : f32[4] entry \"e\" (x=%x) -> (y=%y)"), "train"),
            absl::OkStatus());
  plan.variables[0].desc.layout = "a";  // as propagate_layouts leaves it
  ASSERT_EQ(plan.Add("%w : parameter f32[4] = zeros %k : state f32[2] = zeros entry \"e\" () -> (w=%w, k=%k)", "infer"),
            absl::OkStatus());
  EXPECT_THAT(plan.Names(), ElementsAre("w", "v", "k"));
  EXPECT_EQ(plan.entry.buffers[0].variable, 0);
  EXPECT_EQ(plan.entry.buffers[0].desc.layout, "a");
  EXPECT_EQ(plan.entry.buffers[1].variable, 2);
}

TEST(LowerTest, AVariableHasOneTypeInAllEntries) {
  for (const char* other : {"%w : parameter f32[2,2] = zeros", "%w : parameter s32[4] = zeros",
                            "%w : parameter f32[5] = zeros", "%w : state f32[4] = zeros"}) {
    Lowered plan;
    ASSERT_EQ(plan.Add(WithVariables("entry \"e\" (x=%x) -> ()"), "train"), absl::OkStatus());
    absl::Status status = plan.Add(absl::StrCat(other, " entry \"e\" () -> ()"), "infer");
    EXPECT_EQ(ErrorClassOf(status), "SHAPE") << other;
    EXPECT_THAT(std::string(status.message()), HasSubstr("variable \"w\" is a parameter of f32[4]")) << other;
    EXPECT_THAT(std::string(status.message()), HasSubstr("in entry \"infer\"")) << other;
  }
}

std::string ConstantEntry(absl::string_view type_and_data) {
  return absl::StrCat("%c : constant ", type_and_data, " entry \"e\" () -> (y=%c)");
}

TEST(LowerTest, ConstantsOfOneNameAreSharedOnlyWithEqualContent) {
  Lowered plan;
  auto variable_of = [&](absl::string_view data, const char* entry) {
    EXPECT_EQ(plan.Add(ConstantEntry(data), entry), absl::OkStatus());
    return plan.variables[plan.entry.buffers[0].variable].name;
  };
  EXPECT_EQ(variable_of("f32[2] = [1,2]", "a"), "c");
  EXPECT_EQ(variable_of("f32[2] = [1,2]", "b"), "c");
  EXPECT_EQ(variable_of("f32[2] = [1,3]", "d"), "c@d");
  EXPECT_EQ(variable_of("f32[1,2] = [1,2]", "e"), "c@e");
  EXPECT_EQ(variable_of("s32[2] = [1,2]", "f"), "c@f");
  EXPECT_EQ(variable_of("f32[2] = [nan,-0.0]", "g"), "c@g");
  EXPECT_EQ(plan.variables.size(), 5u);
}

TEST(LowerTest, ANameMadeUpForAConstantMayBeTakenToo) {
  Lowered plan;
  ASSERT_EQ(plan.Add("%c : constant f32[1] = [1] %\"c@b\" : constant f32[1] = [2] entry \"e\" () -> ()", "a"),
            absl::OkStatus());
  ASSERT_EQ(plan.Add(ConstantEntry("f32[1] = [3]"), "b"), absl::OkStatus());
  EXPECT_THAT(plan.Names(), ElementsAre("c", "c@b", "c@b.1"));
  EXPECT_EQ(plan.entry.buffers[0].variable, 2);
}

// Checkpoints find parameters by their names; those of constants nobody asks for.
TEST(LowerTest, AParameterKeepsItsNameWhereAConstantHasIt) {
  const std::string constant = ConstantEntry("f32[1] = [3]");
  const std::string parameter = "%c : parameter f32[1] = zeros entry \"e\" () -> (y=%c)";
  Lowered plan;
  ASSERT_EQ(plan.Add(constant, "infer"), absl::OkStatus());
  ASSERT_EQ(plan.Add(parameter, "train"), absl::OkStatus());
  EXPECT_THAT(plan.Names(), ElementsAre("c@constant", "c"));
  EXPECT_EQ(plan.entry.buffers[0].variable, 1);
  Lowered other_way;
  ASSERT_EQ(other_way.Add(parameter, "train"), absl::OkStatus());
  ASSERT_EQ(other_way.Add(constant, "infer"), absl::OkStatus());
  EXPECT_THAT(other_way.Names(), ElementsAre("c", "c@infer"));
}

TEST(LowerTest, ViewsAreReshapesForTheNextStageToDecide) {
  EXPECT_EQ(CallsOf(R"(
    %x : input f32[2,3]
    %y = T.View(%x) @"flat" : f32[6]
    entry "e" (x=%x) -> (y=%y))"),
            "call (%y) = reshape(%x) name=\"flat\"\n");
}

TEST(LowerTest, OperandsOfPostOpsFollowTheKernelsOwnInputs) {
  EXPECT_EQ(CallsOf(R"(
    %x : input f32[2]
    %r : input f32[2]
    %y = T.Fused(%x, _) post_ops [T.Copy(%r)] @"n" : f32[2]
    entry "e" (x=%x, r=%r) -> (y=%y))"),
            "call (%y) = Fused(%x, %r) name=\"n\" post_ops=[T.Copy(1)]\n");
}

TEST(LowerTest, WhatCannotBeLoweredIsNamed) {
  EXPECT_EQ(ErrorOf("%x : input f32[2] %y = T.Phantom(%x) @\"ghost\" : f32[2] entry \"e\" (x=%x) -> (y=%y)"),
            "GRAPH: node \"ghost\" (T.Phantom): the operator has no lowering in this phase");
  EXPECT_THAT(ErrorOf("%x : input f32[2] %y = T.None(%x) @\"n\" : f32[2] entry \"e\" (x=%x) -> (y=%y)"),
              HasSubstr("VERSION: node \"n\" (T.None): this build has no operator \"T.None\""));
  EXPECT_EQ(ErrorOf("%x : input f32[2] %y = T.Copy(%x) post_ops [ReLU] @\"n\" : f32[2] entry \"e\" (x=%x) -> (y=%y)"),
            "GRAPH: node \"n\" (T.Copy): its lowering takes no post-ops, it has 1");
  EXPECT_EQ(ErrorOf("%x : input f32[2] %y = T.Copy(%x) @\"n\" : f32[2] entry \"e\" () -> (y=%y)"),
            "GRAPH: input \"x\" is not among the inputs of entry \"e\"");
}

}  // namespace
}  // namespace athanor
