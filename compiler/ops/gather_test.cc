#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr DType kIndexTypes[] = {DType::kS32, DType::kS64};

Tensor Indices(Shape shape, const std::vector<int64_t>& values) {
  return Tensor::Of<int64_t>(std::move(shape), values);
}

TEST(Gather, KnownValues) {
  auto x = [] { return Tensor::Of<float>({3, 2}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}); };
  // ONNX's examples.
  OpSpec("Gather").Given(x()).Given(Indices({2, 2}, {0, 1, 1, 2})).ExpectOutput({2, 2, 2})
      .ExpectValues({1, 2, 3, 4, 3, 4, 5, 6}).Check();
  OpSpec("Gather").Given(x()).Given(Indices({1, 2}, {0, 1})).Attr("axis", 1).ExpectOutput({3, 1, 2})
      .ExpectValues({1, 2, 3, 4, 5, 6}).Check();
}

TEST(Gather, AlongEveryAxisWithIndicesOfEveryRank) {
  for (DType dtype : kIndexTypes) {
    for (int axis : {0, 1, 2, -1, -3}) {
      for (const Shape& indices : std::vector<Shape>{{}, {1}, {7}, {2, 3}, {2, 1, 3}}) {
        const Shape x = {4, 5, 3};
        const int a = axis < 0 ? axis + 3 : axis;
        Shape y = x;
        y.erase(y.begin() + a);
        y.insert(y.begin() + a, indices.begin(), indices.end());
        OpSpec("Gather").Name("axis " + std::to_string(axis)).Input(x).IntInput(indices, 0, x[a] - 1, dtype)
            .Attr("axis", axis).ExpectOutput(y).Check();
      }
    }
  }
}

TEST(Gather, OddShapes) {
  OpSpec("Gather").Name("batch of indices").Parameter({9, 4}).IntInput({5, 3}, 0, 8).ExpectOutput({5, 3, 4})
      .SymbolicBatch().Check();
  OpSpec("Gather").Name("vector").Input({11}).IntInput({6}, 0, 10).ExpectOutput({6}).Check();
  OpSpec("Gather").Name("wide rows").Input({3, 301}).IntInput({17}, 0, 2).ExpectOutput({17, 301}).Check();
  OpSpec("Gather").Name("many of few").Input({2, 5}).IntInput({40}, 0, 1).ExpectOutput({40, 5}).Check();
  OpSpec("Gather").Name("ones").Input({1, 1}).IntInput({1}, 0, 0).ExpectOutput({1, 1}).Check();
  OpSpec("Gather").Name("no indices").Input({3, 4}).IntInput({0}, 0, 0).ExpectOutput({0, 4}).Check();
  OpSpec("Gather").Name("empty rows").Input({3, 0}).IntInput({2}, 0, 2).ExpectOutput({2, 0}).Check();
  OpSpec("Gather").Name("nothing from nothing").Input({0, 4}).IntInput({0}, 0, 0).ExpectOutput({0, 4}).Check();
  OpSpec("Gather").Name("channels of images").Input({2, 16, 3, 3}).IntInput({5}, 0, 15).Attr("axis", 1)
      .ExpectOutput({2, 5, 3, 3}).Check();
}

TEST(Gather, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8, DType::kS8, DType::kBool}) {
    OpSpec("Gather").IntInput({4, 3}, 0, 1, dtype).IntInput({5}, 0, 3).ExpectOutput({5, 3}, dtype).Check();
    OpSpec("Gather").IntInput({4}, 0, 1, dtype).IntInput({5}, 0, 3).ExpectOutput({5}, dtype).Check();
  }
}

TEST(Gather, Errors) {
  for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN, INT64_MAX}) {
    OpSpec("Gather").Input({2, 3}).IntInput({2}, 0, 1).Attr("axis", axis).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
  }
  OpSpec("Gather").Input({}).IntInput({2}, 0, 1).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
  OpSpec("Gather").Input({2, 3}).Input({2}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kDtype, "input \"indices\" is f32[2], expected element type s32 or s64");
  OpSpec("Gather").Input({2, 3}).IntInput({2}, 0, 1, DType::kU8).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kDtype, "input \"indices\" is u8[2]");
  OpSpec("Gather").Input({2, 3}).ExpectOutput({2, 3}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
  OpSpec("Gather").Input({2, 1, 1, 1, 1, 1, 1, 1}).IntInput({1, 1}, 0, 0).ExpectOutput({1})
      .ExpectError(ErrorClass::kShape, "rank 9");
}

