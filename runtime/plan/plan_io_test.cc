#include "runtime/plan/plan_io.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/container/container.h"
#include "runtime/container/testing/corrupt.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

// A fully connected layer with a view of its output, over blocked weights.
Plan Example() {
  Plan p;
  p.model_name = "mlp";
  p.model_hash = 0x123456789abcdef0;
  p.metadata = {{"classes", Strings{"0", "1"}}};
  p.target = {"avx2", "3.2.0", 2};
  Variable w{"fc.weight", VariableKind::kParameter, {DType::kF32, {10, 20}, "Ab16a"}, 0, 1280, nullptr};
  Variable m{"fc.weight/m",
             VariableKind::kState,
             {DType::kF32, {10, 20}, "Ab16a"},
             1280,
             1280,
             std::make_shared<const Tensor>(*Tensor::Create(DType::kF32, {10, 20}))};
  Variable k{"one",
             VariableKind::kConstant,
             MemoryDesc::Plain(DType::kF32, {}),
             2560,
             64,
             std::make_shared<const Tensor>(Tensor::Scalar(1.0f))};
  p.variables = {w, m, k};
  Entry e;
  e.name = "infer@N=8";
  e.symbols = {{"N", 8}};
  auto buffer = [&](std::string name, BufferKind kind, MemoryDesc desc, int64_t offset, int64_t bytes) {
    Buffer b;
    b.name = std::move(name);
    b.kind = kind;
    b.desc = std::move(desc);
    b.offset = offset;
    b.bytes = bytes;
    e.buffers.push_back(b);
    return static_cast<BufferId>(e.buffers.size() - 1);
  };
  BufferId x = buffer("x", BufferKind::kInput, MemoryDesc::Plain(DType::kF32, {8, 20}), 0, 640);
  BufferId weight = buffer("w", BufferKind::kVariable, w.desc, kUnplaced, 1280);
  e.buffers[weight].variable = 0;
  BufferId y = buffer("y", BufferKind::kOutput, MemoryDesc::Plain(DType::kF32, {8, 10}), 640, 320);
  BufferId flat = buffer("flat", BufferKind::kTemporary, MemoryDesc::Plain(DType::kF32, {80}), kUnplaced, 320);
  e.buffers[flat].alias_of = y;
  KernelCall c;
  c.kernel = "inner_product";
  c.name = "fc";
  c.attrs = {{"bias", false}, {"scale", 0.5}};
  c.post_ops = {{"ReLU", {{"alpha", 0.0}}, -1}, {"Add", {}, 0}};
  c.inputs = {x, weight};
  c.outputs = {y};
  c.threads = 2;
  c.scratch_bytes = 100;
  c.scratch_offset = 960;
  c.impl = "jit:avx2";
  c.flops = 3200;
  c.bytes = 1760;
  e.calls = {c};
  e.inputs = {{"x", x}};
  e.outputs = {{"y", y}, {"flat", flat}};
  e.arena_bytes = 1088;
  e.reorders = 1;
  p.entries = {e};
  p.weight_bytes = 2624;
  p.activation_bytes = 1088;
  return p;
}

void ExpectError(const absl::Status& status, absl::string_view error_class, const std::string& part) {
  EXPECT_EQ(ErrorClassOf(status), error_class) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

void ExpectSameVariable(const Variable& a, const Variable& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.desc, b.desc);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(a.bytes, b.bytes);
  ASSERT_EQ(a.data == nullptr, b.data == nullptr);
  if (a.data == nullptr) return;
  EXPECT_EQ(a.data->as<float>(), b.data->as<float>());
}

void ExpectSameCall(const KernelCall& a, const KernelCall& b) {
  EXPECT_EQ(a.kernel, b.kernel);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.attrs, b.attrs);
  EXPECT_EQ(a.post_ops, b.post_ops);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.threads, b.threads);
  EXPECT_EQ(a.scratch_bytes, b.scratch_bytes);
  EXPECT_EQ(a.scratch_offset, b.scratch_offset);
  EXPECT_EQ(a.impl, b.impl);
  EXPECT_EQ(a.flops, b.flops);
  EXPECT_EQ(a.bytes, b.bytes);
}

