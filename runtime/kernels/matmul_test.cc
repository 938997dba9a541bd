#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

// Element of an operand under NumPy's broadcasting, its last two indices given.
double At(const Tensor& t, const Shape& batch, int64_t row, int64_t column) {
  const Shape& dims = t.shape();
  int64_t offset = 0;
  for (size_t d = 0; d + 2 < dims.size(); ++d) {
    int64_t i = batch[batch.size() - (dims.size() - 2) + d];
    offset = offset * dims[d] + (dims[d] == 1 ? 0 : i);
  }
  return t.as<float>()[(offset * dims[dims.size() - 2] + row) * dims[dims.size() - 1] + column];
}

struct Problem {
  Shape a, b;  // as they are multiplied, before transposition
  Shape batch() const {
    return *BroadcastShapes(absl::MakeSpan(a).first(a.size() - 2), absl::MakeSpan(b).first(b.size() - 2));
  }
  Shape result() const {
    Shape c = batch();
    c.push_back(a[a.size() - 2]);
    c.push_back(b[b.size() - 1]);
    return c;
  }
  std::string Name() const { return ShapeToString(a) + " by " + ShapeToString(b); }
};

const std::vector<Problem>& Problems() {
  static const auto* problems = new std::vector<Problem>{{{1, 1}, {1, 1}},
                                                         {{3, 4}, {4, 5}},
                                                         {{64, 400}, {400, 120}},
                                                         {{1, 84}, {84, 10}},
                                                         {{17, 1}, {1, 3}},
                                                         {{3, 4, 1}, {1, 1, 3}},
                                                         {{9, 4, 5, 1}, {9, 1, 1, 7}},
                                                         {{2, 3, 4}, {2, 4, 5}},
                                                         {{2, 3, 4}, {4, 5}},
                                                         {{3, 4}, {2, 4, 5}},
                                                         {{2, 1, 3, 4}, {6, 4, 5}},
                                                         {{2, 6, 3, 4}, {6, 4, 5}},
                                                         {{2, 6, 3, 4}, {2, 1, 4, 5}},
                                                         {{1, 6, 1, 4}, {2, 1, 4, 1}},
                                                         {{2, 3, 1, 4}, {1, 1, 4, 7}},
                                                         {{2, 3, 2, 2, 3}, {2, 3, 1, 3, 2}},
                                                         {{2, 1, 2, 2, 3}, {1, 3, 1, 3, 2}}};
  return *problems;
}

Shape Swapped(Shape s) {
  std::swap(s[s.size() - 1], s[s.size() - 2]);
  return s;
}

std::vector<double> Multiply(const Problem& p, const Tensor& a, const Tensor& b, bool ta, bool tb, const Tensor* bias) {
  std::vector<double> c;
  const int64_t rows = p.a[p.a.size() - 2], depth = p.a.back(), columns = p.b.back();
  ForEachIndex(p.batch(), [&](const Shape& batch, int64_t) {
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t n = 0; n < columns; ++n) {
        double sum = bias ? bias->as<float>()[n] : 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += (ta ? At(a, batch, k, m) : At(a, batch, m, k)) * (tb ? At(b, batch, n, k) : At(b, batch, k, n));
        }
        c.push_back(sum);
      }
    }
  });
  return c;
}

TEST(Matmul, BroadcastsAndTransposes) {
  for (const Problem& p : Problems()) {
    for (int flags = 0; flags < 16; ++flags) {
      const bool ta = flags & 1, tb = flags & 2, with_bias = flags & 4;
      const int threads = flags & 8 ? 2 : 1;
      SCOPED_TRACE(p.Name() + (ta ? " a transposed" : "") + (tb ? " b transposed" : "") + (with_bias ? " bias" : ""));
      Tensor a = RandomTensor(ta ? Swapped(p.a) : p.a, 1), b = RandomTensor(tb ? Swapped(p.b) : p.b, 2);
      Tensor bias = RandomTensor({p.b.back()}, 3);
      TestCall call("matmul");
      call.Attr("transpose_a", ta).Attr("transpose_b", tb).Attr("bias", with_bias).In(a.Clone()).In(b.Clone());
      if (with_bias) call.In(bias.Clone());
      auto run = call.Out(p.result()).Threads(threads).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      ExpectClose(run->outputs[0], Multiply(p, a, b, ta, tb, with_bias ? &bias : nullptr));
    }
  }
}