TEST(Gather, AnIndexOutOfRangeIsRefusedWhenItRuns) {
  auto refuse = [](const Shape& x, Tensor indices, int axis, const Shape& y, const std::string& text) {
    OpSpec("Gather").Input(x).Given(std::move(indices)).Attr("axis", axis).ExpectOutput(y)
        .ExpectRunError(ErrorClass::kIndex, text);
  };
  refuse({3, 2}, Indices({2}, {0, 3}), 0, {2, 2}, "indices[1] = 3 is not in [0, 3)");
  refuse({3, 2}, Indices({2}, {0, -1}), 0, {2, 2}, "indices[1] = -1 is not in [0, 3)");
  refuse({3, 2}, Indices({2, 2}, {0, 1, 2, 0}), 1, {3, 2, 2}, "indices[1,0] = 2 is not in [0, 2)");
  refuse({3, 2}, Indices({}, {INT64_MIN}), 0, {2}, "indices[] = -9223372036854775808 is not in [0, 3)");
  refuse({0, 2}, Indices({1}, {0}), 0, {1, 2}, "indices[0] = 0 is not in [0, 0)");
  OpSpec("Gather").Input({3, 2}).Given(Tensor::Of<int32_t>({3}, {2, -5, 9})).ExpectOutput({3, 2})
      .ExpectRunError(ErrorClass::kIndex, "indices[1] = -5 is not in [0, 3)");
}

TEST(Embedding, KnownValues) {
  OpSpec("Embedding").GivenParameter(Tensor::Of<float>({3, 2}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}))
      .Given(Indices({2, 2}, {2, 0, 1, 2})).ExpectOutput({2, 2, 2}).ExpectValues({5, 6, 1, 2, 3, 4, 5, 6}).Check();
}

TEST(Embedding, IdsOfEveryShape) {
  for (DType dtype : kIndexTypes) {
    for (const Shape& ids : std::vector<Shape>{{}, {1}, {9}, {4, 5}, {2, 3, 4}}) {
      for (int64_t width : {1, 3, 64, 257}) {
        Shape y = ids;
        y.push_back(width);
        OpSpec spec("Embedding");
        spec.Name("width " + std::to_string(width)).Parameter({10, width}).IntInput(ids, 0, 9, dtype).ExpectOutput(y);
        if (!ids.empty()) spec.SymbolicBatch();
        spec.Check();
      }
    }
  }
  OpSpec("Embedding").Name("no ids").Parameter({10, 3}).IntInput({0}, 0, 0).ExpectOutput({0, 3}).Check();
  OpSpec("Embedding").Name("no width").Parameter({10, 0}).IntInput({4}, 0, 9).ExpectOutput({4, 0}).Check();
}

TEST(Embedding, Errors) {
  auto refuse = [](const Shape& weight, ErrorClass error, const std::string& text) {
    OpSpec("Embedding").Parameter(weight).IntInput({4}, 0, 1).ExpectOutput({4, 3}).ExpectError(error, text);
  };
  refuse({3}, ErrorClass::kShape, "input \"weight\" is f32[3] of rank 1, expected rank 2");
  refuse({2, 3, 4}, ErrorClass::kShape, "of rank 3, expected rank 2");
  OpSpec("Embedding").IntInput({2, 3}, 0, 1).IntInput({4}, 0, 1).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kDtype, "input \"weight\" is s32[2,3]");
  OpSpec("Embedding").Parameter({2, 3}).Input({4}).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kDtype, "input \"ids\" is f32[4]");
  for (int padding : {2, 100}) {
    OpSpec("Embedding").Parameter({2, 3}).IntInput({4}, 0, 1).Attr("padding_idx", padding).ExpectOutput({4, 3})
        .ExpectError(ErrorClass::kAttr, " is not a row of the weight f32[2,3]");
  }
  OpSpec("Embedding").Parameter({2, 3}).IntInput({4}, 0, 1).Attr("padding_idx", -2).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kAttr, "attribute \"padding_idx\" = -2");
  OpSpec("Embedding").Parameter({5, 3}).Given(Indices({2}, {5, 0})).ExpectOutput({2, 3})
      .ExpectRunError(ErrorClass::kIndex, "indices[0] = 5 is not in [0, 5)");
  OpSpec("Embedding").Parameter({0, 3}).Given(Indices({1}, {0})).ExpectOutput({1, 3})
      .ExpectRunError(ErrorClass::kIndex, "indices[0] = 0 is not in [0, 0)");
}

TEST(ScatterAdd, KnownValues) {
  auto updates = [] { return Tensor::Of<float>({4, 1}, {1.0f, 2.0f, 4.0f, 8.0f}); };
  auto spec = [&] {
    OpSpec s("ScatterAdd");
    s.Given(updates()).Given(Indices({4}, {2, 0, 2, 1})).Attr("size", 4);
    return s;
  };
  spec().ExpectOutput({4, 1}).ExpectValues({2, 8, 5, 0}).Check();
  // What the padding's row would get is left out: torch.nn.Embedding's gradient.
  spec().Attr("padding_idx", 2).ExpectOutput({4, 1}).ExpectValues({2, 8, 0, 0}).Check();
  spec().Attr("padding_idx", 3).ExpectOutput({4, 1}).ExpectValues({2, 8, 5, 0}).Check();
}

