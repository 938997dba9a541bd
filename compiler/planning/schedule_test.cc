#include "compiler/planning/schedule.h"

#include <chrono>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/planning/liveness.h"
#include "compiler/planning/testing/random_program.h"
#include "compiler/program/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Entry Scheduled(const Entry& entry) {
  auto result = Schedule(entry);
  EXPECT_EQ(result.status(), absl::OkStatus());
  return *std::move(result);
}

// The kernels' names in the order that Schedule gives.
std::string OrderOf(absl::string_view text) {
  auto p = ParseProgram(text);
  EXPECT_EQ(p.status(), absl::OkStatus());
  auto each = [](std::string* out, const KernelCall& c) { out->append(c.kernel); };
  return absl::StrJoin(Scheduled(p->entry).calls, " ", each);
}

// By call (and "the end"): who wrote what it sees, operand by operand. Two orders with equal sights compute the same.
std::map<std::string, std::vector<std::string>> Sights(const Entry& e) {
  std::map<std::pair<bool, int>, std::string> writer;
  auto memory = [&](BufferId id) {
    BufferId root = RootBuffer(e, id);
    bool is_variable = e.buffers[root].kind == BufferKind::kVariable;
    return std::pair(is_variable, is_variable ? e.buffers[root].variable : root);
  };
  std::map<std::string, std::vector<std::string>> sights;
  for (const KernelCall& c : e.calls) {
    std::vector<std::string>& seen = sights[c.name];
    for (BufferId id : c.inputs) seen.push_back(writer[memory(id)]);
    for (BufferId id : c.outputs) writer[memory(id)] = c.name;
  }
  for (const auto& [m, name] : writer) sights["the end"].push_back(absl::StrCat(m.first, m.second, name));
  return sights;
}

TEST(ScheduleTest, UpdatesRunAsSoonAsTheirGradientIsThere) {
  EXPECT_EQ(OrderOf(R"(program "train"
    variable v: parameter f32[256]:a bytes=1024
    variable w: parameter f32[256]:a bytes=1024
    buffer x: input f32[16]:a bytes=64
    buffer v: variable f32[256]:a bytes=1024 of=@v
    buffer w: variable f32[256]:a bytes=1024 of=@w
    buffer y: temporary f32[16]:a bytes=64
    buffer dw: temporary f32[256]:a bytes=1024
    buffer dy: temporary f32[16]:a bytes=64
    buffer dv: temporary f32[256]:a bytes=1024
    call (%y) = fc1(%x, %v)
    call (%dw) = grad_w(%y)
    call (%dy) = grad_y(%y, %w)
    call (%dv) = grad_v(%dy, %x)
    call (%v) = sgd_v(%v, %dv)
    call (%w) = sgd_w(%w, %dw)
    input x = %x)"),
            "fc1 grad_w grad_y sgd_w grad_v sgd_v");  // sgd_w must wait for grad_y, which reads w
}

TEST(ScheduleTest, ATallSideBranchRunsBeforeWideThings) {
  // `big` is made first and idles while the side branch passes a peak of its own.
  EXPECT_EQ(OrderOf(R"(program "p"
    buffer x: input f32[16]:a bytes=64
    buffer big: temporary f32[256]:a bytes=1024
    buffer s1: temporary f32[512]:a bytes=2048
    buffer s2: temporary f32[16]:a bytes=64
    buffer y: output f32[16]:a bytes=64
    call (%big) = make_big(%x)
    call (%s1) = side1(%x)
    call (%s2) = side2(%s1)
    call (%y) = join(%big, %s2)
    input x = %x
    output y = %y)"),
            "side1 side2 make_big join");
}

TEST(ScheduleTest, AnOrderThatIsGoodStaysAsItIs) {
  EXPECT_EQ(OrderOf(R"(program "p"
    buffer x: input f32[16]:a bytes=64
    buffer a: temporary f32[16]:a bytes=64
    buffer b: temporary f32[16]:a bytes=64
    buffer y: output f32[16]:a bytes=64
    call (%b) = second(%x)
    call (%a) = first(%x)
    call (%y) = join(%a, %b)
    input x = %x
    output y = %y)"),
            "second first join");
}

