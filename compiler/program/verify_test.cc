#include "compiler/program/verify.h"

#include "absl/strings/str_replace.h"
#include "compiler/program/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<KernelInfo> NoQuery(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never asked"); }
absl::StatusOr<std::unique_ptr<Kernel>> NoCreate(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never made"); }
ATH_REGISTER_KERNEL((KernelDef{"matmul", NoQuery, NoCreate, {}}));
ATH_REGISTER_KERNEL((KernelDef{"sgd", NoQuery, NoCreate, {{0, 0}}}));

constexpr ProgramRules kDecided{.known_kernels = true, .decided_layouts = true};

// A step: y = x w, whose flat form is given to the caller too, then w is updated with the gradient g.
constexpr char kStep[] = R"(program "train"
variable w: parameter f32[4,4]:ab bytes=64
variable c: constant f32[4,4]:ab bytes=64
buffer x: input f32[8,4]:ab bytes=128
buffer w: variable f32[4,4]:ab bytes=64 of=@w
buffer w.next: variable f32[4,4]:ab bytes=64 of=@w
buffer c: variable f32[4,4]:ab bytes=64 of=@c
buffer y: output f32[8,4]:ab bytes=128
buffer flat: output f32[32]:a bytes=128 alias_of=%y
buffer g: temporary f32[4,4]:ab bytes=64
call (%y) = matmul(%x, %w) name="fc"
call (%g) = matmul(%flat, %c) name="fc/grad"
call (%w.next) = sgd(%w, %g) name="fc/update"
input x = %x
output y = %y
output flat = %flat
)";

// "" for a good program, else the message.
std::string Verdict(const std::string& text, const ProgramRules& rules = kDecided) {
  auto p = ParseProgram(text);
  if (!p.ok()) return std::string(p.status().message());
  absl::Status status = VerifyProgram(p->entry, p->variables, rules);
  EXPECT_EQ(ErrorClassOf(status), status.ok() ? "" : "PLAN");
  return std::string(status.message());
}

// The step with a part of its text changed.
std::string Changed(const std::string& from, const std::string& to) {
  std::string text = absl::StrReplaceAll(kStep, {{from, to}});
  EXPECT_NE(text, kStep) << from;
  return text;
}

TEST(VerifyProgramTest, AGoodStepPassesBeforeAndAfterLayouts) {
  EXPECT_EQ(Verdict(kStep), "");
  std::string undecided = absl::StrReplaceAll(kStep, {{":ab", ":any"}, {" bytes=128", ""}, {" bytes=64", ""}});
  EXPECT_EQ(Verdict(undecided, {}), "");
  EXPECT_THAT(Verdict(undecided), HasSubstr("entry \"train\": buffer 0 \"x\" has no layout"));
}

TEST(VerifyProgramTest, KernelsAreKnownWhereTheRulesSaySo) {
  std::string text = Changed("= sgd(", "= adam(");
  EXPECT_EQ(Verdict(text), "PLAN: entry \"train\": call 2 \"fc/update\" (adam): there is no such kernel");
  EXPECT_EQ(Verdict(text, {.known_kernels = false}), "");
}

TEST(VerifyProgramTest, IndicesNameWhatThereIs) {
  EXPECT_THAT(Verdict(Changed("matmul(%x, %w)", "matmul(%x, %7)")), HasSubstr("reads buffer 7, which there is not"));
  EXPECT_THAT(Verdict(Changed("(%g) =", "(%-1) =")), HasSubstr("writes buffer -1, which there is not"));
  EXPECT_THAT(Verdict(Changed("of=@c", "of=@2")), HasSubstr("names variable 2, which there is not"));
  EXPECT_THAT(Verdict(Changed("of=@c", "")), HasSubstr("names variable -1, which there is not"));
  EXPECT_THAT(Verdict(Changed("alias_of=%y", "alias_of=%9")), HasSubstr("views buffer 9, which there is not"));
  EXPECT_THAT(Verdict(Changed("alias_of=%y", "alias_of=%flat")), HasSubstr("views itself"));
  EXPECT_THAT(Verdict(Changed("input x = %x", "input x = %8")),
              HasSubstr("input \"x\" is buffer 8, which there is not"));
  EXPECT_THAT(Verdict(Changed("alias_of=%y", "alias_of=%y layout_like=%70")), HasSubstr("layout of buffer 70"));
  EXPECT_THAT(Verdict(Changed("name=\"fc\"", "post_ops=[Add(2)]")), HasSubstr("post-op Add reads input 2 of 2"));
  EXPECT_THAT(Verdict(Changed("name=\"fc\"", "threads=0")), HasSubstr("0 threads"));
  EXPECT_THAT(Verdict(Changed("name=\"fc\"", "scratch=-1")), HasSubstr("-1 bytes of scratch"));
}

