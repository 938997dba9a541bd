#include "runtime/plan/verify_memory.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<KernelInfo> NoQuery(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never asked"); }
absl::StatusOr<std::unique_ptr<Kernel>> NoCreate(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never made"); }
ATH_REGISTER_KERNEL((KernelDef{"relu", NoQuery, NoCreate, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"mul", NoQuery, NoCreate, {{0, 0}, {0, 1}}}));
ATH_REGISTER_KERNEL((KernelDef{"conv", NoQuery, NoCreate, {}}));
ATH_REGISTER_KERNEL((KernelDef{"sgd", NoQuery, NoCreate, {{0, 0}}}));

// Each output over the input with its number plus the attribute "shift".
std::vector<std::pair<int, int>> ShiftedPairs(const Attributes& attrs, int inputs, int outputs) {
  std::vector<std::pair<int, int>> pairs;
  for (int k = outputs - 1; k >= 0; --k) {
    if (k + attrs.Int("shift") < inputs) pairs.emplace_back(k, static_cast<int>(k + attrs.Int("shift")));
  }
  return pairs;
}
ATH_REGISTER_KERNEL((KernelDef{"shifted", NoQuery, NoCreate, {{0, 0}}, ShiftedPairs}));

// One entry over 64-byte slots: every buffer is f32[16] unless it says otherwise, and slot n is at byte 64 n.
class VerifyMemoryTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSlot = 64;

  VerifyMemoryTest() {
    entry().name = "infer";
    entry().arena_bytes = plan.activation_bytes = 8 * kSlot;
  }

  Entry& entry() {
    if (plan.entries.empty()) plan.entries.emplace_back();
    return plan.entries[0];
  }
  BufferId Add(std::string name, BufferKind kind, int64_t slot, int64_t slots = 1) {
    Buffer b;
    b.name = std::move(name);
    b.kind = kind;
    b.desc = MemoryDesc::Plain(DType::kF32, {16 * slots});
    b.bytes = slots * kSlot;
    b.offset = slot < 0 ? kUnplaced : slot * kSlot;
    entry().buffers.push_back(b);
    return static_cast<BufferId>(entry().buffers.size() - 1);
  }
  BufferId Temporary(std::string name, int64_t slot, int64_t slots = 1) {
    return Add(std::move(name), BufferKind::kTemporary, slot, slots);
  }
  BufferId Input(std::string name, int64_t slot) {
    BufferId id = Add(name, BufferKind::kInput, slot);
    entry().inputs.push_back({name, id});
    return id;
  }
  BufferId Output(std::string name, int64_t slot) {
    BufferId id = Add(name, BufferKind::kOutput, slot);
    entry().outputs.push_back({name, id});
    return id;
  }
  BufferId View(std::string name, BufferId of, int64_t slots = 1) {
    BufferId id = Add(std::move(name), BufferKind::kTemporary, -1, slots);
    entry().buffers[id].alias_of = of;
    return id;
  }
  int AddVariable(std::string name, VariableKind kind, int64_t slot, int64_t slots = 1) {
    plan.variables.push_back(Variable{std::move(name), kind, MemoryDesc::Plain(DType::kF32, {16 * slots}), slot * kSlot,
                                      slots * kSlot, nullptr});
    plan.weight_bytes = std::max(plan.weight_bytes, (slot + slots) * kSlot);
    return static_cast<int>(plan.variables.size() - 1);
  }
  BufferId BufferOf(int variable) {
    const Variable& v = plan.variables[variable];
    BufferId id = Add(v.name, BufferKind::kVariable, -1, v.bytes / kSlot);
    entry().buffers[id].variable = variable;
    return id;
  }
  KernelCall& Call(std::string kernel, std::vector<BufferId> inputs, std::vector<BufferId> outputs) {
    KernelCall c;
    c.kernel = c.name = std::move(kernel);
    c.inputs = std::move(inputs);
    c.outputs = std::move(outputs);
    entry().calls.push_back(c);
    return entry().calls.back();
  }

  void ExpectGood() { EXPECT_EQ(VerifyMemory(plan), absl::OkStatus()); }
  // The message names the entry and all of `parts`.
  void ExpectBad(std::vector<std::string> parts) {
    absl::Status status = VerifyMemory(plan);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(ErrorClassOf(status), "PLAN");
    for (const std::string& part : parts) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  Plan plan;
};

TEST_F(VerifyMemoryTest, AChainThatReusesDeadMemoryIsGood) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 2), c = Temporary("c", 1), y = Output("y", 3);
  Call("conv", {x}, {a});
  Call("conv", {a}, {b});
  Call("conv", {b}, {c});  // where a was
  Call("conv", {c}, {y});
  ExpectGood();
}

