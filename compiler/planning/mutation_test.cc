// VerifyMemory against the byte simulator: it accepts every plan that the planner makes, and refuses every mutated plan
// that the simulator finds harmful. (A mutated plan that happens to be harmless may be refused: it breaks another
// rule.)

#include <cstdio>
#include <iostream>
#include <set>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "compiler/planning/plan_memory.h"
#include "compiler/planning/schedule.h"
#include "compiler/planning/testing/byte_simulator.h"
#include "compiler/planning/testing/random_program.h"
#include "compiler/program/verify.h"
#include "gtest/gtest.h"
#include "runtime/plan/verify_memory.h"

namespace athanor {
namespace {

Plan Planned(Program program) {
  auto scheduled = Schedule(std::move(program.entry));
  EXPECT_EQ(scheduled.status(), absl::OkStatus());
  auto placed = PlanMemory(*std::move(scheduled));
  EXPECT_EQ(placed.status(), absl::OkStatus());
  program.entry = *std::move(placed);
  Plan plan = PlanOf(std::move(program));
  EXPECT_EQ(PlaceVariables(&plan), absl::OkStatus());
  return plan;
}

std::string TextOf(const Plan& plan) { return ToText(plan.entries[0], plan.variables); }

// One random damage to a plan: each is something that a wrong planner, a wrong pass or a bad file could do. Does
// nothing when the plan has nothing to damage in that way.
class Mutator {
 public:
  Mutator(Rng& rng, Plan* plan) : rng_(rng), plan_(*plan), e_(plan->entries[0]) {
    for (int id = 0; id < num_buffers(); ++id) {
      if (e_.buffers[id].offset != kUnplaced && e_.buffers[id].bytes > 0) placed_.push_back(id);
    }
  }

  void Mutate() {
    void (Mutator::*const kMutations[])() = {
        &Mutator::MoveOntoAnother,   &Mutator::MoveAnywhere,  &Mutator::ShiftByOneLine,
        &Mutator::ShiftOffAlignment, &Mutator::Grow,          &Mutator::MoveScratch,
        &Mutator::GrowScratch,       &Mutator::MoveCall,      &Mutator::RemoveCall,
        &Mutator::ReadAnother,       &Mutator::WriteAnother,  &Mutator::ForbidInPlace,
        &Mutator::ChangeDesc,        &Mutator::ViewAnother,   &Mutator::MoveVariable,
        &Mutator::RenameVariable,    &Mutator::ReturnAnother, &Mutator::ShrinkArena,
        &Mutator::ExchangeOperands,  &Mutator::MakeConstant,
    };
    (this->*kMutations[Below(rng_, std::size(kMutations))])();
  }

 private:
  int num_buffers() const { return static_cast<int>(e_.buffers.size()); }
  template <typename List>
  auto& Any(List& list) {
    return list[Below(rng_, static_cast<int64_t>(list.size()))];
  }
  BufferId AnyBuffer() { return static_cast<BufferId>(Below(rng_, num_buffers())); }
  // The operands of a random call that has one.
  std::vector<BufferId>& AnyOperands(std::vector<BufferId> KernelCall::*list) {
    while (true) {
      std::vector<BufferId>& operands = Any(e_.calls).*list;
      if (!operands.empty()) return operands;
    }
  }
  KernelCall* AnyWithScratch() {
    for (int tries = 0; tries < 20; ++tries) {
      KernelCall& c = Any(e_.calls);
      if (c.scratch_bytes > 0) return &c;
    }
    return nullptr;
  }