TEST(VerifyProgramTest, ViewsAreTheSameElements) {
  EXPECT_THAT(Verdict(Changed("f32[32]:a", "f32[31]:a")), HasSubstr("cannot be a view of buffer 4 \"y\""));
  EXPECT_THAT(Verdict(Changed("f32[32]:a", "s32[32]:a")), HasSubstr("cannot be a view"));
  EXPECT_THAT(Verdict(Changed("y: output f32[8,4]:ab", "y: output f32[8,4]:ba")), HasSubstr("cannot be a view"));
  EXPECT_THAT(Verdict(Changed("bytes=128 alias_of", "bytes=192 alias_of")), HasSubstr("cannot be a view"));
  EXPECT_THAT(Verdict(Changed("flat: output", "flat: input")), HasSubstr("neither a temporary nor an output"));
}

TEST(VerifyProgramTest, BuffersOfVariablesAgreeWithThem) {
  EXPECT_THAT(Verdict(Changed("buffer c: variable f32[4,4]:ab", "buffer c: variable f32[4,4]:ba")),
              HasSubstr("its variable \"c\" is f32[4,4]:ab"));
  EXPECT_THAT(Verdict(Changed("g: temporary f32[4,4]:ab bytes=64", "g: temporary f32[4,4]:ab bytes=64 of=@c")),
              HasSubstr("names a variable and is not of that kind"));
}

TEST(VerifyProgramTest, BytesHoldTheElements) {
  EXPECT_THAT(Verdict(Changed("g: temporary f32[4,4]:ab bytes=64", "g: temporary f32[4,5]:ab bytes=64")),
              HasSubstr("has 64 bytes: f32[4,5]:ab needs at least 80, in a multiple of 64"));
  EXPECT_THAT(Verdict(Changed("x: input f32[8,4]:ab bytes=128", "x: input f32[8,4]:ab bytes=130")),
              HasSubstr("130 bytes"));
}

TEST(VerifyProgramTest, WhatIsReadWasWritten) {
  EXPECT_THAT(Verdict(Changed("matmul(%x, %w)", "matmul(%g, %w)")),
              HasSubstr("reads buffer 6 \"g\" before it is written"));
  EXPECT_THAT(Verdict(Changed("call (%y) = matmul(%x, %w) name=\"fc\"\ncall (%g) = matmul(%flat, %c)",
                              "call (%g) = matmul(%x, %c)")),
              HasSubstr("output \"y\" is buffer 4 \"y\", which no call writes"));
}

TEST(VerifyProgramTest, InputsAndConstantsAreNotWrittenAndTheRestOnlyOnce) {
  EXPECT_THAT(Verdict(Changed("call (%g) =", "call (%x) =")),
              HasSubstr("writes buffer 0 \"x\", an input of the entry"));
  EXPECT_THAT(Verdict(Changed("call (%g) =", "call (%c) =")), HasSubstr("writes the constant \"c\""));
  EXPECT_THAT(Verdict(Changed("call (%g) =", "call (%flat) =")),
              HasSubstr("writes buffer 5 \"flat\", which was written before"));
  EXPECT_THAT(Verdict(Changed("call (%g) =", "call (%g, %g) =")), HasSubstr("outputs 0 and 1 are the same memory"));
  EXPECT_THAT(Verdict(Changed("call (%g) =", "call (%w, %w.next, %g) =")),
              HasSubstr("outputs 0 and 1 are the same memory"));
  EXPECT_EQ(Verdict(Changed("call (%g) = matmul(%flat, %c)", "call (%g) = matmul(%x)\ncall (%g) = sgd(%g, %c)")), "");
  EXPECT_THAT(Verdict(Changed("call (%g) = matmul(%flat, %c)", "call (%g) = matmul(%x)\ncall (%g) = sgd(%c, %g)")),
              HasSubstr("which was written before"));
}

TEST(VerifyProgramTest, InputsAndOutputsAreWhatTheirKindsSay) {
  EXPECT_THAT(Verdict(Changed("input x = %x\n", "")), HasSubstr("is of kind input, and no input of the entry"));
  EXPECT_THAT(Verdict(Changed("input x = %x\n", "input x = %x\ninput z = %x\n")), HasSubstr("as another input is"));
  EXPECT_THAT(Verdict(Changed("input x = %x\n", "input x = %x\ninput x = %x\n")),
              HasSubstr("two inputs are called \"x\""));
  EXPECT_THAT(Verdict(Changed("input x = %x\n", "input x = %g\n")), HasSubstr("which is not of kind input"));
  EXPECT_THAT(Verdict(Changed("output y = %y\n", "")), HasSubstr("is of kind output, and no output of the entry"));
  EXPECT_THAT(Verdict(Changed("output flat = %flat\n", "output y = %flat\n")),
              HasSubstr("two outputs are called \"y\""));
  EXPECT_THAT(Verdict(Changed("output y = %y\n", "output y = %y\noutput g = %g\n")), HasSubstr("which is a temporary"));
  EXPECT_EQ(Verdict(Changed("output y = %y\n", "output y = %y\noutput same = %y\noutput w = %w\noutput x = %x\n")), "");
}

}  // namespace
}  // namespace athanor