TEST_F(VerifyMemoryTest, TheErrorNamesEntryCallAndBothBuffersWithTheirRanges) {
  BufferId x = Input("x", 0), a = Temporary("a", 1, 2), b = Temporary("b", 2), y = Output("y", 4);
  Call("conv", {x}, {a});
  Call("conv", {x}, {b});
  Call("conv", {a, b}, {y}).name = "conv2";
  EXPECT_EQ(VerifyMemory(plan).message(),
            "PLAN: entry \"infer\": call 2 \"conv2\" (conv): reads buffer 1 \"a\" [64, 192), but byte 128 of the arena "
            "holds buffer 2 \"b\" [128, 192)");
}

TEST_F(VerifyMemoryTest, WhatWasNeverWrittenIsNotRead) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), y = Output("y", 2);
  Call("conv", {x, a}, {y});
  Call("conv", {x}, {a});
  ExpectBad({"entry \"infer\"", "call 0", "buffer 1 \"a\" [64, 128)", "byte 64", "not written"});
}

TEST_F(VerifyMemoryTest, AnOutputThatNoCallWritesIsFound) {
  BufferId x = Input("x", 0), a = Temporary("a", 1);
  Output("y", 2);
  Call("conv", {x}, {a});
  ExpectBad({"at the end", "\"y\"", "not written"});
}

TEST_F(VerifyMemoryTest, AnOutputThatIsOverwrittenIsFound) {
  BufferId x = Input("x", 0), y = Output("y", 2), a = Temporary("a", 2);
  Call("conv", {x}, {y});
  Call("conv", {x}, {a});
  ExpectBad({"at the end", "output \"y\"", "holds buffer 2 \"a\" [128, 192)"});
}

TEST_F(VerifyMemoryTest, AnInputIsNeverOverwrittenEvenAfterItsLastUse) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), y = Output("y", 0);
  Call("conv", {x}, {a});
  Call("conv", {a}, {y});
  ExpectBad({"call 1", "overwrites the entry's input buffer 0 \"x\" [0, 64)"});
}

TEST_F(VerifyMemoryTest, AnInputIsNotOverwrittenInPlaceNorByScratchNorByAnotherInput) {
  BufferId x = Input("x", 0), y = Output("y", 0);
  Call("relu", {x}, {y});
  ExpectBad({"overwrites the entry's input buffer 0 \"x\""});
  entry().buffers[y].offset = kSlot;
  ExpectGood();
  KernelCall& c = Call("conv", {y}, {Temporary("a", 2)});
  c.scratch_bytes = 8;
  c.scratch_offset = 0;
  ExpectBad({"scratch", "overwrites the entry's input buffer 0 \"x\""});
  c.scratch_offset = 3 * kSlot;
  ExpectGood();
  Input("x2", 0);
  ExpectBad({"input \"x2\"", "overwrites the entry's input buffer 0 \"x\""});
}

TEST_F(VerifyMemoryTest, InPlaceIsGoodWhereTheKernelAllowsItAndTheOperandDies) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 1), y = Output("y", 1);
  Call("conv", {x}, {a});
  Call("relu", {a}, {b});
  Call("mul", {x, b}, {y});
  ExpectGood();
  entry().calls[2].inputs = {b, x};
  ExpectGood();
}