void ExpectSameEntry(const Entry& a, const Entry& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.symbols, b.symbols);
  EXPECT_EQ(a.arena_bytes, b.arena_bytes);
  EXPECT_EQ(a.reorders, b.reorders);
  ASSERT_EQ(a.buffers.size(), b.buffers.size());
  for (size_t i = 0; i < a.buffers.size(); ++i) {
    const Buffer &x = a.buffers[i], &y = b.buffers[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.desc, y.desc);
    EXPECT_EQ(x.offset, y.offset);
    EXPECT_EQ(x.bytes, y.bytes);
    EXPECT_EQ(x.variable, y.variable);
    EXPECT_EQ(x.alias_of, y.alias_of);
  }
  ASSERT_EQ(a.calls.size(), b.calls.size());
  for (size_t i = 0; i < a.calls.size(); ++i) ExpectSameCall(a.calls[i], b.calls[i]);
  for (auto member : {&Entry::inputs, &Entry::outputs}) {
    ASSERT_EQ((a.*member).size(), (b.*member).size());
    for (size_t i = 0; i < (a.*member).size(); ++i) {
      EXPECT_EQ((a.*member)[i].name, (b.*member)[i].name);
      EXPECT_EQ((a.*member)[i].buffer, (b.*member)[i].buffer);
    }
  }
}

void ExpectSame(const Plan& a, const Plan& b) {
  EXPECT_EQ(a.model_name, b.model_name);
  EXPECT_EQ(a.model_hash, b.model_hash);
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.target.isa, b.target.isa);
  EXPECT_EQ(a.target.onednn_version, b.target.onednn_version);
  EXPECT_EQ(a.target.threads, b.target.threads);
  EXPECT_EQ(a.weight_bytes, b.weight_bytes);
  EXPECT_EQ(a.activation_bytes, b.activation_bytes);
  ASSERT_EQ(a.variables.size(), b.variables.size());
  for (size_t i = 0; i < a.variables.size(); ++i) ExpectSameVariable(a.variables[i], b.variables[i]);
  ASSERT_EQ(a.entries.size(), b.entries.size());
  for (size_t i = 0; i < a.entries.size(); ++i) ExpectSameEntry(a.entries[i], b.entries[i]);
}

TEST(PlanIoTest, KeepsEverything) {
  auto bytes = SerializePlan(Example());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  auto back = ParsePlan(*bytes, "f");
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, Example());
  EXPECT_EQ(*SerializePlan(*back), *bytes);
}

TEST(PlanIoTest, WritesAndReadsFiles) {
  std::string path = ::testing::TempDir() + "/plan_io_test.plan";
  ASSERT_TRUE(WritePlan(Example(), path).ok());
  auto back = ReadPlan(path);
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, Example());
  std::filesystem::remove(path);
  ExpectError(ReadPlan(path).status(), "PATH", path);
}

TEST(PlanIoTest, CheckpointsHoldParametersAndState) {
  std::vector<TensorSpec> specs = CheckpointSpecs(Example());
  ASSERT_EQ(specs.size(), 2u);
  EXPECT_EQ(specs[0].name, "fc.weight");
  EXPECT_EQ(specs[1].shape, (Shape{10, 20}));
}

TEST(PlanIoTest, BytesInALayoutIncludeItsPadding) {
  auto bytes = [](Shape dims, std::string layout) { return BytesInLayout({DType::kF32, dims, layout}).value_or(-1); };
  EXPECT_EQ(bytes({}, "a"), 4);
  EXPECT_EQ(bytes({2, 3}, "ba"), 24);
  EXPECT_EQ(bytes({2, 3, 5, 5}, "acdb"), 600);
  EXPECT_EQ(bytes({2, 3, 5, 5}, "aBcd16b"), 2 * 16 * 25 * 4);
  EXPECT_EQ(bytes({20, 3, 5, 5}, "ABcd4b16a4b"), 32 * 16 * 25 * 4);
  EXPECT_EQ(bytes({0, 3}, "Ab16a"), 0);
  for (const char* bad :
       {"", "a", "abc", "aa", "ac", "ab0a", "ab16", "ab16c", "ab16A", "a b", "ab99999a", "ab-1a", "ab4096a2a", "any"}) {
    EXPECT_EQ(ErrorClassOf(BytesInLayout({DType::kF32, {2, 3}, bad}).status()), "PLAN") << bad;
  }
  EXPECT_EQ(ErrorClassOf(BytesInLayout({DType::kF32, {INT64_MAX}, "A16a"}).status()), "LIMIT");
}

TEST(PlanIoTest, MemoryAboveTheLimitIsRefusedWithBothNumbers) {
  std::string bytes = *SerializePlan(Example());
  EXPECT_TRUE(ParsePlan(bytes, "f", {.max_memory = 3712}).ok());
  ExpectError(ParsePlan(bytes, "f", {.max_memory = 3711}).status(), "LIMIT",
              "f: 2624 bytes of weights and 1088 of activations are above the limit of 3711 bytes");
  Plan p = Example();
  p.activation_bytes = int64_t{1} << 50;
  ExpectError(ParsePlan(*SerializePlan(p), "f").status(), "LIMIT", "1125899906842624 of activations");
  p.weight_bytes = p.activation_bytes = std::numeric_limits<int64_t>::max();
  ExpectError(SerializePlan(p).status(), "LIMIT", "are above the limit");
}