TEST(ScatterAdd, AlongEveryAxis) {
  for (DType dtype : kIndexTypes) {
    for (int axis : {0, 1, 2, -1, -2}) {
      for (const Shape& indices : std::vector<Shape>{{}, {6}, {2, 3}}) {
        Shape y = {4, 5, 3}, updates = y;
        const int a = axis < 0 ? axis + 3 : axis;
        updates.erase(updates.begin() + a);
        updates.insert(updates.begin() + a, indices.begin(), indices.end());
        for (int64_t padding : {-1, 1}) {
          OpSpec("ScatterAdd").Name("axis " + std::to_string(axis)).Input(updates).IntInput(indices, 0, y[a] - 1, dtype)
              .Attr("axis", axis).Attr("size", y[a]).Attr("padding_idx", padding).ExpectOutput(y).Check();
        }
      }
    }
  }
}

TEST(ScatterAdd, OddShapes) {
  OpSpec("ScatterAdd").Name("wide").Input({30, 513}).IntInput({30}, 0, 4).Attr("size", 5).ExpectOutput({5, 513})
      .Check();
  OpSpec("ScatterAdd").Name("many targets").Input({3000, 8}).IntInput({3000}, 0, 999).Attr("size", 1000)
      .ExpectOutput({1000, 8}).Tolerance(2e-5).Check();
  OpSpec("ScatterAdd").Name("no updates").Input({0, 3}).IntInput({0}, 0, 0).Attr("size", 4).ExpectOutput({4, 3})
      .Check();
  OpSpec("ScatterAdd").Name("to nothing").Input({0, 3}).IntInput({0}, 0, 0).Attr("size", 0).ExpectOutput({0, 3})
      .Check();
}

TEST(ScatterAdd, Errors) {
  auto refuse = [](const Shape& updates, const Shape& indices, int axis, ErrorClass error, const std::string& text) {
    OpSpec("ScatterAdd").Input(updates).IntInput(indices, 0, 1).Attr("size", 4).Attr("axis", axis).ExpectOutput({4, 3})
        .ExpectError(error, text);
  };
  refuse({5, 3}, {4}, 0, ErrorClass::kShape,
         "updates f32[5,3] does not have the dimensions of indices s32[4] from 0 on");
  refuse({3, 5}, {3}, 1, ErrorClass::kShape, "from 1 on");
  refuse({3}, {3, 2}, 0, ErrorClass::kShape, "updates f32[3] has fewer dimensions than indices s32[3,2]");
  refuse({3, 5}, {3}, 2, ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  refuse({3, 5}, {3}, -3, ErrorClass::kAttr, "axis -3 is not in [-2, 1]");
  OpSpec("ScatterAdd").Input({2}).Input({2}).Attr("size", 4).ExpectOutput({4})
      .ExpectError(ErrorClass::kDtype, "\"indices\" is f32[2]");
  OpSpec("ScatterAdd").IntInput({2}, 0, 1).IntInput({2}, 0, 1).Attr("size", 4).ExpectOutput({4})
      .ExpectError(ErrorClass::kDtype, "\"updates\" is s32[2]");
  OpSpec("ScatterAdd").Input({2}).IntInput({2}, 0, 1).ExpectOutput({4})
      .ExpectError(ErrorClass::kAttr, "attribute \"size\" is required");
  OpSpec("ScatterAdd").Input({2}).IntInput({2}, 0, 1).Attr("size", -1).ExpectOutput({4})
      .ExpectError(ErrorClass::kAttr, "attribute \"size\" = -1");
  OpSpec("ScatterAdd").Input({2}).IntInput({2}, 0, 1).Attr("size", 4).Attr("padding_idx", 4).ExpectOutput({4})
      .ExpectError(ErrorClass::kAttr, "padding_idx = 4 is not in [0, 4)");
  OpSpec("ScatterAdd").Input({2, 3}).IntInput({2}, 0, 1).Attr("size", INT64_MAX).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kLimit, "y");
  OpSpec("ScatterAdd").Input({2, 3}).Given(Indices({2}, {1, 4})).Attr("size", 4).ExpectOutput({4, 3})
      .ExpectRunError(ErrorClass::kIndex, "indices[1] = 4 is not in [0, 4)");
  OpSpec("ScatterAdd").Input({2, 3}).Given(Indices({2}, {-1, 4})).Attr("size", 4).ExpectOutput({4, 3})
      .ExpectRunError(ErrorClass::kIndex, "indices[0] = -1 is not in [0, 4)");
}

