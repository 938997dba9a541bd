#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

// The element of `t` that stands at `index` of a shape that it broadcasts to.
double At(const Tensor& t, const Shape& index) {
  const Shape& dims = t.shape();
  int64_t offset = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    offset = offset * dims[d] + (dims[d] == 1 ? 0 : index[index.size() - dims.size() + d]);
  }
  return t.as<float>()[offset];
}

double Compute(const std::string& algorithm, double a, double b) {
  return algorithm == "add" ? a + b : algorithm == "sub" ? a - b : algorithm == "mul" ? a * b : a / b;
}

const std::vector<std::string> kAlgorithms = {"add", "sub", "mul", "div"};

struct Problem {
  Shape a, b;
  Shape result() const { return *BroadcastShapes(a, b); }
};

std::vector<Problem> Problems() {
  std::vector<Problem> problems = {
      {{}, {}}, {{1}, {1}}, {{7}, {7}}, {{64, 512}, {64, 512}}, {{2, 3, 4, 5, 2}, {2, 3, 4, 5, 2}}};
  const Shape full = {3, 4, 5, 6};
  for (int mask = 0; mask < 16; ++mask) {
    Shape s = full;
    for (int d = 0; d < 4; ++d) {
      if (mask & (1 << d)) s[d] = 1;
    }
    problems.push_back({full, s});
    problems.push_back({s, full});
  }
  for (Problem p : std::vector<Problem>{{{33, 1}, {1, 17}},
                                        {{33, 17}, {17}},
                                        {{17}, {33, 17}},
                                        {{}, {33, 17}},
                                        {{33, 17}, {}},
                                        {{2, 1, 4, 1}, {3, 1, 5}},
                                        {{1, 6, 1, 1}, {2, 6, 9, 9}},
                                        {{1, 1, 1}, {1, 1}},
                                        {{64, 16, 14, 14}, {16, 1, 1}},
                                        {{2, 3, 2, 3, 2}, {2, 1, 2, 1, 2}}}) {
    problems.push_back(p);
  }
  return problems;
}

class Binary : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Binary, testing::Values(1, 2));

TEST_P(Binary, Broadcasts) {
  for (const Problem& p : Problems()) {
    for (const std::string& algorithm : kAlgorithms) {
      SCOPED_TRACE(ShapeToString(p.a) + " " + algorithm + " " + ShapeToString(p.b));
      Tensor a = RandomTensor(p.a, 1), b = RandomTensor(p.b, 2, 0.5, 2);
      TestCall call("binary");
      call.Attr("algorithm", AttrValue(algorithm)).In(a.Clone()).In(b.Clone()).Out(p.result()).Threads(GetParam());
      auto run = call.Run();
      ASSERT_TRUE(run.ok()) << run.status();
      std::vector<double> want(run->outputs[0].num_elements());
      ForEachIndex(p.result(), [&](const Shape& i, int64_t n) { want[n] = Compute(algorithm, At(a, i), At(b, i)); });
      ExpectClose(run->outputs[0], want, 1e-6);
      EXPECT_FALSE(IsReferenceImpl(run->info.impl)) << run->info.impl;
      if (p.a != p.result()) continue;
      run = call.InPlace(0, 0).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], want, 1e-6);
    }
  }
}

TEST_P(Binary, PostOps) {
  for (const Problem& p : Problems()) {
    const Shape y = p.result();
    std::vector<Shape> operands = {{}, y};
    if (y.size() > 1) operands.push_back({y.back()});
    if (y.size() == 4) operands.insert(operands.end(), {{y[1], 1, 1}, {y[0], 1, 1, 1}, {y[1], 1, y[3]}});
    for (const Shape& operand : operands) {
      SCOPED_TRACE(ShapeToString(p.a) + " - " + ShapeToString(p.b) + " then relu, times " + ShapeToString(operand));
      Tensor a = RandomTensor(p.a, 1), b = RandomTensor(p.b, 2), c = RandomTensor(operand, 3);
      auto run = TestCall("binary").Attr("algorithm", "sub").In(a.Clone()).In(b.Clone()).In(c.Clone())
                     .Fuse({"ReLU", {}, -1}).Fuse({"Mul", {}, 2}).Out(y).Threads(GetParam()).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      std::vector<double> want(run->outputs[0].num_elements());
      ForEachIndex(y, [&](const Shape& i, int64_t n) { want[n] = std::max(At(a, i) - At(b, i), 0.0) * At(c, i); });
      ExpectClose(run->outputs[0], want, 1e-6);
      EXPECT_FALSE(IsReferenceImpl(run->info.impl)) << run->info.impl;
    }
  }
}

TEST_P(Binary, EqualDimsKeepTheLayoutOfTheFirst) {
  for (const char* layout : {"abcd", "acdb", "aBcd16b", "aBcd8b"}) {
    Tensor a = RandomTensor({2, 20, 3, 3}, 1), b = RandomTensor({2, 20, 3, 3}, 2), c = RandomTensor({20, 1, 1}, 3);
    auto run = TestCall("binary").Attr("algorithm", "add").In(a.Clone(), layout).In(b.Clone()).In(c.Clone())
                   .Fuse({"Mul", {}, 2}).Out({2, 20, 3, 3}).Threads(GetParam()).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->info.outputs[0].layout, layout);
    EXPECT_EQ(run->info.inputs[1].layout, layout);
    std::vector<double> want(run->outputs[0].num_elements());
    ForEachIndex(a.shape(), [&](const Shape& i, int64_t n) { want[n] = (At(a, i) + At(b, i)) * At(c, i); });
    ExpectClose(run->outputs[0], want, 1e-6);
  }
  auto info = TestCall("binary").Attr("algorithm", "add").In(RandomTensor({2, 20, 3, 3}, 1), "any")
                  .In(RandomTensor({2, 20, 3, 3}, 1), "acdb").Out({2, 20, 3, 3}).Query();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->inputs[0].layout, "acdb");
}

TEST(BinaryErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  Tensor a = RandomTensor({2, 3}, 1);
  expect(TestCall("binary").Attr("algorithm", "pow").In(a.Clone()).In(a.Clone()).Out({2, 3}),
         "unknown algorithm \"pow\"");
  expect(TestCall("binary").In(a.Clone()).In(a.Clone()).Out({2, 3}), "\"algorithm\" is missing");
  expect(TestCall("binary").Attr("algorithm", "add").In(a.Clone()).In(RandomTensor({2}, 1)).Out({2, 3}),
         "do not broadcast");
  expect(TestCall("binary").Attr("algorithm", "add").In(a.Clone()).In(a.Clone()).Out({3, 2}), "expected f32[2,3]");
  expect(TestCall("binary").Attr("algorithm", "add").In(a.Clone()).Out({2, 3}), "has 1 inputs");
  expect(TestCall("binary").Attr("algorithm", "add").In(a.Clone()).In(CountingTensor(DType::kS32, {2, 3})).Out({2, 3}),
         "expected f32[2,3]");
  expect(
      TestCall("binary").Attr("algorithm", "add").In(RandomTensor({0, 3}, 1)).In(RandomTensor({0, 3}, 1)).Out({0, 3}),
      "is empty");
}

}  // namespace
}  // namespace athanor
