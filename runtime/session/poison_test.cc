#include "runtime/session/poison.h"

#include <cmath>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/session/testing/text_plan.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

PoisonSchedule ScheduleOf(const std::string& text) { return MakePoisonSchedule(PlanOfTexts({text}).entries[0]); }

TEST(PoisonTest, BytesArePoisonedWhenTheirBufferDies) {
  PoisonSchedule s = ScheduleOf(R"(program "e" arena=448
    variable w: parameter f32[16]:a bytes=64 offset=0
    buffer x: input f32[16]:a bytes=64 offset=0
    buffer w: variable f32[16]:a bytes=64 of=@w
    buffer h: temporary f32[32]:a bytes=128 offset=64
    buffer g: temporary f32[16]:a bytes=64 offset=192
    buffer y: output f32[16]:a bytes=64 offset=256
    call (%h) = k(%x, %w) scratch=100@320
    call (%g) = k(%h, %x)
    call (%y) = k(%g, %h)
    call () = k(%g)
    input x = %x output y = %y)");
  EXPECT_THAT(s.at_start, ElementsAre(Pair(64, 448)));  // all but the input
  EXPECT_THAT(s.after_call, ElementsAre(ElementsAre(Pair(320, 420)),     // scratch
                                        IsEmpty(),                       // x stays for the next run
                                        ElementsAre(Pair(64, 192)),      // h
                                        ElementsAre(Pair(192, 256))));   // g; y stays for the caller
}

// A result takes over its operand's bytes; another begins inside of what has died.
TEST(PoisonTest, BytesThatLiveOnUnderAnotherNameAreLeftAlone) {
  PoisonSchedule s = ScheduleOf(R"(program "e" arena=256
    buffer x: input f32[16]:a bytes=64 offset=0
    buffer h: temporary f32[16]:a bytes=64 offset=64
    buffer in_place: temporary f32[16]:a bytes=64 offset=64
    buffer wide: temporary f32[48]:a bytes=192 offset=64
    buffer y: output f32[16]:a bytes=64 offset=128
    call (%h) = k(%x)
    call (%in_place) = k(%h)
    call (%y) = k(%in_place)
    call (%wide) = k(%x)
    input x = %x output y = %y)");
  EXPECT_THAT(s.after_call[1], IsEmpty());
  EXPECT_THAT(s.after_call[2], ElementsAre(Pair(64, 128)));
  // Read by nobody: dead at once, but for the output's bytes. (VerifyMemory would refuse such a plan.)
  EXPECT_THAT(s.after_call[3], UnorderedElementsAre(Pair(64, 128), Pair(192, 256)));
}

TEST(PoisonTest, AViewKeepsItsRoot) {
  PoisonSchedule s = ScheduleOf(R"(program "e" arena=192
    buffer x: input f32[16]:a bytes=64 offset=0
    buffer a: temporary f32[16]:a bytes=64 offset=64
    buffer a.view: temporary f32[4,4]:ab bytes=64 alias_of=%a
    buffer b: temporary f32[16]:a bytes=64 offset=128
    buffer y: output f32[4,4]:ab bytes=64 alias_of=%b
    call (%a) = k(%x)
    call (%b) = k(%x)
    call () = k(%a.view)
    input x = %x output y = %y)");
  // a dies with its view; b never, for the output is its view.
  EXPECT_THAT(s.after_call, ElementsAre(IsEmpty(), IsEmpty(), ElementsAre(Pair(64, 128))));
}

TEST(PoisonTest, AnInputThatIsAnOutputAndOneThatNobodyReadsStay) {
  PoisonSchedule s = ScheduleOf(R"(program "e" arena=192
    buffer x: input f32[16]:a bytes=64 offset=64
    buffer unread: input f32[16]:a bytes=64 offset=0
    call () = k(%x)
    input x = %x input unread = %unread output x = %x)");
  EXPECT_THAT(s.at_start, ElementsAre(Pair(128, 192)));
  EXPECT_THAT(s.after_call, ElementsAre(IsEmpty()));
}

TEST(PoisonTest, IsNotANumberAndNoLabel) {
  alignas(64) std::byte arena[64] = {};
  PoisonRanges(arena, {{8, 16}, {32, 36}});
  float f;
  int32_t i;
  std::memcpy(&f, arena + 8, sizeof(f));
  std::memcpy(&i, arena + 32, sizeof(i));
  EXPECT_TRUE(std::isnan(f));
  EXPECT_EQ(i, -1);
  for (int at : {7, 16, 31, 36}) EXPECT_EQ(arena[at], std::byte{0}) << at;
}

}  // namespace
}  // namespace athanor
