#include "compiler/planning/liveness.h"

#include "compiler/program/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Entry Parsed(absl::string_view text) {
  auto p = ParseProgram(text);
  EXPECT_EQ(p.status(), absl::OkStatus());
  return p.ok() ? std::move(p->entry) : Entry{};
}

TEST(LivenessTest, FromTheFirstWriteToTheLastUseThroughAnyView) {
  Entry e = Parsed(R"(program "p"
    variable w: parameter f32[16]:a bytes=64
    buffer x: input f32[16]:a bytes=64
    buffer w: variable f32[16]:a bytes=64 of=@w
    buffer a: temporary f32[48]:a bytes=192
    buffer a.flat: temporary f32[48,1]:ab bytes=192 alias_of=%a
    buffer b: temporary f32[20]:a bytes=128
    buffer unused: temporary f32[20]:a bytes=128
    buffer y: output f32[16]:a bytes=64
    call (%a) = k(%x, %w)
    call (%b) = k(%x) scratch=100
    call (%y) = k(%b)
    call (%b) = k(%a.flat)
    input x = %x
    output y = %y)");
  Liveness live = AnalyzeLiveness(e);
  EXPECT_THAT(live.lifetimes, ElementsAre(Lifetime{-1, 4}, Lifetime{}, Lifetime{0, 3}, Lifetime{}, Lifetime{1, 3},
                                          Lifetime{}, Lifetime{2, 4}));
  EXPECT_THAT(live.live_bytes, ElementsAre(256, 512, 448, 448));
  EXPECT_EQ(live.peak_bytes, 512);
  EXPECT_EQ(*NaiveBytes(e), 64 + 192 + 128 + 128 + 64 + 128);
}

TEST(LivenessTest, AnOutputThatIsAViewKeepsItsRoot) {
  Entry e = Parsed(R"(program "p"
    buffer a: temporary f32[16]:a bytes=64
    buffer y: output f32[4,4]:ab bytes=64 alias_of=%a
    call (%a) = k()
    call () = k()
    output y = %y)");
  EXPECT_THAT(AnalyzeLiveness(e).lifetimes, ElementsAre(Lifetime{0, 2}, Lifetime{}));
}

TEST(LivenessTest, WithoutCallsInputsAndOutputsCountStill) {
  Entry e = Parsed("program \"p\" buffer x: input f32[16]:a bytes=64 input x = %x output y = %x");
  Liveness live = AnalyzeLiveness(e);
  EXPECT_THAT(live.lifetimes, ElementsAre(Lifetime{-1, 0}));
  EXPECT_EQ(live.peak_bytes, 64);
}

TEST(LivenessTest, SizesThatOverflowOrAreNegativeAreNamed) {
  Entry e = Parsed(R"(program "p"
    buffer a: temporary f32[16]:a bytes=9223372036854775744
    buffer b: temporary f32[16]:a bytes=64
    call (%a) = k() name="first" scratch=0)");
  absl::Status status = NaiveBytes(e).status();
  EXPECT_EQ(ErrorClassOf(status), "LIMIT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("entry \"p\": buffer \"b\" of 64 bytes"));
  e.buffers[1].bytes = 0;
  EXPECT_EQ(*NaiveBytes(e), 9223372036854775744);
  e.calls[0].scratch_bytes = 1;
  EXPECT_THAT(std::string(NaiveBytes(e).status().message()), HasSubstr("the scratch of call \"first\" of 1 bytes"));
  e.calls[0].scratch_bytes = -1;
  EXPECT_EQ(ErrorClassOf(NaiveBytes(e).status()), "LIMIT");
  e.buffers[0].bytes = 9223372036854775800;
  EXPECT_THAT(std::string(NaiveBytes(e).status().message()), HasSubstr("buffer \"a\""));
}

}  // namespace
}  // namespace athanor
