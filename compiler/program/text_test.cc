#include "compiler/program/text.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

Program Parsed(absl::string_view text) {
  auto program = ParseProgram(text);
  EXPECT_EQ(program.status(), absl::OkStatus());
  return program.ok() ? *std::move(program) : Program{};
}

std::string RoundTrip(absl::string_view text) {
  Program p = Parsed(text);
  return ToText(p.entry, p.variables);
}

constexpr char kEverything[] = R"(program "infer@N=8" symbols={N=8, T=3} arena=4096 reorders=2
variable fc.w: parameter f32[10,84]:Ab16a bytes=5376 offset=0
variable fc.b: constant f32[10]:a bytes=64 offset=5376
variable step: state s64[]:a
buffer x: input f32[8,84]:ab bytes=2688 offset=0
buffer fc.w: variable f32[10,84]:Ab16a bytes=5376 of=@fc.w
buffer y/pre: temporary f32[8,10]:any alias_of=%z layout_like=%fc.w
buffer z: output f32[80]:a bytes=320 offset=2688
call (%y/pre) = matmul(%x, %fc.w) name="fc" attrs={a=true, b=[1,-2], c=[0.5,1.0], d="t", e=["u","v"], f=ints[], g=1e-05} post_ops=[ReLU{alpha=0.0}, Add(1), Mul(2){k=1}] threads=4 scratch=100@3008 impl="jit:avx2" flops=13440.0 bytes=6368.5
call () = print(%z) scratch=64
input x = %x
output logits = %z
output again = %z
)";

TEST(ProgramTextTest, EveryFieldGoesRound) { EXPECT_EQ(RoundTrip(kEverything), kEverything); }

TEST(ProgramTextTest, TheStructHoldsWhatTheTextSays) {
  Program p = Parsed(kEverything);
  EXPECT_EQ(p.entry.name, "infer@N=8");
  EXPECT_EQ(p.entry.symbols, (std::map<std::string, int64_t>{{"N", 8}, {"T", 3}}));
  EXPECT_EQ(p.entry.arena_bytes, 4096);
  EXPECT_EQ(p.entry.reorders, 2);
  ASSERT_EQ(p.variables.size(), 3u);
  EXPECT_EQ(p.variables[1].kind, VariableKind::kConstant);
  EXPECT_EQ(p.variables[1].offset, 5376);
  EXPECT_EQ(p.variables[2].desc, MemoryDesc::Plain(DType::kS64, {}));
  EXPECT_EQ(p.variables[2].offset, kUnplaced);
  ASSERT_EQ(p.entry.buffers.size(), 4u);
  EXPECT_EQ(p.entry.buffers[1].variable, 0);
  EXPECT_EQ(p.entry.buffers[2].alias_of, 3);
  EXPECT_EQ(p.entry.buffers[2].layout_like, 1);
  EXPECT_TRUE(p.entry.buffers[2].desc.any());
  ASSERT_EQ(p.entry.calls.size(), 2u);
  const KernelCall& c = p.entry.calls[0];
  EXPECT_EQ(c.inputs, (std::vector<BufferId>{0, 1}));
  EXPECT_EQ(c.outputs, std::vector<BufferId>{2});
  EXPECT_EQ(c.attrs.GetInts("b"), (Ints{1, -2}));
  EXPECT_EQ(c.post_ops[1], (PostOp{"Add", {}, 1}));
  EXPECT_EQ(c.scratch_bytes, 100);
  EXPECT_EQ(c.scratch_offset, 3008);
  EXPECT_EQ(c.bytes, 6368.5);
  EXPECT_EQ(p.entry.outputs[1].name, "again");
  EXPECT_EQ(p.entry.outputs[1].buffer, 3);
}

TEST(ProgramTextTest, NamesThatCannotBeReferredToAreNumbered) {
  std::string text = R"(program ""
variable "a b": state f32[]:a
variable twice: state f32[]:a
variable twice: state f32[]:a
buffer "\xc3\xa9 \"q\"\n": input f32[]:a
buffer twice: temporary f32[]:a
buffer twice: variable f32[]:a of=@2
buffer "": variable f32[]:a of=@"a b"
buffer "7": output f32[]:a alias_of=%1
call (%1, %2) = "odd kernel"(%"\xc3\xa9 \"q\"\n", %3) name="n\tn"
input "in put" = %"\xc3\xa9 \"q\"\n"
output "7" = %"7"
)";
  EXPECT_EQ(RoundTrip(text), text);
  EXPECT_EQ(Parsed(text).entry.buffers[0].name, "\xc3\xa9 \"q\"\n");
}

