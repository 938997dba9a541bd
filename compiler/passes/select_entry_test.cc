#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kTwoEntries[] = R"(
  %x : input f32[N,2]
  %t : input f32[N,2]
  %w : parameter f32[2,2] = zeros
  %old : state f32[2] = zeros
  %h = T.Linear(%x, %w) @"fc" : f32[N,2]
  %p = T.Print(%h) @"print" : f32[N,2]
  %y = T.Relu(%h) @"relu" : f32[N,2]
  %d = T.Sub(%y, %t) @"sub" : f32[N,2]
  %loss = T.Sum(%d) @"sum" : f32[]
  entry "infer" (x=%x) -> (y=%y)
  entry "train" training (x=%x, t=%t) -> (loss=%loss) loss %loss
)";

CompileOptions For(const std::string& entry) {
  CompileOptions options;
  options.entries = {{entry, {}}};
  return options;
}

TEST(SelectEntryTest, KeepsOneEntryAndOnlyWhatItNeeds) {
  ExpectPass(SelectEntry, kTwoEntries, R"(
    %x : input f32[N,2]
    %w : parameter f32[2,2] = zeros
    %h = T.Linear(%x, %w) @"fc" : f32[N,2]
    %y = T.Relu(%h) @"relu" : f32[N,2]
    entry "infer" (x=%x) -> (y=%y))",
             For("infer"));
}

TEST(SelectEntryTest, KeepsOfTheOutputsThoseAskedFor) {
  const std::string two_outputs = R"(
    %x : input f32[N,2]
    %y = T.Relu(%x) @"relu" : f32[N,2]
    %z = T.Neg(%y) @"neg" : f32[N,2]
    %loss = T.Sum(%z) @"sum" : f32[]
    entry "e" (x=%x) -> (loss=%loss, z=%z, y=%y) loss %loss
    entry "t" training (x=%x) -> (loss=%loss, z=%z, y=%y) loss %loss)";
  CompileOptions options = For("e");
  options.entries[0].outputs = {"y"};
  ExpectPass(SelectEntry, two_outputs, R"(
    %x : input f32[N,2]
    %y = T.Relu(%x) @"relu" : f32[N,2]
    entry "e" (x=%x) -> (y=%y))",
             options);
  options.entries[0].name = "t";  // a loss that is trained stays
  ExpectPass(SelectEntry, two_outputs, R"(
    %x : input f32[N,2]
    %y = T.Relu(%x) @"relu" : f32[N,2]
    %z = T.Neg(%y) @"neg" : f32[N,2]
    %loss = T.Sum(%z) @"sum" : f32[]
    entry "t" training (x=%x) -> (y=%y) loss %loss)",
             options);
  options.entries[0].outputs = {"y", "logits"};
  EXPECT_EQ(ErrorOf(SelectEntry, two_outputs, options),
            "REQ: entry \"t\" has no output \"logits\" to keep; it has: \"loss\", \"z\", \"y\"");
}

TEST(SelectEntryTest, KeepsTheLossAndTheUpdates) {
  ExpectUnchanged(SelectEntry, R"(
    %x : input f32[4]
    %mean : state f32[4] = zeros
    %next = T.Relu(%x) @"a" : f32[4]
    %loss = T.Sum(%x) @"b" : f32[]
    entry "e" training (x=%x) -> () loss %loss update (%mean <- %next))");
}

TEST(SelectEntryTest, KeepsInputsThatAreNotUsed) {
  ExpectUnchanged(SelectEntry, R"(
    %x : input f32[4]
    %unused : input f32[4]
    entry "e" (x=%x, unused=%unused) -> (y=%x))");
}

TEST(SelectEntryTest, AnUnknownEntryIsAnErrorThatListsTheEntries) {
  EXPECT_EQ(ErrorOf(SelectEntry, kTwoEntries, For("evaluate")),
            "GRAPH: model \"g\" has no entry \"evaluate\"; it has: \"infer\", \"train\"");
  EXPECT_EQ(ErrorOf(SelectEntry, "", For("infer")), "GRAPH: model \"g\" has no entry \"infer\"; it has: none");
}

}  // namespace
}  // namespace athanor
