#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

TEST(SquaredError, LossAndGradient) {
  for (const Shape& shape : std::vector<Shape>{{}, {1}, {17}, {64, 10}, {5, 3, 7}, {4096}, {4097}, {300, 301}}) {
    for (bool mean : {false, true}) {
      for (int threads : {1, 2}) {
        SCOPED_TRACE(ShapeToString(shape));
        Tensor pred = RandomTensor(shape, 1), target = RandomTensor(shape, 2), dloss = Tensor::Scalar(0.5f);
        const double scale = mean ? 1.0 / static_cast<double>(pred.num_elements()) : 1;
        double loss = 0;
        std::vector<double> dpred;
        for (int64_t i = 0; i < pred.num_elements(); ++i) {
          double e = double{pred.as<float>()[i]} - target.as<float>()[i];
          loss += e * e * scale;
          dpred.push_back(2 * e * scale * 0.5);
        }
        auto run = TestCall("squared_error")
                       .Attr("scale", scale)
                       .In(pred.Clone())
                       .In(target.Clone())
                       .Out({})
                       .Threads(threads)
                       .Run();
        ASSERT_TRUE(run.ok()) << run.status();
        ExpectClose(run->outputs[0], {loss}, 1e-6);
        for (int in_place : {0, 1, 2}) {
          TestCall call("squared_error_backward");
          call.Attr("scale", scale).In(dloss.Clone()).In(pred.Clone()).In(target.Clone()).Out(shape).Threads(threads);
          if (in_place > 0) call.InPlace(0, in_place);
          run = call.Run();
          ASSERT_TRUE(run.ok()) << run.status();
          ExpectClose(run->outputs[0], dpred, 1e-6);
        }
      }
    }
  }
}

TEST(SquaredError, ErrorsNameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  expect(TestCall("squared_error").Attr("scale", 1.0).In(RandomTensor({2, 3}, 1)).In(RandomTensor({3, 2}, 1)).Out({}),
         "target is f32[3,2]:ab, expected f32[2,3]");
  expect(TestCall("squared_error").Attr("scale", 1.0).In(RandomTensor({2, 3}, 1)).In(RandomTensor({2, 3}, 1)).Out({2}),
         "loss is f32[2]");
  expect(TestCall("squared_error").In(RandomTensor({2, 3}, 1)).In(RandomTensor({2, 3}, 1)).Out({}),
         "\"scale\" is missing");
  expect(TestCall("squared_error").Attr("scale", 1.0).In(RandomTensor({0}, 1)).In(RandomTensor({0}, 1)).Out({}),
         "is empty");
}

}  // namespace
}  // namespace athanor