  void MoveOntoAnother() { e_.buffers[Any(placed_)].offset = e_.buffers[Any(placed_)].offset; }
  void MoveAnywhere() {
    Buffer& b = e_.buffers[Any(placed_)];
    b.offset = Below(rng_, (e_.arena_bytes - b.bytes) / kAlignment + 1) * kAlignment;
  }
  void ShiftByOneLine() { e_.buffers[Any(placed_)].offset += Chance(rng_, 50) ? kAlignment : -kAlignment; }
  void ShiftOffAlignment() { e_.buffers[Any(placed_)].offset += 1 + Below(rng_, 2 * kAlignment); }
  void Grow() { e_.buffers[Any(placed_)].bytes += kAlignment * (1 + Below(rng_, 4)); }
  void MoveScratch() {
    KernelCall* c = AnyWithScratch();
    if (c != nullptr) c->scratch_offset = Below(rng_, e_.arena_bytes / kAlignment) * kAlignment;
  }
  void GrowScratch() {
    KernelCall* c = AnyWithScratch();
    if (c != nullptr) c->scratch_bytes += 1 + Below(rng_, 500);
  }
  void MoveCall() {
    int64_t from = Below(rng_, e_.calls.size()), to = Below(rng_, e_.calls.size());
    KernelCall c = e_.calls[from];
    e_.calls.erase(e_.calls.begin() + from);
    e_.calls.insert(e_.calls.begin() + to, c);
  }
  void RemoveCall() {
    if (e_.calls.size() > 1) e_.calls.erase(e_.calls.begin() + Below(rng_, e_.calls.size()));
  }
  void ReadAnother() { Any(AnyOperands(&KernelCall::inputs)) = AnyBuffer(); }
  void WriteAnother() { Any(AnyOperands(&KernelCall::outputs)) = AnyBuffer(); }
  void ForbidInPlace() { Any(e_.calls).kernel = "test.copy"; }
  void ChangeDesc() {
    Buffer& b = e_.buffers[Any(placed_)];
    b.desc = MemoryDesc::Plain(DType::kF32, {1, *NumElements(b.desc.dims)});
  }
  void ViewAnother() {
    for (int tries = 0; tries < 20; ++tries) {
      BufferId id = AnyBuffer();
      if (e_.buffers[id].alias_of == kNoBuffer || id == 0) continue;
      e_.buffers[id].alias_of = static_cast<BufferId>(Below(rng_, id));  // backwards: no cycle
      return;
    }
  }
  void MoveVariable() {
    if (plan_.variables.empty()) return;
    Variable& v = Any(plan_.variables);
    v.offset = Chance(rng_, 50) ? Any(plan_.variables).offset : v.offset + kAlignment * (Below(rng_, 5) - 2);
  }
  void RenameVariable() {
    for (Buffer& b : e_.buffers) {
      if (b.kind == BufferKind::kVariable && Chance(rng_, 30))
        b.variable = static_cast<int>(Below(rng_, plan_.variables.size()));
    }
  }
  void ReturnAnother() { Any(e_.outputs).buffer = AnyBuffer(); }
  void ShrinkArena() { e_.arena_bytes = plan_.activation_bytes -= kAlignment; }
  void ExchangeOperands() {
    std::vector<BufferId>& a = AnyOperands(&KernelCall::inputs);
    std::vector<BufferId>& b = AnyOperands(&KernelCall::outputs);
    std::swap(Any(a), Any(b));
  }
  void MakeConstant() {
    if (!plan_.variables.empty()) Any(plan_.variables).kind = VariableKind::kConstant;
  }

