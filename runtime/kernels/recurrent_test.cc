// Values are checked with the operators (compiler/ops/recurrent_test.cc) against double loops; here whole calls against
// those step by step, on sizes as layers have them, and damaged calls.
#include <cmath>
#include <functional>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

constexpr const char* kCells[] = {"tanh", "relu", "lstm", "gru", "lbr_gru"};

int64_t Gates(const std::string& cell) { return cell == "lstm" ? 4 : cell == "gru" || cell == "lbr_gru" ? 3 : 1; }

struct Layer {
  std::string cell;
  int64_t steps = 5, batch = 3, inputs = 6, hidden = 4, directions = 1;
  bool reverse = false;
  int threads = 1;
  std::vector<int32_t> lengths = {};

  Shape state() const { return {directions, batch, hidden}; }
  Shape y() const { return {steps, batch, directions * hidden}; }
  Shape weight(int64_t width) const { return {directions, Gates(cell) * hidden, width}; }
  Strings operands() const {
    Strings names = {"bias_ih", "bias_hh"};
    if (!lengths.empty()) names.push_back("lengths");
    names.push_back("h0");
    if (cell == "lstm") names.push_back("c0");
    return names;
  }

  TestCall Call(const char* kernel, Strings operands) const {
    const double bound = 1 / std::sqrt(static_cast<double>(hidden));
    const Shape bias = {directions, Gates(cell) * hidden};
    TestCall call(kernel);
    call.Attr("cell", cell.c_str()).Attr("reverse", reverse).Attr("operands", AttrValue(operands)).Threads(threads);
    call.In(RandomTensor({steps, batch, inputs}, 1)).In(RandomTensor(weight(inputs), 2, -bound, bound));
    call.In(RandomTensor(weight(hidden), 3, -bound, bound)).In(RandomTensor(bias, 4)).In(RandomTensor(bias, 5));
    if (!lengths.empty()) call.In(Tensor::Of<int32_t>({batch}, lengths));
    call.In(RandomTensor(state(), 6));
    if (cell == "lstm") call.In(RandomTensor(state(), 7));
    return call;
  }
  TestCall Forward(bool training = true) const {
    TestCall call = Call("rnn", operands());
    call.Attr("training", training).Out(y()).Out(state());
    if (cell == "lstm") call.Out(state());
    if (training) call.Out(y(), DType::kU8);
    return call;
  }
  TestCall Backward(const TestCall::Result& forward) const {
    Strings names = operands();
    names.insert(names.end(), {"dy", "dh_n"});
    if (cell == "lstm") names.push_back("dc_n");
    TestCall call = Call("rnn_backward", std::move(names));
    call.In(forward.outputs[0].Clone()).In(forward.outputs.back().Clone()).In(RandomTensor(y(), 8));
    call.In(RandomTensor(state(), 9));
    if (cell == "lstm") call.In(RandomTensor(state(), 10));
    const Shape bias = {directions, Gates(cell) * hidden};
    call.Out({steps, batch, inputs}).Out(weight(inputs)).Out(weight(hidden)).Out(bias).Out(bias).Out(state());
    if (cell == "lstm") call.Out(state());
    return call;
  }
};

void ExpectSame(const TestCall::Result& a, const TestCall::Result& b, double tolerance) {
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    if (a.outputs[i].dtype() != DType::kF32) continue;
    SCOPED_TRACE(i);
    absl::Span<const float> want = b.outputs[i].as<float>();
    ExpectClose(a.outputs[i], std::vector<double>(want.begin(), want.end()), tolerance);
  }
}

