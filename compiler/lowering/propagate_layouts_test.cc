#include "compiler/lowering/propagate_layouts.h"

#include <omp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "compiler/program/text.h"
#include "compiler/program/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Kernel>> NeverMade(const CallSpec&) {
  return MakeError(ErrorClass::kPlan, "made for its query only");
}

// Wants the layouts that its attributes `in` and `out` list; "" (and an operand beyond the list) is content with what
// is there, and row-major where nothing is. `flops` and `scratch` are what it says of itself.
absl::StatusOr<KernelInfo> QueryWanting(const CallSpec& spec) {
  KernelInfo info{spec.inputs, spec.outputs, spec.attrs.Int("scratch"), absl::StrCat("threads=", spec.threads),
                  spec.attrs.Float("flops"), 0};
  auto settle = [&](std::vector<MemoryDesc>& operands, const Strings& wanted) {
    for (size_t i = 0; i < operands.size(); ++i) {
      if (i < wanted.size() && !wanted[i].empty()) operands[i].layout = wanted[i];
      if (operands[i].any()) operands[i] = MemoryDesc::Plain(operands[i].dtype, operands[i].dims);
    }
  };
  settle(info.inputs, spec.attrs.GetStrings("in"));
  settle(info.outputs, spec.attrs.GetStrings("out"));
  return info;
}
ATH_REGISTER_KERNEL((KernelDef{"k", QueryWanting, NeverMade, {{0, 0}}}));

// Changes its mind once the layouts are there.
absl::StatusOr<KernelInfo> QueryRestless(const CallSpec& spec) {
  KernelInfo info{spec.inputs, spec.outputs, 0, "", 0, 0};
  for (MemoryDesc& d : info.outputs) d.layout = d.layout == "ba" ? "ab" : "ba";
  return info;
}
ATH_REGISTER_KERNEL((KernelDef{"restless", QueryRestless, NeverMade, {}}));

struct Result {
  absl::Status status;
  Plan plan;
  const Entry& entry() const { return plan.entries[0]; }
  const Buffer& buffer(absl::string_view name) const {
    for (const Buffer& b : entry().buffers) {
      if (b.name == name) return b;
    }
    ADD_FAILURE() << "no buffer " << name;
    return entry().buffers[0];
  }
  // What a reader of the program sees of each call: "y = k(x, w/ba)".
  std::vector<std::string> Calls() const {
    std::vector<std::string> lines;
    for (const KernelCall& c : entry().calls) {
      auto names = [&](const std::vector<BufferId>& ids) {
        std::string list;
        for (BufferId id : ids) absl::StrAppend(&list, list.empty() ? "" : ", ", entry().buffers[id].name);
        return list;
      };
      lines.push_back(absl::StrCat(names(c.outputs), " = ", c.kernel, "(", names(c.inputs), ")"));
    }
    return lines;
  }
};

// Through both functions, and verified as every later stage expects it.
Result Propagated(absl::string_view text, int threads = 1) {
  auto program = ParseProgram(text);
  EXPECT_EQ(program.status(), absl::OkStatus()) << text;
  if (!program.ok()) return {program.status(), {}};
  EXPECT_EQ(VerifyProgram(program->entry, program->variables), absl::OkStatus());
  Result result;
  result.plan.variables = std::move(program->variables);
  result.plan.entries.push_back(std::move(program->entry));
  result.status = PropagateLayouts(threads, &result.plan.entries[0], &result.plan.variables);
  if (!result.status.ok()) return result;
  result.status = FinishLayouts(&result.plan);
  if (!result.status.ok()) return result;
  EXPECT_EQ(VerifyProgram(result.entry(), result.plan.variables, {.known_kernels = true, .decided_layouts = true}),
            absl::OkStatus());
  return result;
}

Result Good(absl::string_view text, int threads = 1) {
  Result result = Propagated(text, threads);
  EXPECT_EQ(result.status, absl::OkStatus());
  return result;
}

