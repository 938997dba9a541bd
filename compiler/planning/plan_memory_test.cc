#include "compiler/planning/plan_memory.h"

#include "absl/strings/str_cat.h"
#include "compiler/planning/liveness.h"
#include "compiler/planning/schedule.h"
#include "compiler/planning/testing/random_program.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/plan/verify_memory.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

Program Parsed(absl::string_view text) {
  auto p = ParseProgram(text);
  EXPECT_EQ(p.status(), absl::OkStatus());
  return p.ok() ? *std::move(p) : Program{};
}

// The planned program, which VerifyMemory has accepted.
Entry Planned(Program p, MemoryReport* report = nullptr) {
  auto entry = PlanMemory(p.entry, report);
  EXPECT_EQ(entry.status(), absl::OkStatus());
  Plan plan = PlanOf({p.variables, *entry});
  EXPECT_EQ(PlaceVariables(&plan), absl::OkStatus());
  EXPECT_EQ(VerifyMemory(plan), absl::OkStatus()) << ToText(plan.entries[0], plan.variables);
  return *std::move(entry);
}

TEST(PlanMemoryTest, FromOneTextToTheOther) {
  Program p = Parsed(R"(program "p"
    buffer x: input f32[16]:a bytes=64
    buffer a: temporary f32[32]:a bytes=128
    buffer a.view: temporary f32[2,16]:ab bytes=128 alias_of=%a
    buffer b: temporary f32[2,16]:ab bytes=128
    buffer c: temporary f32[16]:a bytes=64
    buffer unused: temporary f32[16]:a bytes=64 offset=4096
    buffer empty: temporary f32[0]:a
    buffer y: output f32[16]:a bytes=64
    call (%a, %empty) = test.copy(%x)
    call (%b) = test.unary(%a.view)
    call (%c) = test.copy(%b) scratch=100
    call (%y) = test.unary(%c) scratch=0@64
    input x = %x
    output y = %y
)");
  MemoryReport report;
  EXPECT_EQ(ToText(Planned(p, &report), {}), R"(program "p" arena=384
buffer x: input f32[16]:a bytes=64 offset=256
buffer a: temporary f32[32]:a bytes=128 offset=0
buffer a.view: temporary f32[2,16]:ab bytes=128 alias_of=%a
buffer b: temporary f32[2,16]:ab bytes=128 offset=0
buffer c: temporary f32[16]:a bytes=64 offset=320
buffer unused: temporary f32[16]:a bytes=64
buffer empty: temporary f32[0]:a offset=0
buffer y: output f32[16]:a bytes=64 offset=320
call (%a, %empty) = test.copy(%x)
call (%b) = test.unary(%a.view)
call (%c) = test.copy(%b) scratch=100@128
call (%y) = test.unary(%c)
input x = %x
output y = %y
)");
  EXPECT_EQ(report.arena_bytes, 384);
  EXPECT_EQ(report.lower_bound, 384);
  EXPECT_EQ(report.naive_bytes, 64 + 128 + 128 + 64 + 64 + 64 + 128);
  EXPECT_EQ(report.in_place, 2);
}

// A program around one call whose result r may take over the memory of a: `changed` is what differs from the good case.
struct Changed {
  std::string call = "call (%r) = test.binary(%a, %x)";
  std::string a = "temporary f32[16]:a bytes=64";
  std::string after = "";
};

bool IsInPlace(const Changed& changed) {
  Program p = Parsed(absl::StrCat(R"(program "p"
    variable w: parameter f32[16]:a bytes=64
    buffer x: input f32[16]:a bytes=64
    buffer w: variable f32[16]:a bytes=64 of=@w
    buffer a: )",
                                  changed.a, R"(
    buffer a.same: temporary f32[16]:a bytes=64 alias_of=%a
    buffer r: temporary f32[16]:a bytes=64
    buffer s: temporary f32[16]:a bytes=64
    buffer y: output f32[16]:a bytes=64
    call (%a) = test.copy(%x)
    )",
                                  changed.call, "\n", changed.after, R"(
    call (%y) = test.copy(%r)
    input x = %x
    output y = %y)"));
  if (p.entry.buffers[2].kind == BufferKind::kOutput) p.entry.outputs.push_back({"a", 2});
  MemoryReport report;
  Entry e = Planned(p, &report);
  return report.in_place == 1 && e.buffers[2].offset == e.buffers[4].offset;
}

TEST(PlanMemoryTest, AResultTakesOverAnOperandThatDies) {
  EXPECT_TRUE(IsInPlace({}));
  EXPECT_TRUE(IsInPlace({.call = "call (%r) = test.binary(%x, %a)"}));
  EXPECT_TRUE(IsInPlace({.call = "call (%r) = test.binary(%a.same, %x)"}));
  EXPECT_TRUE(IsInPlace({.call = "call (%r) = test.binary(%a, %w) scratch=64"}));
  EXPECT_TRUE(IsInPlace({.call = "call (%r, %s) = test.pair(%a, %x)"}));
}