// With all lengths at their most, a call with lengths is the call without.
TEST(Recurrent, StepByStepGivesWhatTheWholeGives) {
  for (const char* cell : kCells) {
    for (const Layer& sizes : std::vector<Layer>{{cell}, {cell, 1, 1, 1, 1}, {cell, 7, 16, 40, 48, 2},
                                                 {cell, 9, 4, 3, 65, 2}, {cell, 3, 33, 64, 16, 1, true, 2}}) {
      Layer whole = sizes, stepwise = sizes;
      stepwise.lengths.assign(sizes.batch, static_cast<int32_t>(sizes.steps));
      SCOPED_TRACE(std::string(cell) + " " + ShapeToString(sizes.y()));
      auto a = whole.Forward().Run(), b = stepwise.Forward().Run();
      ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
      ExpectSame(*a, *b, 1e-5);
      auto da = whole.Backward(*a).Run(), db = stepwise.Backward(*b).Run();
      ASSERT_TRUE(da.ok() && db.ok()) << da.status() << db.status();
      ExpectSame(*da, *db, 1e-5);
      auto inference = whole.Forward(/*training=*/false).Run();
      ASSERT_TRUE(inference.ok()) << inference.status();
      ExpectSame(*inference, *a, 1e-5);
      EXPECT_GT(da->info.flops, 1.9 * a->info.flops);
    }
  }
}

// A sequence of a batch is what it is alone, shortened.
TEST(Recurrent, ASequenceWithALengthIsTheShorterSequence) {
  for (const char* cell : kCells) {
    Layer layer{cell, 5, 3, 6, 4, 2};
    layer.lengths = {2, 5, 0};
    Layer alone{cell, 2, 3, 6, 4, 2};  // the first two steps of the same data
    auto all = layer.Forward(false).Run(), two = alone.Forward(false).Run();
    ASSERT_TRUE(all.ok() && two.ok()) << all.status() << two.status();
    const int64_t row = 2 * 4;
    for (int64_t t = 0; t < 5; ++t) {
      for (int64_t i = 0; i < row; ++i) {
        const float got = all->outputs[0].as<float>()[(t * 3 + 0) * row + i];
        EXPECT_NEAR(got, t < 2 ? two->outputs[0].as<float>()[(t * 3 + 0) * row + i] : 0, 1e-6) << cell << t << i;
        EXPECT_EQ(all->outputs[0].as<float>()[(t * 3 + 2) * row + i], 0);
      }
    }
    const Tensor h0 = RandomTensor(layer.state(), 6);
    for (int64_t d : {0, 1}) {
      for (int64_t i = 0; i < 4; ++i) {
        EXPECT_NEAR(all->outputs[1].as<float>()[d * 12 + i], two->outputs[1].as<float>()[d * 12 + i], 1e-6) << cell;
        EXPECT_EQ(all->outputs[1].as<float>()[d * 12 + 8 + i], h0.as<float>()[d * 12 + 8 + i]);
      }
    }
  }
}

// Two steps more, which no sequence has: each tensor by step begins as without them and ends in zeros.
TEST(Recurrent, StepsBehindTheLongestSequenceChangeNothing) {
  for (const char* cell : kCells) {
    for (bool reverse : {false, true}) {
      Layer few{cell, 5, 3, 6, 4, reverse ? 1 : 2, reverse}, many = few;
      many.steps = 7;
      few.lengths = many.lengths = {2, 5, 0};
      auto a = few.Forward().Run(), b = many.Forward().Run();
      ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
      auto da = few.Backward(*a).Run(), db = many.Backward(*b).Run();
      ASSERT_TRUE(da.ok() && db.ok()) << da.status() << db.status();
      for (auto [got, want] : {std::make_pair(&*b, &*a), std::make_pair(&*db, &*da)}) {
        for (size_t i = 0; i < want->outputs.size(); ++i) {
          if (want->outputs[i].dtype() != DType::kF32) continue;
          auto expected = want->outputs[i].as<float>(), all = got->outputs[i].as<float>();
          EXPECT_EQ(std::vector<float>(expected.begin(), expected.end()),
                    std::vector<float>(all.begin(), all.begin() + static_cast<int64_t>(expected.size())))
              << cell << ", output " << i;
          for (size_t k = expected.size(); k < all.size(); ++k) EXPECT_EQ(all[k], 0) << cell << ", output " << i;
        }
      }
    }
  }
}

TEST(Recurrent, ALengthOutOfRangeStopsTheRun) {
  for (const char* cell : kCells) {
    for (int32_t bad : {-1, 6, INT32_MIN, INT32_MAX}) {
      Layer good{cell}, layer{cell};
      good.lengths = {5, 0, 1};
      layer.lengths = {5, 0, bad};
      const std::string text = "INDEX: \"node\": lengths[2] = " + std::to_string(bad) + " is not in [0, 5]";
      EXPECT_EQ(layer.Forward().Run().status().message(), text);
      auto forward = good.Forward().Run();
      ASSERT_TRUE(forward.ok()) << forward.status();
      EXPECT_EQ(layer.Backward(*forward).Run().status().message(), text);
    }
  }
}