TEST(GatherElements, KnownValues) {
  // torch.gather's example.
  OpSpec("GatherElements").Given(Tensor::Of<float>({2, 2}, {1.0f, 2.0f, 3.0f, 4.0f}))
      .Given(Indices({2, 2}, {0, 0, 1, 0})).Attr("axis", 1).ExpectOutput({2, 2}).ExpectValues({1, 1, 4, 3}).Check();
  OpSpec("ScatterElementsAdd").Given(Tensor::Of<float>({2, 2}, {1.0f, 2.0f, 3.0f, 4.0f}))
      .Given(Indices({2, 2}, {0, 0, 1, 0})).Attr("axis", 1).Attr("size", 3).ExpectOutput({2, 3})
      .ExpectValues({3, 0, 0, 4, 3, 0}).Check();
}

TEST(GatherElements, AlongEveryAxis) {
  for (DType dtype : kIndexTypes) {
    for (int axis : {0, 1, 2, -1, -2, -3}) {
      for (int64_t count : {1, 2, 7}) {
        const Shape x = {4, 5, 3};
        Shape y = x;
        const int a = axis < 0 ? axis + 3 : axis;
        y[a] = count;
        OpSpec("GatherElements").Name("axis " + std::to_string(axis)).Input(x).IntInput(y, 0, x[a] - 1, dtype)
            .Attr("axis", axis).ExpectOutput(y).Check();
        OpSpec("ScatterElementsAdd").Name("axis " + std::to_string(axis)).Input(y).IntInput(y, 0, x[a] - 1, dtype)
            .Attr("axis", axis).Attr("size", x[a]).ExpectOutput(x).Check();
      }
    }
  }
  OpSpec("GatherElements").Name("batch").Input({4, 6}).IntInput({4, 2}, 0, 5).Attr("axis", 1).ExpectOutput({4, 2})
      .SymbolicBatch().Check();
  OpSpec("GatherElements").Name("none").Input({4, 6}).IntInput({4, 0}, 0, 5).Attr("axis", 1).ExpectOutput({4, 0})
      .Check();
  OpSpec("GatherElements").IntInput({4, 6}, 0, 9, DType::kU8).IntInput({4, 3}, 0, 5).Attr("axis", 1)
      .ExpectOutput({4, 3}, DType::kU8).Check();
}

TEST(GatherElements, Errors) {
  OpSpec("GatherElements").Input({4, 6}).IntInput({3, 6}, 0, 1).Attr("axis", 1).ExpectOutput({3, 6})
      .ExpectError(ErrorClass::kShape, "indices s32[3,6] do not have the dimensions of \"x\" f32[4,6] but for 1");
  OpSpec("GatherElements").Input({4, 6}).IntInput({4}, 0, 1).Attr("axis", 1).ExpectOutput({4})
      .ExpectError(ErrorClass::kShape, "do not have the dimensions");
  OpSpec("GatherElements").Input({4, 6}).Input({4, 6}).Attr("axis", 1).ExpectOutput({4, 6})
      .ExpectError(ErrorClass::kDtype, "\"indices\" is f32[4,6]");
  OpSpec("GatherElements").Input({4, 6}).IntInput({4, 6}, 0, 1).Attr("axis", 2).ExpectOutput({4, 6})
      .ExpectError(ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  OpSpec("GatherElements").Input({2, 3}).Given(Indices({2, 1}, {2, 3})).Attr("axis", 1).ExpectOutput({2, 1})
      .ExpectRunError(ErrorClass::kIndex, "indices[1,0] = 3 is not in [0, 3)");
  OpSpec("ScatterElementsAdd").Input({4, 6}).IntInput({4, 5}, 0, 1).Attr("axis", 1).Attr("size", 3)
      .ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kShape, "updates f32[4,6] and indices s32[4,5] must have one shape");
  OpSpec("ScatterElementsAdd").Input({4, 6}).IntInput({4, 6}, 0, 1).Attr("axis", 1).Attr("size", -3)
      .ExpectOutput({4, 3}).ExpectError(ErrorClass::kAttr, "attribute \"size\" = -3");
  OpSpec("ScatterElementsAdd").IntInput({4}, 0, 1).IntInput({4}, 0, 1).Attr("size", 3).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "\"updates\" is s32[4]");
  OpSpec("ScatterElementsAdd").Input({2}).Given(Indices({2}, {0, 3})).Attr("size", 3).ExpectOutput({3})
      .ExpectRunError(ErrorClass::kIndex, "indices[1] = 3 is not in [0, 3)");
}

}  // namespace
}  // namespace athanor