TEST_F(VerifyMemoryTest, InPlaceNeedsTheKernelsWord) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), y = Output("y", 1);
  Call("conv", {x}, {a});
  Call("conv", {a}, {y});
  ExpectBad({"call 1", "output 0, buffer 2 \"y\" [64, 128)", "input 0, buffer 1 \"a\" [64, 128)", "in place"});
  entry().calls[1].kernel = "sgd";
  ExpectGood();
  entry().calls[1].inputs = {x, a};  // only input 0 may be taken over
  ExpectBad({"input 1, buffer 1 \"a\""});
}

TEST_F(VerifyMemoryTest, InPlaceMayDependOnTheCall) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 2), y = Output("y", 1), z = Output("z", 2);
  Call("conv", {x}, {a, b});
  Call("shifted", {a, b}, {y, z});
  ExpectGood();
  entry().calls[1].inputs = {x, a, b};
  ExpectBad({"call 1", "overlaps input", "which kernel shifted cannot take in place"});
  entry().calls[1].attrs.Set("shift", 1);
  ExpectGood();
}

TEST_F(VerifyMemoryTest, InPlaceNeedsTheSameDescAndTheSamePlace) {
  BufferId x = Input("x", 0), a = Temporary("a", 1, 2), y = Output("y", 1);
  Call("conv", {x}, {a});
  Call("relu", {a}, {y});
  ExpectBad({"output 0", "input 0"});  // f32[32] against f32[16]
  entry().buffers[a] = entry().buffers[y];
  entry().buffers[a].kind = BufferKind::kTemporary;
  ExpectGood();
  entry().buffers[a].desc = MemoryDesc::Plain(DType::kF32, {4, 4});
  ExpectBad({"output 0", "input 0"});
}

TEST_F(VerifyMemoryTest, AnOperandTakenOverInPlaceIsGone) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 1), y = Output("y", 2);
  Call("conv", {x}, {a});
  Call("relu", {a}, {b});
  Call("mul", {a, b}, {y});
  ExpectBad({"call 2", "reads buffer 1 \"a\"", "holds buffer 2 \"b\""});
}

TEST_F(VerifyMemoryTest, OperandsAndScratchOfOneCallAreDisjoint) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 1);
  KernelCall& c = Call("conv", {x}, {a, b});
  ExpectBad({"call 0", "output 0, buffer 1 \"a\" [64, 128)", "overlaps", "output 1, buffer 2 \"b\" [64, 128)"});
  c.outputs = {a, a};
  ExpectBad({"output 0, buffer 1 \"a\"", "output 1, buffer 1 \"a\""});
  c.outputs = {a};
  c.scratch_bytes = 100;
  c.scratch_offset = kSlot;
  ExpectBad({"scratch [64, 164)", "output 0, buffer 1 \"a\""});
  c.scratch_offset = 2 * kSlot;
  ExpectGood();
  KernelCall& d = Call("conv", {a}, {Temporary("y", 5)});
  d.scratch_bytes = 65;
  d.scratch_offset = 0;
  ExpectBad({"call 1", "scratch [0, 65) overlaps input 0, buffer 1 \"a\""});
}

TEST_F(VerifyMemoryTest, ScratchDestroysWhatItCovers) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), b = Temporary("b", 2), y = Output("y", 3);
  Call("conv", {x}, {a});
  KernelCall& c = Call("conv", {x}, {b});
  c.scratch_bytes = 1;
  c.scratch_offset = kSlot;
  Call("mul", {a, b}, {y});
  ExpectBad({"call 2", "reads buffer 1 \"a\" [64, 128), but byte 64", "scratch"});
}