// Each changes one thing of a good plan.
class CheckPlanTest : public ::testing::Test {
 protected:
  template <typename Change>
  void ExpectRefused(Change change, const std::string& part, absl::string_view error_class = "PLAN") {
    Plan p = Example();
    change(p);
    ExpectError(CheckPlan(p), error_class, part);
  }
  template <typename Change>
  void ExpectBufferRefused(int i, Change change, const std::string& part, absl::string_view error_class = "PLAN") {
    ExpectRefused([&](Plan& p) { change(p.entries[0].buffers[i]); }, part, error_class);
  }
  template <typename Change>
  void ExpectCallRefused(Change change, const std::string& part) {
    ExpectRefused([&](Plan& p) { change(p.entries[0].calls[0]); }, part);
  }
};

TEST_F(CheckPlanTest, AcceptsAGoodPlan) { EXPECT_TRUE(CheckPlan(Example()).ok()) << CheckPlan(Example()); }

TEST_F(CheckPlanTest, Variables) {
  ExpectRefused([](Plan& p) { p.variables[1].name = "fc.weight"; }, "variable \"fc.weight\" is there twice");
  ExpectRefused([](Plan& p) { p.variables[1].name = ""; }, "variable without a name");
  ExpectRefused([](Plan& p) { p.variables[1].name = "\x1b"; }, "is no printable UTF-8");
  ExpectRefused([](Plan& p) { p.variables[0].kind = static_cast<VariableKind>(7); },
                "variable \"fc.weight\": unknown kind 7");
  ExpectRefused([](Plan& p) { p.variables[0].bytes = 1216; }, "f32[10,20]:Ab16a needs 1280 bytes, but has 1216");
  ExpectRefused([](Plan& p) { p.variables[1].offset = 1408; },
                "1280 bytes at 1408 are beyond the weight arena of 2624");
  ExpectRefused([](Plan& p) { p.variables[1].offset = INT64_MAX - 63; }, "are beyond the weight arena");
  ExpectRefused([](Plan& p) { p.variables[1].offset = 32; }, "the offset 32 is no multiple of 64");
  ExpectRefused([](Plan& p) { p.variables[1].offset = -64; }, "the offset -64");
  ExpectRefused([](Plan& p) { p.variables[0].bytes = 1300; }, "1300 bytes are no multiple of 64");
  ExpectRefused(
      [](Plan& p) {
        p.variables[1].desc = MemoryDesc::Plain(DType::kF32, {20, 10});
      },
      "the data is f32[10,20], but the variable f32[20,10]:ab");
  ExpectRefused([](Plan& p) { p.variables[0].desc.layout = "Ab16c"; }, "\"Ab16c\" is no layout of 2 dimensions");
  ExpectRefused([](Plan& p) { p.variables[0].desc.dims = {-10, 20}; }, "negative dimension", "SHAPE");
}

TEST_F(CheckPlanTest, Buffers) {
  ExpectBufferRefused(
      0, [](Buffer& b) { b.offset = 1024; },
      "entry \"infer@N=8\": buffer 0 \"x\": 640 bytes at 1024 are "
      "beyond the arena of 1088");
  ExpectBufferRefused(
      0, [](Buffer& b) { b.bytes = 576; }, "f32[8,20]:ab needs 640 bytes, but has 576");
  ExpectBufferRefused(
      0,
      [](Buffer& b) {
        b.desc.dims = {INT64_MAX, 20};
      },
      "overflows", "LIMIT");
  ExpectBufferRefused(
      0, [](Buffer& b) { b.variable = 0; }, "names variable 0 without being one");
  ExpectBufferRefused(
      1, [](Buffer& b) { b.variable = 3; }, "there is no variable 3 of 3");
  ExpectBufferRefused(
      1, [](Buffer& b) { b.variable = -1; }, "there is no variable -1");
  ExpectBufferRefused(
      1, [](Buffer& b) { b.variable = 2; }, "1280 bytes are more than variable one has, 64");
  ExpectBufferRefused(
      3, [](Buffer& b) { b.alias_of = 4; }, "buffer 3 \"flat\": views buffer 4 of 4");
  ExpectBufferRefused(
      3, [](Buffer& b) { b.alias_of = -7; }, "views buffer -7 of 4");
  ExpectBufferRefused(
      3, [](Buffer& b) { b.alias_of = 3; }, "is a view of itself");
  ExpectBufferRefused(
      2, [](Buffer& b) { b.alias_of = 3; }, "is a view of itself");
  ExpectBufferRefused(
      3, [](Buffer& b) { b.bytes = 384; }, "384 bytes are more than those of buffer 2 \"y\"");
  ExpectBufferRefused(
      3, [](Buffer& b) { b.kind = static_cast<BufferKind>(9); }, "unknown kind 9");
}

