#include "compiler/lowering/group_updates.h"

#include "absl/strings/str_cat.h"
#include "compiler/program/text.h"
#include "compiler/program/verify.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

absl::StatusOr<KernelInfo> NoQuery(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never asked"); }
absl::StatusOr<std::unique_ptr<Kernel>> NoCreate(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never made"); }
// update (w, g of each group; lr) -> (w of each group), in place.
std::vector<std::pair<int, int>> Pairs(const Attributes&, int, int outputs) {
  std::vector<std::pair<int, int>> pairs;
  for (int k = 0; k < outputs; ++k) pairs.emplace_back(k, 2 * k);
  return pairs;
}
ATH_REGISTER_KERNEL((KernelDef{"update", NoQuery, NoCreate, {}, Pairs, [](const Attributes&) { return 2; }}));
ATH_REGISTER_KERNEL((KernelDef{"copy", NoQuery, NoCreate, {}}));

constexpr char kBuffers[] = R"(program "e"
variable a: parameter f32[2]:any
variable b: parameter f32[3]:any
variable c: parameter f32[4]:any
buffer lr: input f32[]:a
buffer lr2: input f32[]:a
buffer a: variable f32[2]:any of=@a
buffer b: variable f32[3]:any of=@b
buffer c: variable f32[4]:any of=@c
buffer ga: temporary f32[2]:any
buffer gb: temporary f32[3]:any
buffer gc: temporary f32[4]:any
buffer y: output f32[2]:a
call (%ga) = copy(%a)
call (%gb) = copy(%b)
call (%gc) = copy(%c)
)";
constexpr char kEnd[] = R"(input lr = %lr
input lr2 = %lr2
output y = %y
)";

// The calls behind the three copies, one a line.
std::string CallsAfter(const std::string& calls) {
  auto program = ParseProgram(absl::StrCat(kBuffers, calls, kEnd));
  EXPECT_TRUE(program.ok()) << program.status() << "\n" << kBuffers << calls << kEnd;
  if (!program.ok()) return "";
  Entry entry = GroupUpdates(program->entry);
  EXPECT_EQ(VerifyProgram(entry, program->variables, {.known_kernels = true, .decided_layouts = false}),
            absl::OkStatus());
  std::string text;
  for (size_t i = 3; i < entry.calls.size(); ++i) {
    auto names = [&](const std::vector<BufferId>& ids) {
      std::string out;
      for (BufferId id : ids) absl::StrAppend(&out, out.empty() ? "" : ",", entry.buffers[id].name);
      return out;
    };
    const KernelCall& call = entry.calls[i];
    absl::StrAppend(&text, call.kernel, call.attrs.ToString(), "(", names(call.inputs), ")->", names(call.outputs), "\n");
  }
  return text;
}

TEST(GroupUpdates, EqualUpdatesBecomeOne) {
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) name="a" attrs={groups=1, decay=0.5}
call (%b) = update(%b, %gb, %lr) name="b" attrs={groups=1, decay=0.5}
call (%c) = update(%c, %gc, %lr) name="c" attrs={groups=1, decay=0.5}
call (%y) = copy(%a)
)"),
            "update{decay=0.5, groups=3}(a,ga,b,gb,c,gc,lr)->a,b,c\ncopy(a)->y\n");
}

TEST(GroupUpdates, OtherAttributesOrScalarsAreAnotherGroup) {
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) attrs={groups=1, decay=0.5}
call (%b) = update(%b, %gb, %lr2) attrs={groups=1, decay=0.5}
call (%c) = update(%c, %gc, %lr) attrs={groups=1, decay=0.25}
call (%y) = copy(%lr)
)"),
            "update{decay=0.5, groups=1}(a,ga,lr)->a\nupdate{decay=0.5, groups=1}(b,gb,lr2)->b\n"
            "update{decay=0.25, groups=1}(c,gc,lr)->c\ncopy(lr)->y\n");
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) attrs={groups=1}
call (%b) = update(%b, %gb, %lr2) attrs={groups=1}
call (%c) = update(%c, %gc, %lr) attrs={groups=1}
call (%y) = copy(%lr)
)"),
            "update{groups=1}(b,gb,lr2)->b\nupdate{groups=2}(a,ga,c,gc,lr)->a,c\ncopy(lr)->y\n");
}

TEST(GroupUpdates, GroupsOfMoreThanOneAreMergedToo) {
  EXPECT_EQ(CallsAfter(R"(call (%a, %b) = update(%a, %ga, %b, %gb, %lr) attrs={groups=2}
call (%c) = update(%c, %gc, %lr) attrs={groups=1}
call (%y) = copy(%a)
)"),
            "update{groups=3}(a,ga,b,gb,c,gc,lr)->a,b,c\ncopy(a)->y\n");
}

TEST(GroupUpdates, NoUpdateMovesBehindAReaderOfItsResultOrAWriterOfItsOperand) {
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) attrs={groups=1}
call (%y) = copy(%a)
call (%b) = update(%b, %gb, %lr) attrs={groups=1}
call (%c) = update(%c, %gc, %lr) attrs={groups=1}
)"),
            "update{groups=1}(a,ga,lr)->a\ncopy(a)->y\nupdate{groups=2}(b,gb,c,gc,lr)->b,c\n");
  // What reads only what the update reads does not hold it back.
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) attrs={groups=1}
call (%y) = copy(%ga)
call (%b) = update(%b, %gb, %lr) attrs={groups=1}
)"),
            "copy(ga)->y\nupdate{groups=2}(a,ga,b,gb,lr)->a,b\n");
  // The second update takes the first one's result for a gradient.
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %ga, %lr) attrs={groups=1}
call (%b) = update(%b, %a, %lr) attrs={groups=1}
call (%c) = update(%c, %gc, %lr) attrs={groups=1}
call (%y) = copy(%lr)
)"),
            "update{groups=1}(a,ga,lr)->a\nupdate{groups=2}(b,a,c,gc,lr)->b,c\ncopy(lr)->y\n");
  // And here it overwrites what the first reads.
  EXPECT_EQ(CallsAfter(R"(call (%a) = update(%a, %b, %lr) attrs={groups=1}
call (%b) = update(%b, %gb, %lr) attrs={groups=1}
call (%y) = copy(%lr)
)"),
            "update{groups=1}(a,b,lr)->a\nupdate{groups=1}(b,gb,lr)->b\ncopy(lr)->y\n");
}

}  // namespace
}  // namespace athanor