TEST_F(VerifyMemoryTest, AViewIsTheBytesOfWhatItViews) {
  BufferId x = Input("x", 0), a = Temporary("a", 1, 2), flat = View("flat", a, 2), flatter = View("flatter", flat, 2);
  BufferId b = Temporary("b", 1), y = Output("y", 4);
  Call("conv", {x}, {flat});
  Call("conv", {a}, {y});
  ExpectGood();
  Call("conv", {x}, {b});
  Call("conv", {flatter}, {Temporary("z", 5)});
  ExpectBad({"call 3", "reads buffer 3 \"flatter\" [64, 192), but byte 64", "holds buffer 4 \"b\" [64, 128)"});
  entry().calls[3].inputs = {b};
  ExpectGood();
  entry().buffers[flat].bytes = 3 * kSlot;
  ExpectBad({"\"flat\"", "has 192 bytes, it is a view of buffer 1 \"a\" [64, 192) of 128 bytes"});
}

TEST_F(VerifyMemoryTest, AViewThatIsAnOutputKeepsItsRootToTheEnd) {
  BufferId x = Input("x", 0), a = Temporary("a", 1), y = View("y", a), b = Temporary("b", 1);
  entry().buffers[y].kind = BufferKind::kOutput;
  entry().outputs.push_back({"y", y});
  Call("conv", {x}, {a});
  ExpectGood();
  Call("conv", {x}, {b});
  ExpectBad({"at the end, output \"y\"", "buffer 3 \"b\""});
}

TEST_F(VerifyMemoryTest, ViewsWithoutARootAreFound) {
  BufferId a = View("a", 1), b = View("b", 0);
  ExpectBad({"\"a\"", "views itself"});
  entry().buffers[b].alias_of = 2;
  ExpectBad({"\"b\"", "views buffer 2, which there is not"});
  entry().buffers[b].alias_of = -2;
  ExpectBad({"views buffer -2"});
  entry().buffers[b].alias_of = kNoBuffer;
  entry().buffers[a].offset = 0;
  ExpectBad({"\"a\"", "place or variable of its own"});
}

TEST_F(VerifyMemoryTest, VariablesAreReadAtAnyTimeAndUpdatedInPlaceThroughAnyBufferOfTheirs) {
  int w = AddVariable("w", VariableKind::kParameter, 0, 2);
  BufferId x = Input("x", 0), g = Temporary("g", 1, 2), w1 = BufferOf(w), w2 = BufferOf(w);
  Call("conv", {x, w1}, {g});
  Call("sgd", {w1, g}, {w2});
  Call("conv", {w1}, {g});
  ExpectGood();
  entry().calls[1].inputs = {g, w1};  // the output is input 1's memory: not in the kernel's list
  ExpectBad({"call 1", "output 0, buffer 3 \"w\" weights[0, 128)", "input 1, buffer 2 \"w\" weights[0, 128)"});
  entry().calls[1].inputs = {g};  // a full write
  ExpectGood();
}

TEST_F(VerifyMemoryTest, ConstantsAreNotWrittenAndVariablesOnlyAsAWhole) {
  int w = AddVariable("w", VariableKind::kState, 0, 2), c = AddVariable("c", VariableKind::kConstant, 2);
  BufferId x = Input("x", 0), wb = BufferOf(w), part = View("part", wb), cb = BufferOf(c);
  Call("conv", {x}, {part});
  ExpectBad({"writes buffer 2 \"part\" weights[0, 64), a part of the variable \"w\""});
  entry().calls[0].outputs = {cb};
  ExpectBad({"writes buffer 3 \"c\" weights[128, 192), the constant \"c\""});
  entry().calls[0].outputs = {wb};
  ExpectGood();
}

TEST_F(VerifyMemoryTest, VariablesDoNotOverlapAndStayInTheirArena) {
  AddVariable("a", VariableKind::kParameter, 1, 2);
  AddVariable("b", VariableKind::kParameter, 0);
  ExpectGood();
  plan.variables[1].offset = 2 * kSlot;
  ExpectBad({"variable \"a\" weights[64, 192) overlaps variable \"b\" weights[128, 192)"});
  plan.variables[1].offset = 3 * kSlot;
  ExpectBad({"variable \"b\"", "offset 192 and 64 bytes", "weight arena of 192 bytes"});
  plan.variables[1].offset = kUnplaced;
  ExpectBad({"variable \"b\"", "offset -1"});
  plan.variables[1].offset = 0;
  plan.variables[1].bytes = 0;
  ExpectBad({"variable \"b\"", "has 0 bytes; f32[16]:a needs at least 64"});
}