TEST(Matmul, PostOpsOfEveryShapeThatBroadcasts) {
  for (const Problem& p : Problems()) {
    const Shape c = p.result();
    // One element, a row, a batch dimension, the whole.
    std::vector<Shape> operands = {{1}, {c.back()}, c};
    Shape first(c.size(), 1);
    first[0] = c[0];
    operands.push_back(first);
    for (const Shape& shape : operands) {
      SCOPED_TRACE(p.Name() + " + " + ShapeToString(shape));
      Tensor a = RandomTensor(p.a, 1), b = RandomTensor(p.b, 2), other = RandomTensor(shape, 3);
      auto run = TestCall("matmul")
                     .Attr("transpose_a", false)
                     .Attr("transpose_b", false)
                     .Attr("bias", false)
                     .In(a.Clone())
                     .In(b.Clone())
                     .In(other.Clone())
                     .Fuse({"Add", {}, 2})
                     .Fuse({"ReLU", {}, -1})
                     .Out(c)
                     .Run();
      ASSERT_TRUE(run.ok()) << run.status();
      std::vector<double> want = Multiply(p, a, b, false, false, nullptr);
      ForEachIndex(c, [&](const Shape& index, int64_t i) {
        Shape batch(index.begin(), index.end() - 2);
        Tensor wide = other.Clone();
        Shape padded(c.size() - shape.size(), 1);
        padded.insert(padded.end(), shape.begin(), shape.end());
        ASSERT_TRUE(wide.Reshape(padded).ok());
        const int64_t row = padded[c.size() - 2] == 1 ? 0 : index[c.size() - 2];
        const int64_t column = padded.back() == 1 ? 0 : index.back();
        want[i] = std::max(0.0, want[i] + At(wide, batch, row, column));
      });
      ExpectClose(run->outputs[0], want);
    }
  }
}

// Rows and batches in one: the case of a linear layer over sequences must not be slower than its matrix product.
TEST(Matmul, MergesTheBatchIntoRows) {
  auto impl = [](const Shape& a, const Shape& b, const Shape& c) {
    auto info = TestCall("matmul").Attr("transpose_a", false).Attr("transpose_b", true).Attr("bias", false)
                    .In(RandomTensor(a, 1)).In(RandomTensor(b, 2)).Out(c).Query();
    EXPECT_TRUE(info.ok()) << info.status();
    return info->impl;
  };
  EXPECT_EQ(impl({4, 3, 5, 64}, {32, 64}, {4, 3, 5, 32}), impl({60, 64}, {32, 64}, {60, 32}));
  EXPECT_FALSE(IsReferenceImpl(impl({4, 3, 5, 64}, {4, 3, 32, 64}, {4, 3, 5, 32})));
}

TEST(Matmul, ErrorsNameTheCallAndTheNumbers) {
  auto expect = [](const Shape& a, const Shape& b, const Shape& c, const std::string& text) {
    auto info = TestCall("matmul").Attr("transpose_a", false).Attr("transpose_b", false).Attr("bias", false)
                    .In(RandomTensor(a, 1)).In(RandomTensor(b, 2)).Out(c).Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect({2, 3}, {4, 5}, {2, 5}, "[2,3] and [4,5] cannot be multiplied");
  expect({3, 2, 3}, {2, 3, 5}, {3, 2, 5}, "cannot be multiplied");
  expect({2, 3}, {3, 5}, {2, 4}, "expected f32[2,5]");
  expect({3}, {3, 5}, {1, 5}, "rank not in [2, 2]");
  expect({2, 3}, {3, 5}, {5}, "rank not in [2, 1]");
  expect({2, 3}, {3, 5}, {}, "rank not in [2, 0]");
  expect({2, 0}, {0, 5}, {2, 5}, "is empty");
}

}  // namespace
}  // namespace athanor
