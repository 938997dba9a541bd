#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

TestCall Call(const char* kernel, const char* mode, const char* coordinate, const Floats& scales, Tensor in,
              Shape out) {
  TestCall call(kernel);
  call.Attr("mode", mode).Attr("coordinate_transformation_mode", coordinate)
      .Attr("nearest_mode", "round_prefer_floor").Attr("scales", scales).In(std::move(in)).Out(std::move(out));
  return call;
}

// Doubling by half pixels: a quarter and three quarters of the neighbours, and the edges as they are.
TEST(Resize, DoublesALine) {
  Tensor x = RandomTensor({1, 1, 1, 37}, 1);
  const float* v = x.as<float>().data();
  std::vector<double> want;
  for (int i = 0; i < 37; ++i) {
    want.push_back(i == 0 ? v[0] : 0.25 * v[i - 1] + 0.75 * v[i]);
    want.push_back(i == 36 ? v[36] : 0.75 * v[i] + 0.25 * v[i + 1]);
  }
  auto run = Call("resize", "bilinear", "half_pixel", {1, 2}, x.Clone(), {1, 1, 1, 74}).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ExpectClose(run->outputs[0], want, 1e-6);
}

// <resize(x), dy> = <x, resize_backward(dy)>, the same for every number of threads.
TEST(Resize, BackwardIsTheAdjoint) {
  for (const char* mode : {"nearest", "bilinear"}) {
    for (const char* coordinate : {"half_pixel", "align_corners", "asymmetric"}) {
      for (const Ints& size : std::vector<Ints>{{61, 90}, {20, 11}, {1, 1}, {33, 47}}) {
        const Shape in = {3, 5, 33, 47}, out = {3, 5, size[0], size[1]};
        const Floats scales = {static_cast<double>(size[0]) / 33, static_cast<double>(size[1]) / 47};
        Tensor x = RandomTensor(in, 1), dy = RandomTensor(out, 2);
        auto y = Call("resize", mode, coordinate, scales, x.Clone(), out).Threads(2).Run();
        auto y1 = Call("resize", mode, coordinate, scales, x.Clone(), out).Threads(1).Run();
        auto dx = Call("resize_backward", mode, coordinate, scales, dy.Clone(), in).Threads(2).Run();
        auto dx1 = Call("resize_backward", mode, coordinate, scales, dy.Clone(), in).Threads(1).Run();
        ASSERT_TRUE(y.ok() && y1.ok() && dx.ok() && dx1.ok()) << y.status() << dx.status();
        EXPECT_EQ(y->stored, y1->stored);
        EXPECT_EQ(dx->stored, dx1->stored);
        double forward = 0, backward = 0, scale = 0;
        for (int64_t i = 0; i < dy.num_elements(); ++i) {
          forward += double{y->outputs[0].as<float>()[i]} * dy.as<float>()[i];
          scale += std::abs(double{y->outputs[0].as<float>()[i]} * dy.as<float>()[i]);
        }
        for (int64_t i = 0; i < x.num_elements(); ++i)
          backward += double{dx->outputs[0].as<float>()[i]} * x.as<float>()[i];
        EXPECT_NEAR(forward, backward, 1e-6 * scale) << mode << " " << coordinate;
      }
    }
  }
}

TEST(Resize, KeepsAnotherLayoutWhereOneDnnDoesTheSame) {
  for (const std::string layout : {"aBcd16b", "aBcd8b", "acdb"}) {
    for (const Ints& size : std::vector<Ints>{{14, 18}, {5, 4}, {3, 20}}) {
      const Shape in = {2, 20, 7, 9}, out = {2, 20, size[0], size[1]};
      const Floats scales = {static_cast<double>(size[0]) / 7, static_cast<double>(size[1]) / 9};
      auto call = [&](const char* kernel, const Shape& from, const Shape& to, const std::string& lies) {
        TestCall c(kernel);
        c.Attr("mode", "bilinear").Attr("coordinate_transformation_mode", "half_pixel").Attr("nearest_mode", "floor")
            .Attr("scales", scales).In(RandomTensor(from, 1), lies).Out(to).Threads(2);
        return c.Run();
      };
      for (bool backward : {false, true}) {
        const char* kernel = backward ? "resize_backward" : "resize";
        auto kept = call(kernel, backward ? out : in, backward ? in : out, layout);
        auto plain = call(kernel, backward ? out : in, backward ? in : out, "abcd");
        ASSERT_TRUE(kept.ok() && plain.ok()) << kept.status() << plain.status();
        absl::Span<const float> want = plain->outputs[0].as<float>();
        ExpectClose(kept->outputs[0], std::vector<double>(want.begin(), want.end()), 2e-6);
        EXPECT_TRUE(PaddedWithZeros(kept->outputs[0], kept->stored[0]));
      }
    }
  }
}

TEST(Resize, RefusesADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  const Shape x = {1, 1, 2, 2};
  for (const char* k : {"resize", "resize_backward"}) {
    refuse(Call(k, "cubic", "half_pixel", {1, 1}, RandomTensor(x, 1), x), "cannot have modes \"cubic\"");
    refuse(Call(k, "nearest", "centre", {1, 1}, RandomTensor(x, 1), x), "cannot have modes");
    refuse(Call(k, "nearest", "half_pixel", {1.0}, RandomTensor(x, 1), x), "needs two scales above 0, not [1.0]");
    refuse(Call(k, "nearest", "half_pixel", {1, NAN}, RandomTensor(x, 1), x), "needs two scales above 0");
    refuse(Call(k, "nearest", "half_pixel", {0, 1}, RandomTensor(x, 1), x), "needs two scales above 0");
    refuse(Call(k, "nearest", "half_pixel", {1, 1}, RandomTensor({1, 2, 2}, 1), x), "is not [N,C,H,W]");
    refuse(Call(k, "nearest", "half_pixel", {1, 1}, RandomTensor(x, 1), {1, 1, 0, 2}), "is not [N,C,H,W], or is empty");
    refuse(Call(k, "nearest", "half_pixel", {1, 1}, RandomTensor(x, 1), {2, 1, 2, 2}), "is no image of another size");
  }
}

}  // namespace
}  // namespace athanor