TEST(ScheduleTest, ReadersOfAVariableStayOnTheirSideOfItsUpdateUnderAnyBuffer) {
  // The update frees the large gradient, but `old` reads w before it by another buffer and a view.
  EXPECT_EQ(OrderOf(R"(program "p"
    variable w: parameter f32[256]:a bytes=1024
    buffer x: input f32[16]:a bytes=64
    buffer w1: variable f32[256]:a bytes=1024 of=@w
    buffer w2: variable f32[256]:a bytes=1024 of=@w
    buffer w2.view: temporary f32[16,16]:ab bytes=1024 alias_of=%w2
    buffer g: temporary f32[256]:a bytes=1024
    buffer big: temporary f32[512]:a bytes=2048
    buffer s: output f32[16]:a bytes=64
    buffer o: output f32[16]:a bytes=64
    buffer n: output f32[256]:a bytes=1024
    call (%g) = gradient(%x)
    call (%big) = side1(%x)
    call (%s) = side2(%big)
    call (%o) = old(%w2.view)
    call (%w1) = update(%w1, %g)
    call (%n) = new(%w2)
    input x = %x
    output s = %s
    output o = %o
    output n = %n)"),
            "side1 side2 old gradient update new");
}

TEST(ScheduleTest, RandomProgramsComputeTheSameInAPeakThatIsNotHigher) {
  Rng rng(3);
  int lower = 0;
  for (int i = 0; i < 300; ++i) {
    Program p = i % 3 == 0 ? TrainingProgram(rng, 1 + static_cast<int>(Below(rng, 12)))
                           : RandomProgram(rng, static_cast<int>(Below(rng, 60)));
    for (size_t k = 0; k < p.entry.calls.size(); ++k) p.entry.calls[k].name = absl::StrCat("call", k);
    Entry after = Scheduled(p.entry);
    ASSERT_EQ(VerifyProgram(after, p.variables), absl::OkStatus());
    ASSERT_EQ(Sights(after), Sights(p.entry)) << ToText(p.entry, p.variables);
    int64_t peak = AnalyzeLiveness(p.entry).peak_bytes, new_peak = AnalyzeLiveness(after).peak_bytes;
    ASSERT_LE(new_peak, peak);
    lower += new_peak < peak;
    bool is_same = ToText(after, p.variables) == ToText(p.entry, p.variables);
    ASSERT_EQ(is_same, new_peak == peak);
    ASSERT_EQ(ToText(Scheduled(p.entry), p.variables), ToText(after, p.variables));  // the same again
  }
  EXPECT_GE(lower, 150);
}

TEST(ScheduleTest, ProgramsThatAreTooLargeAreRefused) {
  auto p = ParseProgram(R"(program "p" buffer a: temporary f32[]:a bytes=9223372036854775744
                           call (%a) = k() scratch=64)");
  EXPECT_EQ(ErrorClassOf(Schedule(p->entry).status()), "LIMIT");
}

TEST(ScheduleTest, TenThousandCallsTakeLessThanASecond) {
  Rng rng(4);
  Entry e = TrainingProgram(rng, 2000).entry;
  ASSERT_GE(e.calls.size(), 9000u);
  auto start = std::chrono::steady_clock::now();
  Entry after = Scheduled(e);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", static_cast<int>(1000 * seconds.count()));
  std::printf("%zu calls in %.3f s\n", e.calls.size(), seconds.count());
  EXPECT_LT(seconds.count(), 20);  // a quadratic algorithm takes minutes; sanitizers and busy machines are slow
  EXPECT_LT(AnalyzeLiveness(after).peak_bytes, AnalyzeLiveness(e).peak_bytes);
}

}  // namespace
}  // namespace athanor
