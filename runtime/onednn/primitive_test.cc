#include <new>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

CallSpec Spec(std::vector<MemoryDesc> inputs, std::vector<PostOp> post_ops = {}) {
  return CallSpec{"kernel", "node", {}, std::move(post_ops), std::move(inputs), {}, 1};
}

// max(a + b, 0), which has two inputs, a post-op with an operand, and runs in place if asked to.
std::unique_ptr<Kernel> AddThenScale(const CallSpec& spec) {
  const dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
  std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC_0, PrimitiveArg::kInput, 0, md},
                                    {DNNL_ARG_SRC_1, PrimitiveArg::kInput, 1, md},
                                    {DNNL_ARG_DST, PrimitiveArg::kOutput, 0, md}};
  auto attr = MakeAttr(spec, 2, &args);
  ATH_CHECK_OK(attr.status());
  dnnl::binary::primitive_desc pd(CpuEngine(), dnnl::algorithm::binary_add, md, md, md, *attr);
  args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()});
  return std::make_unique<PrimitiveKernel>(dnnl::binary(pd), std::move(args));
}

TEST(PrimitiveKernel, RunsWithItsPostOpsWhereItIsBound) {
  const MemoryDesc matrix = MemoryDesc::Plain(DType::kF32, {2, 3}), row = MemoryDesc::Plain(DType::kF32, {3});
  auto kernel = AddThenScale(Spec({matrix, matrix, row}, {{"ReLU", {}, -1}, {"Mul", {}, 2}}));
  alignas(64) float a[] = {1, -2, 3, -4, 5, -6}, b[] = {1, 1, 1, 5, 5, 5}, scale[] = {1, 10, 100}, y[6], other[6];
  alignas(64) char scratch[4096];
  void* in[] = {a, b, scale};
  for (float* out : {y, other, y}) {
    void* outputs[] = {out};
    ASSERT_TRUE(kernel->Bind(in, outputs, scratch).ok());
    ASSERT_TRUE(kernel->Run().ok());
    const float want[] = {2, 0, 400, 1, 100, 0};
    for (int i = 0; i < 6; ++i) EXPECT_EQ(out[i], want[i]) << i;
  }
  void* in_place[] = {a};
  ASSERT_TRUE(kernel->Bind(in, in_place, scratch).ok());
  ASSERT_TRUE(kernel->Run().ok());
  EXPECT_EQ(a[2], 400);
}

TEST(MakeAttr, NamesWhatOneDnnCannotFuse) {
  const MemoryDesc x = MemoryDesc::Plain(DType::kF32, {2, 3});
  auto unary = MakeAttr(Spec({x}, {{"Softmax", {}, -1}}), 2, nullptr);
  EXPECT_EQ(ErrorClassOf(unary.status()), "ATTR");
  EXPECT_TRUE(absl::StrContains(unary.status().message(), "Softmax")) << unary.status();
  auto binary = MakeAttr(Spec({x, x}, {{"MatMul", {}, 1}}), 2, nullptr);
  EXPECT_EQ(ErrorClassOf(binary.status()), "ATTR");
  auto missing = MakeAttr(Spec({x}, {{"Add", {}, 1}}), 2, nullptr);
  EXPECT_EQ(ErrorClassOf(missing.status()), "PLAN");
  EXPECT_TRUE(absl::StrContains(missing.status().message(), "post-op 0 reads input 1 of 1")) << missing.status();
}

TEST(MakeAttr, KnowsTheOperatorsThatAreFused) {
  const MemoryDesc x = MemoryDesc::Plain(DType::kF32, {2, 3});
  for (const char* op : {"ReLU", "Sigmoid", "Tanh"}) {
    EXPECT_TRUE(MakeAttr(Spec({x}, {{op, {}, -1}}), 2, nullptr).ok()) << op;
  }
  std::vector<PrimitiveArg> args;
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    EXPECT_TRUE(MakeAttr(Spec({x, x}, {{op, {}, 1}}), 2, &args).ok()) << op;
  }
  ASSERT_EQ(args.size(), 4u);
  EXPECT_EQ(args[0].index, 1);
  EXPECT_EQ(args[0].arg, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1);
}

TEST(CatchDnnl, NoExceptionGetsOut) {
  const CallSpec spec = Spec({});
  absl::Status dnnl_error = CatchDnnl(spec, [&]() -> absl::Status {
    // A matrix product of shapes that do not fit.
    auto md = [](const Shape& dims) { return PlainDnnl(DType::kF32, dims); };
    dnnl::matmul::primitive_desc pd(CpuEngine(), md({2, 3}), md({4, 5}), md({2, 5}));
    return absl::OkStatus();
  });
  EXPECT_EQ(ErrorClassOf(dnnl_error), "PLAN");
  EXPECT_TRUE(absl::StrContains(dnnl_error.message(), "kernel kernel of \"node\": oneDNN says")) << dnnl_error;
  absl::Status memory = CatchDnnl(spec, []() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_EQ(ErrorClassOf(memory), "PLAN") << memory;
  EXPECT_EQ(CatchDnnl(spec, [] { return absl::OkStatus(); }), absl::OkStatus());
}

TEST(Describe, ReferenceImplementationsAndTraffic) {
  EXPECT_TRUE(IsReferenceImpl("ref:any"));
  EXPECT_TRUE(IsReferenceImpl("simple_nchw:any"));
  EXPECT_FALSE(IsReferenceImpl("jit:avx2"));
  EXPECT_FALSE(IsReferenceImpl("x64:gemm:jit"));
  KernelInfo info;
  info.inputs = {MemoryDesc::Plain(DType::kF32, {2, 3}), MemoryDesc{DType::kU8, {2, 3, 1, 1}, "aBcd8b"}};
  info.outputs = {MemoryDesc::Plain(DType::kS64, {})};
  EXPECT_EQ(OperandBytes(info), 24 + 16 + 8);
}

}  // namespace
}  // namespace athanor