  Rng& rng_;
  Plan& plan_;
  Entry& e_;
  std::vector<BufferId> placed_;
};

TEST(MutationTest, EveryRandomProgramIsPlannedSafely) {
  Rng rng(1);
  for (int i = 0; i < 600; ++i) {
    Program program = i % 6 == 5 ? TrainingProgram(rng, 1 + static_cast<int>(Below(rng, 8)))
                                 : RandomProgram(rng, 2 + static_cast<int>(Below(rng, 40)));
    constexpr ProgramRules kRules{.known_kernels = true, .decided_layouts = true};
    ASSERT_EQ(VerifyProgram(program.entry, program.variables, kRules), absl::OkStatus());
    Plan plan = Planned(std::move(program));
    ASSERT_EQ(VerifyProgram(plan.entries[0], plan.variables, kRules), absl::OkStatus());
    ASSERT_EQ(Simulate(plan).what, "") << TextOf(plan);
    ASSERT_EQ(VerifyMemory(plan), absl::OkStatus()) << TextOf(plan);
  }
}

TEST(MutationTest, EveryHarmfulMutantIsRefused) {
  Rng rng(2);
  std::set<Fault::Kind> kinds;
  std::unordered_set<std::string> seen;
  int harmful = 0, outside = 0, harmless = 0, harmless_accepted = 0;
  for (int i = 0; i < 250; ++i) {
    const Plan good = Planned(RandomProgram(rng, 4 + static_cast<int>(Below(rng, 24))));
    ASSERT_EQ(VerifyMemory(good), absl::OkStatus()) << TextOf(good);
    seen.insert(TextOf(good));
    for (int m = 0; m < 40; ++m) {
      Plan bad = good;
      for (int64_t n = Chance(rng, 80) ? 1 : 2; n > 0; --n) Mutator(rng, &bad).Mutate();
      if (!seen.insert(TextOf(bad)).second) continue;
      Fault fault = Simulate(bad);
      absl::Status status = VerifyMemory(bad);
      if (fault.kind == Fault::kNone) {
        ++harmless;
        harmless_accepted += status.ok();
        continue;
      }
      ++(fault.kind == Fault::kOutside ? outside : harmful);
      ASSERT_FALSE(status.ok()) << fault.what << "\nbefore:\n" << TextOf(good) << "after:\n" << TextOf(bad);
      ASSERT_EQ(ErrorClassOf(status), "PLAN") << status;
    }
  }
  std::cout << harmful << " mutants that overlap or read unwritten bytes: all refused; " << outside
            << " with a place outside: all refused; " << harmless << " harmless ones, of which " << harmless_accepted
            << " are accepted\n";
  EXPECT_GE(harmful, 1000);
  EXPECT_GE(outside, 100);
  EXPECT_GE(harmless_accepted, 100);  // it does not simply refuse everything that was touched
}

// The judge itself: what it must find, and what it must not.
TEST(ByteSimulatorTest, FindsWhatIsWrong) {
  auto judge = [](const std::string& calls) {
    auto p = ParseProgram(absl::StrCat(R"(program "p" arena=256
        buffer x: input f32[16]:a bytes=64 offset=0
        buffer a: temporary f32[16]:a bytes=64 offset=64
        buffer b: temporary f32[16]:a bytes=64 offset=64
        buffer y: output f32[16]:a bytes=64 offset=128
        input x = %x output y = %y )",
                                       calls));
    EXPECT_EQ(p.status(), absl::OkStatus());
    return Simulate(PlanOf(*std::move(p)));
  };
  EXPECT_EQ(judge("call (%a) = test.copy(%x) call (%b) = test.unary(%a) call (%y) = test.copy(%b)").what, "");
  EXPECT_EQ(judge("call (%a) = test.copy(%x) call (%b) = test.copy(%x) call (%y) = test.copy(%b)").what, "");
  EXPECT_EQ(judge("call (%a) = test.copy(%x) call (%y) = test.copy(%b)").kind, Fault::kUnwritten);
  EXPECT_EQ(judge("call (%a) = test.copy(%x)").kind, Fault::kUnwritten);  // the output
  EXPECT_EQ(judge("call (%a) = test.copy(%x) call (%b) = test.copy(%a) call (%y) = test.copy(%b)").kind,
            Fault::kOverlap);
  EXPECT_EQ(judge("call (%a) = test.copy(%x) call (%b) = test.copy(%x) call (%y) = test.copy(%a)").kind,
            Fault::kOverlap);
  EXPECT_EQ(judge("call (%a, %b) = test.copy(%x) call (%y) = test.copy(%x)").kind, Fault::kOverlap);
  EXPECT_EQ(judge("call (%y) = test.copy(%x) call (%x) = test.copy(%y)").kind, Fault::kOverlap);
  EXPECT_EQ(judge("call (%y) = test.copy(%x) scratch=64@0").kind, Fault::kOverlap);
  EXPECT_EQ(judge("call (%y) = test.copy(%x) scratch=65@64").kind, Fault::kOverlap);
  EXPECT_EQ(judge("call (%y) = test.copy(%x) scratch=64@64").what, "");
  EXPECT_EQ(judge("call (%y) = test.copy(%x) scratch=64@256").kind, Fault::kOutside);
}

}  // namespace
}  // namespace athanor