TEST(ProgramTextTest, ExtremeAndImpossibleNumbersGoRound) {
  Program p;
  p.variables.push_back(Variable{"v", VariableKind::kState, MemoryDesc::Plain(DType::kU8, {0}),
                                 std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(), nullptr});
  Buffer b{"b", BufferKind::kVariable, MemoryDesc::Plain(DType::kBF16, {1, 2, 3}), -2, -1, 77, 99, -5};
  p.entry.buffers = {b, b};
  KernelCall c;
  c.kernel = "k";
  c.inputs = {5, -1};
  c.threads = -3;
  c.scratch_offset = 0;
  c.flops = 1.0 / 3;
  p.entry.calls = {c};
  p.entry.outputs = {{"y", -9}};
  std::string text = ToText(p.entry, p.variables);
  EXPECT_EQ(RoundTrip(text), text);
  Program back = Parsed(text);
  EXPECT_EQ(back.variables[0].offset, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(back.variables[0].bytes, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(back.entry.buffers[1].variable, 77);
  EXPECT_EQ(back.entry.buffers[1].layout_like, -5);
  EXPECT_EQ(back.entry.calls[0].inputs, (std::vector<BufferId>{5, -1}));
  EXPECT_EQ(back.entry.calls[0].flops, 1.0 / 3);
}

TEST(ProgramTextTest, SpacesLineEndsAndCommentsMeanNothing) {
  EXPECT_EQ(RoundTrip("; a program\n program\"p\"buffer x:temporary f32[ 2 , 3 ] : ab;c\nbytes\n=\n64"),
            "program \"p\"\nbuffer x: temporary f32[2,3]:ab bytes=64\n");
}

TEST(ProgramTextTest, MistakesAreNamedWithTheirPlace) {
  auto error = [](absl::string_view text) { return std::string(ParseProgram(text).status().message()); };
  EXPECT_EQ(error(""), "FORMAT: program text:1:1: a program begins with \"program\"");
  EXPECT_THAT(error("program \"p\"\nbuffer x: temporary f32[2]:a bytes=1.5"),
              HasSubstr("text:2:36: expected a number"));
  EXPECT_THAT(error("program \"p\"\nbuffer x: temporary f31[2]:a"),
              HasSubstr("text:2:21: expected a memory descriptor"));
  EXPECT_THAT(error("program \"p\"\nbuffer x: temporary f32[2:a"), HasSubstr("expected \",\" or \"]\""));
  EXPECT_THAT(error("program \"p\"\nbuffer x: temporal f32[2]:a"),
              HasSubstr("expected one of temporary, input, output"));
  EXPECT_THAT(error("program \"p\"\ncall (%x) = k()"), HasSubstr("text:2:7: there is no \"x\""));
  EXPECT_THAT(error("program \"p\" buffer x: input f32[]:a buffer x: input f32[]:a\ncall (%x) = k()"),
              HasSubstr("text:2:7: there are two of the name \"x\""));
  EXPECT_THAT(error("program \"p\" buffer x: input f32[]:a alias_of=%y"), HasSubstr("there is no \"y\""));
  EXPECT_THAT(error("program \"p\" buffer x: input f32[]:a alias_of=%\"\""), HasSubstr("an empty name"));
  EXPECT_THAT(error("program \"p\"\ncall () = k() colour=3"), HasSubstr("text:2:15: expected variable, buffer, call"));
  EXPECT_THAT(error("program \"p\"\ncall () = k() threads=4294967297"), HasSubstr("4294967297 is out of range"));
  EXPECT_THAT(error("program \"p\"\ncall () = k() flops=fast"), HasSubstr("expected a number"));
  EXPECT_THAT(error("program \"p\"\ncall () = k() attrs={a=}"), HasSubstr("text:2:24"));
  EXPECT_THAT(error("program \"p\"\noutput y"), HasSubstr("expected \"=\", but the text ends"));
}

// Whatever prefix or single changed byte of a good text: an answer, not a crash, and what parses prints and parses.
TEST(ProgramTextTest, DamagedTextsAreRefusedOrRead) {
  const std::string good = kEverything;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = "\"%@,(]9 "[i % 8];
    for (const std::string& text : {good.substr(0, i), changed}) {
      auto p = ParseProgram(text);
      if (!p.ok()) continue;
      EXPECT_EQ(RoundTrip(ToText(p->entry, p->variables)), ToText(p->entry, p->variables));
    }
  }
}

}  // namespace
}  // namespace athanor