TEST(PropagateLayoutsTest, WhatIsUndecidedTakesWhatTheFirstKernelWants) {
  Result r = Good(R"(program "e"
    variable w: parameter f32[4,3]:any
    buffer x: input f32[2,4]:ab
    buffer w: variable f32[4,3]:any of=@w
    buffer h: temporary f32[2,3]:any
    buffer y: output f32[2,3]:ab
    call (%h) = k(%x, %w) attrs={in=["","ba"], out=["ba"], scratch=100, flops=7.0}
    call (%y) = k(%h, %w)
    input x = %x output y = %y)");
  EXPECT_THAT(r.Calls(), ElementsAre("h = k(x, w)", "y = k(h, w)"));
  EXPECT_EQ(r.buffer("h").desc.layout, "ba");
  EXPECT_EQ(r.buffer("w").desc.layout, "ba");
  EXPECT_EQ(r.plan.variables[0].desc.layout, "ba");
  EXPECT_EQ(r.entry().reorders, 0);
  EXPECT_EQ(r.entry().calls[0].scratch_bytes, 100);
  EXPECT_EQ(r.entry().calls[0].flops, 7);
  EXPECT_EQ(r.entry().calls[0].impl, "threads=1");
}

TEST(PropagateLayoutsTest, AVariableKeepsItsLayoutInLaterEntries) {
  Plan plan;
  for (const char* layout : {"ba", "ab"}) {
    auto p = ParseProgram(absl::StrCat(R"(program "e"
      variable w: parameter f32[4,3]:any
      buffer w: variable f32[4,3]:any of=@w
      buffer y: output f32[4,3]:ab
      call (%y) = k(%w) attrs={in=[")", layout, R"("]}
      output y = %y)"));
    ASSERT_TRUE(p.ok()) << p.status();
    if (plan.variables.empty()) plan.variables = p->variables;
    plan.entries.push_back(p->entry);
    ASSERT_EQ(PropagateLayouts(1, &plan.entries.back(), &plan.variables), absl::OkStatus());
  }
  ASSERT_EQ(FinishLayouts(&plan), absl::OkStatus());
  EXPECT_EQ(plan.variables[0].desc.layout, "ba");
  EXPECT_EQ(plan.entries[0].reorders, 0);
  EXPECT_EQ(plan.entries[1].reorders, 1);
  EXPECT_EQ(plan.entries[1].buffers[0].desc.layout, "ba");
}

TEST(PropagateLayoutsTest, AValueIsReorderedOnceIntoEachLayout) {
  Result r = Good(R"(program "e"
    buffer x: input f32[2,3]:ab
    buffer a: output f32[2,3]:ab
    buffer b: output f32[2,3]:ab
    buffer c: output f32[2,3]:ab
    call (%a) = k(%x) attrs={in=["ba"]}
    call (%b) = k(%x, %x) attrs={in=["","ba"]}
    call (%c) = k(%x) attrs={in=["ba"]}
    input x = %x output a = %a output b = %b output c = %c)");
  EXPECT_THAT(r.Calls(), ElementsAre("x/ba = reorder(x)", "a = k(x/ba)", "b = k(x, x/ba)", "c = k(x/ba)"));
  EXPECT_EQ(r.entry().reorders, 1);
}

TEST(PropagateLayoutsTest, AnOutputIsRowMajorWhateverItsKernelWrites) {
  Result r = Good(R"(program "e"
    buffer x: input f32[2,3]:ab
    buffer y: output f32[2,3]:ab
    buffer z: output f32[2,3]:ab
    call (%y) = k(%x) name="last" attrs={out=["ba"]}
    call (%z) = k(%y) attrs={in=["ba"]}
    input x = %x output y = %y output z = %z)");
  EXPECT_THAT(r.Calls(), ElementsAre("y/ba = k(x)", "y = reorder(y/ba)", "z = k(y/ba)"));  // no way back for z
  EXPECT_EQ(r.buffer("y").desc.layout, "ab");
  EXPECT_EQ(r.entry().reorders, 1);
  EXPECT_EQ(r.entry().calls[1].name, "last/reorder.y");
}

TEST(PropagateLayoutsTest, CopiesOfAVariableAreStaleOnceItIsWritten) {
  Result r = Good(R"(program "e"
    variable w: parameter f32[4,3]:ab
    buffer w: variable f32[4,3]:ab of=@w
    buffer a: output f32[4,3]:ab
    buffer b: output f32[4,3]:ab
    call (%a) = k(%w) attrs={in=["ba"]}
    call (%w) = k(%w, %a)
    call (%b) = k(%w) attrs={in=["ba"]}
    output a = %a output b = %b)");
  EXPECT_THAT(r.Calls(), ElementsAre("w/ba = reorder(w)", "a = k(w/ba)", "w = k(w, a)", "w/ba = reorder(w)",
                                     "b = k(w/ba)"));
  EXPECT_NE(r.entry().calls[0].outputs, r.entry().calls[3].outputs);
}

TEST(PropagateLayoutsTest, AVariableWrittenInAnotherLayoutIsReorderedBack) {
  Result r = Good(R"(program "e"
    variable w: parameter f32[4,3]:ab
    buffer w: variable f32[4,3]:ab of=@w
    call (%w) = k(%w) attrs={in=["ba"], out=["ba"]})");
  EXPECT_THAT(r.Calls(), ElementsAre("w/ba = reorder(w)", "w/ba = k(w/ba)", "w = reorder(w/ba)"));
  EXPECT_NE(r.entry().calls[1].inputs, r.entry().calls[1].outputs);
}

TEST(PropagateLayoutsTest, AGradientTakesItsParametersLayout) {
  constexpr char kText[] = R"(program "e"
    variable w: parameter f32[4,3]:any
    variable s: state f32[4,3]:any
    buffer x: input f32[4,3]:ab
    buffer w: variable f32[4,3]:any of=@w
    buffer g: temporary f32[4,3]:any layout_like=%w
    buffer other: temporary f32[3,4]:any layout_like=%w
    buffer early: temporary f32[4,3]:any layout_like=%late
    buffer late: temporary f32[4,3]:any
    call (%early) = k(%x)
    call (%late) = k(%x, %w) attrs={in=["","ba"], out=["ba"]}
    call (%g, %other) = k(%x)
    call (%w) = k(%w, %g)
    input x = %x)";
  Result r = Good(kText);
  EXPECT_EQ(r.buffer("g").desc.layout, "ba");
  EXPECT_EQ(r.buffer("other").desc.layout, "ab");  // other dimensions: the layout says nothing
  EXPECT_EQ(r.buffer("early").desc.layout, "ab");  // nothing to follow yet
  EXPECT_EQ(r.entry().reorders, 0);
}