void ExpectRefused(const TestCall& call, const std::string& text) {
  auto info = call.Query();
  ASSERT_FALSE(info.ok()) << text;
  EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
  EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
}

TEST(Recurrent, DamagedCallsAreRefused) {
  const Layer layer{"lstm"};
  ExpectRefused(layer.Forward().Attr("cell", "cnn"), "unknown cell \"cnn\"");
  ExpectRefused(layer.Forward().Attr("cell", 1), "attribute \"cell\" is of the wrong type");
  ExpectRefused(layer.Forward().Attr("cell", "gru"), "are not all known");  // c0
  ExpectRefused(layer.Forward().Attr("training", false), "has 7 inputs and 4 outputs, expected 7 and 3");
  ExpectRefused(layer.Forward().Attr("operands", AttrValue(Strings{"h0"})), "has 7 inputs");
  ExpectRefused(layer.Forward().Attr("operands", AttrValue(Strings{"h0", "h0"})), "given twice");
  ExpectRefused(layer.Forward().Attr("operands", AttrValue(Strings{"dy"})), "are not all known");
  ExpectRefused(layer.Forward().Attr("operands", 3), "attribute \"operands\" is of the wrong type");
  Layer both{"lstm"};
  both.directions = 2, both.reverse = true;
  ExpectRefused(both.Forward(), "has 2 directions, reverse = 1");
  both.directions = 3, both.reverse = false;
  ExpectRefused(both.Forward(), "has 3 directions");
  for (int64_t Layer::*size : {&Layer::steps, &Layer::batch, &Layer::inputs, &Layer::hidden}) {
    Layer empty{"gru"};
    empty.*size = 0;
    ExpectRefused(empty.Forward(), "out of range");
  }
  ExpectRefused(layer.Forward().Fuse({"ReLU", {}, -1}), "takes no post-ops");
}

// Each operand of the wrong shape or type in turn.
TEST(Recurrent, OperandsThatDoNotFitAreRefused) {
  Layer layer{"lstm"};
  layer.lengths = {1, 2, 3};
  auto forward = layer.Forward().Run();
  ASSERT_TRUE(forward.ok()) << forward.status();
  for (const TestCall& call : {layer.Forward(), layer.Backward(*forward)}) {
    const KernelDef* def = KernelRegistry::Get().Find(call.spec().kernel);
    auto refused = [&](const std::function<MemoryDesc&(CallSpec&)>& operand, bool workspace, const std::string& what) {
      CallSpec other_shape = call.spec(), other_type = call.spec();
      MemoryDesc& desc = operand(other_shape);
      desc = MemoryDesc::Plain(desc.dtype, Shape{2, 3});
      EXPECT_EQ(def->query(other_shape).ok(), workspace) << what << " of another shape";
      operand(other_type).dtype = DType::kF64;
      EXPECT_FALSE(def->query(other_type).ok()) << what << " of another type";
    };
    for (size_t i = 0; i < call.spec().inputs.size(); ++i) {
      const bool workspace = call.spec().inputs[i].dtype == DType::kU8;
      refused([i](CallSpec& s) -> MemoryDesc& { return s.inputs[i]; }, workspace, "input " + std::to_string(i));
    }
    for (size_t i = 0; i < call.spec().outputs.size(); ++i) {
      const bool workspace = call.spec().outputs[i].dtype == DType::kU8;
      refused([i](CallSpec& s) -> MemoryDesc& { return s.outputs[i]; }, workspace, "output " + std::to_string(i));
    }
    CallSpec unsettled = call.spec();
    for (MemoryDesc& d : unsettled.inputs) {
      if (d.dtype == DType::kU8) d.dims = {64};
    }
    for (MemoryDesc& d : unsettled.outputs) {
      if (d.dtype == DType::kU8) d.dims = {64};
    }
    EXPECT_FALSE(def->create(unsettled).ok()) << "a workspace that is too small";
  }
}

}  // namespace
}  // namespace athanor