TEST(PlanMemoryTest, AResultTakesOverNothingElse) {
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.copy(%a, %x)"})) << "the kernel forbids it";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%x)"})) << "an input";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%w)"})) << "a variable";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%a)", .a = "output f32[16]:a bytes=64"})) << "an output";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%a)", .after = "call (%s) = test.copy(%a.same)"})) << "alive";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.binary(%a, %a)"})) << "another operand is the same";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.binary(%a, %a.same)"})) << "another operand is a view of it";
  EXPECT_FALSE(IsInPlace({.call = "call (%s, %r) = test.pair(%a, %x)"})) << "another pair";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%a)", .a = "temporary s32[16]:a bytes=64"})) << "other dtype";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%a)", .a = "temporary f32[4,4]:ab bytes=64"}))
      << "other dims";
  EXPECT_FALSE(IsInPlace({.call = "call (%r) = test.unary(%a)", .a = "temporary f32[16]:a bytes=128"}))
      << "other bytes";
}

TEST(PlanMemoryTest, AChainOfElementwiseCallsNeedsOneBuffer) {
  Program p = Parsed(R"(program "p"
    buffer x: input f32[16]:a bytes=64
    buffer a: temporary f32[16]:a bytes=64
    buffer b: temporary f32[16]:a bytes=64
    buffer c: temporary f32[16]:a bytes=64
    buffer y: output f32[16]:a bytes=64
    call (%a) = test.copy(%x)
    call (%b) = test.unary(%a)
    call (%c) = test.binary(%x, %b)
    call (%y) = test.unary(%c)
    input x = %x
    output y = %y)");
  MemoryReport report;
  EXPECT_EQ(Planned(p, &report).arena_bytes, 128);
  EXPECT_EQ(report.in_place, 3);
}

TEST(PlanMemoryTest, SizesThatOverflowAreRefused) {
  Program p = Parsed("program \"p\" buffer a: temporary f32[]:a bytes=9223372036854775744 call (%a) = k() scratch=64");
  absl::Status status = PlanMemory(p.entry).status();
  EXPECT_EQ(ErrorClassOf(status), "LIMIT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("entry \"p\""));
}

TEST(PlanMemoryTest, VariablesArePackedInOrder) {
  Plan plan;
  for (int64_t bytes : {64, 0, 192, 64})
    plan.variables.push_back({"v", VariableKind::kState, {}, kUnplaced, bytes, {}});
  EXPECT_EQ(PlaceVariables(&plan), absl::OkStatus());
  EXPECT_EQ(plan.variables[1].offset, 64);
  EXPECT_EQ(plan.variables[2].offset, 64);
  EXPECT_EQ(plan.variables[3].offset, 256);
  EXPECT_EQ(plan.weight_bytes, 320);
  plan.variables[3].name = "fc.w";
  for (int64_t bad : {int64_t{-1}, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max() - 63}) {
    plan.variables[3].bytes = bad;
    absl::Status status = PlaceVariables(&plan);
    EXPECT_EQ(ErrorClassOf(status), "LIMIT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("variable \"fc.w\""));
  }
}

TEST(PlanMemoryTest, RandomProgramsComeNearTheLowerBound) {
  Rng rng(7);
  double ratios = 0, saved = 0;
  constexpr int kRuns = 300;
  for (int run = 0; run < kRuns; ++run) {
    Program p = run % 3 == 0 ? TrainingProgram(rng, 1 + static_cast<int>(Below(rng, 20)))
                             : RandomProgram(rng, 5 + static_cast<int>(Below(rng, 80)));
    p.entry = *Schedule(std::move(p.entry));
    MemoryReport report;
    Entry e = Planned(p, &report);
    EXPECT_EQ(e.arena_bytes, report.arena_bytes);
    ASSERT_GE(report.arena_bytes, report.lower_bound);
    ASSERT_LE(report.lower_bound, AnalyzeLiveness(e).peak_bytes);
    ASSERT_LE(report.arena_bytes, report.naive_bytes);
    ratios += 1.0 * report.arena_bytes / report.lower_bound;
    saved += 1.0 * report.arena_bytes / report.naive_bytes;
  }
  std::printf("arena / lower bound: %.4f, arena / sum of all buffers: %.3f on average\n", ratios / kRuns,
              saved / kRuns);
  EXPECT_LE(ratios / kRuns, 1.02);
  EXPECT_LE(saved / kRuns, 0.6);
}

}  // namespace
}  // namespace athanor