TEST(PropagateLayoutsTest, AReshapeOfRowMajorBytesIsAView) {
  Result r = Good(R"(program "e"
    buffer x: input f32[2,6]:ab
    buffer a: temporary f32[12]:any
    buffer b: temporary f32[3,4]:any
    buffer y: output f32[3,4]:ab
    call (%a) = reshape(%x)
    call (%b) = reshape(%a)
    call (%y) = k(%b)
    input x = %x output y = %y)");
  EXPECT_THAT(r.Calls(), ElementsAre("y = k(b)"));
  EXPECT_EQ(RootBuffer(r.entry(), 2), 0);
  EXPECT_EQ(r.buffer("b").desc, MemoryDesc::Plain(DType::kF32, {3, 4}));
  EXPECT_EQ(r.buffer("b").bytes, 64);
}

TEST(PropagateLayoutsTest, AReshapeOfOtherLayoutsViewsOneRowMajorCopy) {
  Result r = Good(R"(program "e"
    buffer x: input f32[2,6]:ab
    buffer h: temporary f32[2,6]:any
    buffer a: temporary f32[12]:any
    buffer b: temporary f32[3,4]:any
    buffer y: output f32[3,4]:ab
    call (%h) = k(%x) attrs={out=["ba"]}
    call (%a) = reshape(%h)
    call (%b) = reshape(%h)
    call (%y) = k(%b, %a)
    input x = %x output y = %y)");
  EXPECT_THAT(r.Calls(), ElementsAre("h = k(x)", "h/ab = reorder(h)", "y = k(b, a)"));
  EXPECT_EQ(r.entry().buffers[RootBuffer(r.entry(), 2)].name, "h/ab");
  EXPECT_EQ(RootBuffer(r.entry(), 2), RootBuffer(r.entry(), 3));
  EXPECT_EQ(r.entry().reorders, 1);
}