TEST_F(VerifyMemoryTest, ABufferOfAVariableHasItsDescAndBytes) {
  int w = AddVariable("w", VariableKind::kParameter, 0);
  BufferId wb = BufferOf(w);
  ExpectGood();
  entry().buffers[wb].desc.dims = {4, 4};
  ExpectBad({"buffer 0 \"w\"", "its variable \"w\" is f32[16]:a of 64 bytes"});
  entry().buffers[wb] = Buffer{"w", BufferKind::kVariable, plan.variables[w].desc, 0, kSlot, w};
  ExpectBad({"offset 0 of its own"});
  entry().buffers[wb].variable = 1;
  ExpectBad({"names variable 1, which there is not"});
}

TEST_F(VerifyMemoryTest, EveryPlaceIsAlignedAndInsideTheArena) {
  BufferId x = Input("x", 0);
  Call("conv", {x}, {Temporary("a", 7)});
  ExpectGood();
  Buffer& a = entry().buffers[1];
  for (int64_t offset : {int64_t{8} * kSlot, int64_t{-64}, kUnplaced, int64_t{4}, kSlot + 32,
                         std::numeric_limits<int64_t>::max() - 63, std::numeric_limits<int64_t>::min()}) {
    a.offset = offset;
    ExpectBad({"buffer 1 \"a\"", absl::StrFormat("offset %d and 64 bytes", offset), "activation arena of 512 bytes"});
  }
  a.offset = kSlot;
  KernelCall& c = entry().calls[0];
  c.scratch_bytes = kSlot + 1;
  for (int64_t offset : {int64_t{7} * kSlot, int64_t{-64}, kUnplaced, int64_t{1}}) {
    c.scratch_offset = offset;
    ExpectBad({"call 0", "scratch: offset"});
  }
  c.scratch_offset = 2 * kSlot;
  c.scratch_bytes = -64;
  ExpectBad({"call 0", "scratch: offset"});
}

TEST_F(VerifyMemoryTest, BytesHoldTheElementsAndTheLayoutIsDecided) {
  BufferId x = Input("x", 0);
  Buffer& b = entry().buffers[x];
  b.desc.dims = {17};
  ExpectBad({"buffer 0 \"x\"", "has 64 bytes; f32[17]:a needs at least 68"});
  b.desc.dims = {int64_t{1} << 40, int64_t{1} << 40};
  ExpectBad({"buffer 0 \"x\"", "overflows"});
  b.desc.dims = {-1};
  ExpectBad({"buffer 0 \"x\"", "negative"});
  b.desc = MemoryDesc{DType::kF32, {16}, ""};
  ExpectBad({"no dtype or no layout"});
  b.desc = MemoryDesc{static_cast<DType>(99), {16}, "a"};
  ExpectBad({"no dtype or no layout"});
  b.desc = MemoryDesc::Plain(DType::kF32, {1});
  b.bytes = 4;
  ExpectBad({"has 4 bytes", "multiple of 64"});
}

TEST_F(VerifyMemoryTest, IndicesNameWhatThereIs) {
  BufferId x = Input("x", 0), a = Temporary("a", 1);
  KernelCall& c = Call("conv", {x}, {a});
  for (BufferId bad : {2, -1, -7, 1 << 30}) {
    c.inputs = {bad};
    ExpectBad({"call 0 \"conv\" (conv)", absl::StrFormat("names buffer %d", bad)});
    c.inputs = {x};
    c.outputs = {bad};
    ExpectBad({absl::StrFormat("names buffer %d", bad)});
    c.outputs = {a};
    entry().outputs = {{"y", bad}};
    ExpectBad({absl::StrFormat("output \"y\" is buffer %d", bad)});
    entry().outputs.clear();
  }
  c.post_ops = {PostOp{"Add", {}, 1}};
  ExpectBad({"post-op Add reads input 1 of 1"});
  c.post_ops = {PostOp{"Add", {}, 0}, PostOp{"ReLU", {}, -1}};
  ExpectGood();
  c.threads = 0;
  ExpectBad({"0 threads"});
}