TEST_F(CheckPlanTest, Calls) {
  ExpectCallRefused([](KernelCall& c) { c.inputs[1] = 4; }, "call \"fc\": input 1: there is no buffer 4 of 4");
  ExpectCallRefused([](KernelCall& c) { c.outputs[0] = -1; }, "output 0: there is no buffer -1");
  ExpectCallRefused([](KernelCall& c) { c.kernel = ""; }, "a kernel without a name");
  ExpectCallRefused([](KernelCall& c) { c.post_ops[1].operand = 2; },
                    "post-op Add: operand 2 is not among the 2 inputs");
  ExpectCallRefused([](KernelCall& c) { c.post_ops[1].operand = -2; }, "operand -2");
  ExpectCallRefused([](KernelCall& c) { c.post_ops.resize(33, {"ReLU", {}, -1}); }, "33 post-ops are above the limit");
  ExpectCallRefused([](KernelCall& c) { c.threads = 0; }, "0 threads are not in 1..4096");
  ExpectCallRefused([](KernelCall& c) { c.threads = 1 << 30; }, "threads are not in");
  ExpectCallRefused([](KernelCall& c) { c.scratch_bytes = -1; }, "-1 bytes of scratch");
  ExpectCallRefused([](KernelCall& c) { c.scratch_bytes = INT64_MAX; }, "bytes of scratch");
  ExpectCallRefused([](KernelCall& c) { c.scratch_offset = 1024; }, "scratch: 128 bytes at 1024 are beyond the arena");
  ExpectCallRefused([](KernelCall& c) { c.flops = std::nan(""); }, "floating-point operations");
}

TEST_F(CheckPlanTest, EntriesAndTarget) {
  ExpectRefused([](Plan& p) { p.entries.push_back(p.entries[0]); }, "entry \"infer@N=8\" is there twice");
  ExpectRefused([](Plan& p) { p.entries[0].arena_bytes = 1152; }, "its arena of 1152 bytes is beyond the plan's 1088");
  ExpectRefused([](Plan& p) { p.entries[0].inputs[0].buffer = 9; }, "input \"x\": there is no buffer 9 of 4");
  ExpectRefused([](Plan& p) { p.entries[0].outputs[1].name = "y"; }, "output \"y\" is there twice");
  ExpectRefused([](Plan& p) { p.entries[0].symbols["N"] = -8; }, "symbol \"N\" is -8");
  ExpectRefused([](Plan& p) { p.target.threads = 0; }, "0 threads");
  ExpectRefused([](Plan& p) { p.weight_bytes = -64; }, "-64 bytes of weights");
}

TEST_F(CheckPlanTest, LongChainsOfViewsTakeLinearTime) {
  Plan p = Example();
  std::vector<Buffer>& buffers = p.entries[0].buffers;
  for (int i = 0; i < 200000; ++i) {
    Buffer view = buffers[3];
    view.alias_of = static_cast<BufferId>(buffers.size() + 1);
    buffers.push_back(view);
  }
  buffers.back().alias_of = 2;
  EXPECT_TRUE(CheckPlan(p).ok()) << CheckPlan(p);
  buffers.back().alias_of = 4;
  ExpectError(CheckPlan(p), "PLAN", "is a view of itself");
}

TEST(PlanIoTest, EveryTruncationIsRefused) {
  const std::string good = *SerializePlan(Example());
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(ErrorClassOf(ParsePlan(good.substr(0, n), "f").status()), "FORMAT") << n;
  }
}

TEST(PlanIoTest, NoCorruptionCrashes) {
  int read = 0, refused = 0;
  ForEachCorruption(*SerializePlan(Example()), [&](const std::string& bad, size_t at) {
    auto plan = ParsePlan(bad, "f");
    if (plan.ok()) {
      ++read;
      EXPECT_TRUE(CheckPlan(*plan).ok()) << at;
    } else {
      ++refused;
      EXPECT_NE(ErrorClassOf(plan.status()), "") << at << ": " << plan.status();
    }
  });
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace athanor