// An output has a place of its own; a variable may change while its view should not.
TEST(PropagateLayoutsTest, AReshapeIsACopyWhereAViewWouldBeWrong) {
  Result r = Good(R"(program "e"
    variable w: parameter f32[4,3]:any
    buffer x: input f32[2,3]:ab
    buffer w: variable f32[4,3]:any of=@w
    buffer flat: temporary f32[12]:any
    buffer again: temporary f32[12,1]:any
    buffer y: output f32[6]:a
    buffer z: output f32[12]:a
    call (%y) = reshape(%x)
    call (%flat) = reshape(%w)
    call (%again) = reshape(%flat)
    call (%w) = k(%w)
    call (%z) = k(%flat, %again)
    input x = %x output y = %y output z = %z)");
  EXPECT_THAT(r.Calls(), ElementsAre("y = reshape(x)", "flat = reshape(w)", "w = k(w)", "z = k(flat, again)"));
  EXPECT_EQ(RootBuffer(r.entry(), 3), 2);  // a view of the copy is fine
}

TEST(PropagateLayoutsTest, AReaderOfAViewMayWantAnotherLayout) {
  Result r = Good(R"(program "e"
    buffer x: input f32[12]:a
    buffer v: temporary f32[3,4]:any
    buffer y: output f32[3,4]:ab
    call (%v) = reshape(%x)
    call (%y) = k(%v) attrs={in=["ba"]}
    input x = %x output y = %y)");
  EXPECT_THAT(r.Calls(), ElementsAre("v/ba = reorder(v)", "y = k(v/ba)"));
}

TEST(PropagateLayoutsTest, OnlyCallsThatAreWorthItGetThePlansThreads) {
  constexpr char kText[] = R"(program "e"
    buffer x: input f32[2,3]:ab
    buffer big: input f32[1024,1024]:ab
    buffer a: output f32[2,3]:ab
    buffer b: output f32[2,3]:ab
    buffer c: output f32[2,3]:ab
    call (%a) = k(%x) attrs={in=["ba"], flops=100.0}
    call (%b) = k(%x) attrs={flops=1e9}
    call (%c) = k(%big) attrs={in=["ba"], flops=100.0}
    input x = %x input big = %big output a = %a output b = %b output c = %c)";
  auto threads_of = [&](int threads) {
    std::vector<int> counts;
    const int before = omp_get_max_threads();
    const Result r = Good(kText, threads);
    EXPECT_EQ(omp_get_max_threads(), before);
    for (const KernelCall& c : r.entry().calls) {
      counts.push_back(c.threads);
      // The kernel was asked under the number that it will run with.
      if (c.kernel == "k") {
        EXPECT_EQ(c.impl, absl::StrCat("threads=", c.threads));
      }
    }
    return counts;
  };
  EXPECT_THAT(threads_of(3), ElementsAre(1, 1, 3, 3, 1));  // reorder x, a, b, reorder big, c
  EXPECT_THAT(threads_of(1), ElementsAre(1, 1, 1, 1, 1));
}