TEST_F(VerifyMemoryTest, InputsAreTheBuffersOfThatKind) {
  BufferId x = Input("x", 0), a = Temporary("a", 1);
  ExpectGood();
  entry().inputs.push_back({"a", a});
  ExpectBad({"input \"a\" is buffer 1 \"a\""});
  entry().inputs = {{"x", x}, {"again", x}};
  ExpectBad({"input \"again\" is buffer 0 \"x\" [0, 64), as another input is"});
  entry().inputs.clear();
  ExpectBad({"buffer 0 \"x\" [0, 64) is of kind input, and no input of the entry"});
  entry().inputs = {{"x", 9}};
  ExpectBad({"input \"x\" is buffer 9"});
  entry().inputs = {{"x", x}};
  entry().buffers[a].kind = static_cast<BufferKind>(9);
  ExpectBad({"unknown kind 9"});
}

TEST_F(VerifyMemoryTest, AKernelThatThisBuildLacksIsNamed) {
  Call("conv3d", {Input("x", 0)}, {Temporary("a", 1)}).name = "block1/conv";
  ExpectBad({"call 0 \"block1/conv\" (conv3d)", "no kernel \"conv3d\""});
}

TEST_F(VerifyMemoryTest, UnusedBuffersNeedNoPlaceAndEmptyOnesNoBytes) {
  Temporary("unused", -1);
  BufferId x = Input("x", 0), none = Temporary("none", 0), y = Output("y", 1);
  entry().buffers[none].desc = MemoryDesc::Plain(DType::kF32, {0, 3});
  entry().buffers[none].bytes = 0;
  Call("conv", {none, x}, {y});
  ExpectGood();
}

TEST_F(VerifyMemoryTest, EveryEntryIsCheckedAndFitsTheActivationArena) {
  BufferId x = Input("x", 0), y = Output("y", 1);
  Call("conv", {x}, {y});
  plan.entries.push_back(Entry(entry()));
  plan.entries[1].name = "train";
  ExpectGood();
  plan.entries[1].calls[0].outputs = {x};
  ExpectBad({"entry \"train\": call 0"});
  plan.entries[1] = plan.entries[0];
  plan.entries[1].name = "train";
  plan.entries[1].arena_bytes = plan.activation_bytes + 1;
  ExpectBad({"entry \"train\" needs an arena of 513 bytes, the plan has 512"});
}

// A hostile plan must not cost quadratic time: many calls over many small places, wide calls, long chains of views.
TEST_F(VerifyMemoryTest, LargePlansAreCheckedInNearlyLinearTime) {
  constexpr int kCalls = 20000;
  entry().arena_bytes = plan.activation_bytes = 2 * (kCalls + 2) * kSlot;
  std::vector<BufferId> row = {Input("x", 0)};
  for (int i = 1; i < kCalls; ++i) {
    row.push_back(Temporary("t", i));
    Call("conv", {row[i - 1]}, {row[i]});
  }
  std::vector<BufferId> wide;
  for (int i = 0; i < kCalls; ++i) wide.push_back(Temporary("w", kCalls + i));
  Call("conv", row, wide);
  BufferId big = Temporary("big", kCalls, kCalls), view = big;
  Call("conv", {row[1]}, {big});
  for (int i = 0; i < kCalls; ++i) view = View("v", view, kCalls);
  Call("conv", {view}, {Temporary("last", 2 * kCalls)});
  ExpectGood();
  entry().calls.back().inputs = {wide[7]};
  ExpectBad({"reads buffer 20007 \"w\"", "holds buffer 40000 \"big\""});
}

}  // namespace
}  // namespace athanor