TEST(PropagateLayoutsTest, KernelsThatAreMissingOrRefuseAreNamed) {
  auto error = [](absl::string_view call) {
    auto p = ParseProgram(absl::StrCat(R"(program "e"
      buffer x: input s64[2,3]:ab
      buffer h: temporary s64[2,3]:any
      buffer v: temporary s64[6]:any
      buffer y: output s64[2,3]:ab
      )", call, " input x = %x output y = %y"));
    EXPECT_TRUE(p.ok()) << p.status();
    absl::Status status = PropagateLayouts(1, &p->entry, &p->variables);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  EXPECT_EQ(error("call (%y) = alchemy(%x) name=\"gold\""),
            "PLAN: node \"gold\" needs kernel \"alchemy\", which is not linked");
  EXPECT_THAT(error("call (%y) = reshape(%x, %x) name=\"two\""), HasSubstr("PLAN: kernel reshape of \"two\""));
  // oneDNN knows no s64: the reorder cannot be made, not even where it would only be for a view.
  EXPECT_THAT(error("call (%y) = k(%x) attrs={in=[\"ba\"]}"), HasSubstr("DTYPE: kernel reorder"));
  EXPECT_THAT(error("call (%h) = k(%x) attrs={out=[\"ba\"]} call (%v) = reshape(%h) call (%y) = k(%v)"),
              HasSubstr("DTYPE: kernel reorder"));
  EXPECT_EQ(error("call (%h) = restless(%x) name=\"r\" call (%y) = k(%h)"),
            "PLAN: kernel restless of \"r\" does not settle: output 0 is s64[2,3]:ba and it asks for s64[2,3]:ab");
}

TEST(FinishLayoutsTest, SizesHoldTheLayoutsWithTheirPadding) {
  Result r = Good(R"(program "e"
    variable w: parameter f32[5,3]:any
    variable unread: state f32[7]:any
    variable count: state s64[]:a
    buffer w: variable f32[5,3]:any of=@w
    buffer unread: variable f32[7]:any of=@unread
    buffer unused: temporary f32[17]:any
    buffer y: output f32[5,3]:ab
    call (%y) = k(%w) attrs={in=["AB16b16a"]}
    output y = %y)");
  EXPECT_EQ(r.plan.variables[0].desc.ToString(), "f32[5,3]:AB16b16a");
  EXPECT_EQ(r.plan.variables[0].bytes, 16 * 16 * 4);
  EXPECT_EQ(r.buffer("w").bytes, 16 * 16 * 4);
  EXPECT_EQ(r.plan.variables[1].desc, MemoryDesc::Plain(DType::kF32, {7}));
  EXPECT_EQ(r.buffer("unread").desc, r.plan.variables[1].desc);
  EXPECT_EQ(r.plan.variables[1].bytes, 64);
  EXPECT_EQ(r.plan.variables[2].bytes, 64);
  EXPECT_EQ(r.buffer("unused").bytes, 128);
  EXPECT_EQ(r.buffer("y").bytes, 64);
}

TEST(FinishLayoutsTest, WhatCannotBeHeldIsRefused) {
  EXPECT_EQ(ErrorClassOf(Propagated("program \"e\" variable w: state f32[4611686018427387904]:any").status), "LIMIT");
  EXPECT_EQ(ErrorClassOf(Propagated("program \"e\" variable w: state u8[9223372036854775807]:any").status), "LIMIT");
}

// The kernels of a fully connected layer's step with an optimizer: forward, gradient of the weights, update.
TEST(PropagateLayoutsTest, ALayersStepNeedsNoReorder) {
  Result r = Good(R"(program "train"
    variable w: parameter f32[256,128]:any
    variable b: parameter f32[256]:any
    variable m: state f32[256,128]:any
    buffer x: input f32[64,128]:ab
    buffer lr: input f32[]:a
    buffer w: variable f32[256,128]:any of=@w
    buffer b: variable f32[256]:any of=@b
    buffer m: variable f32[256,128]:any of=@m layout_like=%w
    buffer y: temporary f32[64,256]:any
    buffer dw: temporary f32[256,128]:any layout_like=%w
    buffer db: temporary f32[256]:any layout_like=%b
    buffer dx: output f32[64,128]:ab
    call (%y) = inner_product(%x, %w, %b) name="fc" attrs={bias=true}
    call (%dx) = inner_product_backward_data(%y, %w) name="fc/dx"
    call (%dw, %db) = inner_product_backward_weights(%x, %y) name="fc/dw" attrs={bias=true}
    call (%w, %m) = optimizer_update(%w, %dw, %m, %lr)
        attrs={algorithm="sgd", clip_value=0.0, dampening=0.0, decoupled_weight_decay=false, grad_scale=false,
               groups=1, lr_scale=1.0, momentum=0.9, nesterov=false, weight_decay=0.0}
    call (%b) = optimizer_update(%b, %db, %lr)
        attrs={algorithm="sgd", clip_value=0.0, dampening=0.0, decoupled_weight_decay=false, grad_scale=false,
               groups=1, lr_scale=1.0, momentum=0.0, nesterov=false, weight_decay=0.0}
    input x = %x input lr = %lr output dx = %dx)",
                  2);
  EXPECT_EQ(r.entry().reorders, 0);
  EXPECT_EQ(r.entry().calls.size(), 5u);
  EXPECT_EQ(r.buffer("dw").desc.layout, r.plan.variables[0].desc.layout);
  EXPECT_EQ(r.plan.variables[2].desc.layout, r.plan.variables[0].desc.layout);
  EXPECT_EQ(r.buffer("dx").desc.layout, "ab");
  for (const KernelCall& c : r.entry().calls) EXPECT_THAT(c.impl, ::testing::Not(HasSubstr("ref"))) << c.name;
}

}  // namespace
}  // namespace athanor
