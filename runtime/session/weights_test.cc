#include "runtime/session/weights.h"

#include <algorithm>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/session/testing/text_plan.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

// Row-major and blocked, with padding on both dimensions; types that oneDNN has no name for.
constexpr char kVariables[] = R"(program "e"
  variable plain: parameter f32[5,3]:ab bytes=64 offset=0
  variable blocked: parameter f32[5,3]:AB16b16a bytes=1024 offset=64
  variable images: parameter f32[20,3,3,2]:ABcd16b16a bytes=12288 offset=1088
  variable turned: state f32[5,3]:ba bytes=64 offset=13376
  variable count: state s64[]:a bytes=64 offset=13440
  variable flags: constant bool[7]:a bytes=64 offset=13504
)";

Plan VariablesPlan() { return PlanOfTexts({kVariables}); }

std::shared_ptr<Weights> Made(Plan plan) {
  auto weights = Weights::Create(std::make_shared<const Plan>(std::move(plan)));
  ATH_CHECK_OK(weights.status());
  return *std::move(weights);
}

Tensor Got(const Weights& weights, const std::string& name) {
  auto value = weights.Get(name);
  ATH_CHECK_OK(value.status());
  return *std::move(value);
}

void ExpectSame(const Tensor& got, const Tensor& want) {
  ASSERT_EQ(got.dtype(), want.dtype());
  EXPECT_EQ(got.shape(), want.shape());
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.bytes()), 0);
}

Tensor ValueFor(const Variable& v, uint64_t stream) {
  return v.desc.dtype == DType::kF32 ? RandomTensor(v.desc.dims, stream) : CountingTensor(v.desc.dtype, v.desc.dims);
}

TEST(WeightsTest, EveryVariableReadsBackAsItWasSet) {
  auto weights = Made(VariablesPlan());
  const std::vector<Variable>& variables = weights->plan().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    ASSERT_EQ(weights->Set(variables[i].name, ValueFor(variables[i], i)), absl::OkStatus());
  }
  // Only now: none of them has spoilt another.
  for (size_t i = 0; i < variables.size(); ++i) {
    SCOPED_TRACE(variables[i].name);
    ExpectSame(Got(*weights, variables[i].name), ValueFor(variables[i], i));
  }
}

TEST(WeightsTest, TheMemoryHoldsTheKernelsLayoutWithZeroPadding) {
  auto weights = Made(VariablesPlan());
  const Tensor value = RandomTensor({5, 3}, 1);
  ASSERT_EQ(weights->Set("blocked", value), absl::OkStatus());
  ASSERT_EQ(weights->Set("turned", value), absl::OkStatus());
  const auto* blocked = reinterpret_cast<const float*>(weights->data() + 64);
  const auto* turned = reinterpret_cast<const float*>(weights->data() + 13376);
  for (int row = 0; row < 16; ++row) {
    for (int col = 0; col < 16; ++col) {
      float want = row < 5 && col < 3 ? value.as<float>()[row * 3 + col] : 0;
      EXPECT_EQ(blocked[col * 16 + row], want) << row << "," << col;
      if (row < 5 && col < 3) {
        EXPECT_EQ(turned[col * 5 + row], want);
      }
    }
  }
}

TEST(WeightsTest, BeginsWithThePlansValuesAndZeros) {
  Plan plan = VariablesPlan();
  plan.variables[1].data = std::make_shared<const Tensor>(RandomTensor({5, 3}, 1));
  plan.variables[4].data = std::make_shared<const Tensor>(Tensor::Scalar<int64_t>(12345678901));
  auto weights = Made(std::move(plan));
  ExpectSame(Got(*weights, "blocked"), RandomTensor({5, 3}, 1));
  EXPECT_EQ(Got(*weights, "count").as<int64_t>()[0], 12345678901);
  const Tensor images = Got(*weights, "images");
  for (float x : images.as<float>()) EXPECT_EQ(x, 0);
  EXPECT_EQ(weights->bytes(), 16384);
}

// The weight of a grouped convolution may have a dimension more in the plan: the elements are the same in order.
TEST(WeightsTest, TheShapeIsThatOfTheModel) {
  Plan plan = VariablesPlan();
  plan.variables[0].data = std::make_shared<const Tensor>(RandomTensor({15}, 1));
  auto weights = Made(std::move(plan));
  EXPECT_EQ(Got(*weights, "plain").shape(), (Shape{15}));
  ASSERT_EQ(weights->Set("plain", RandomTensor({15, 1}, 2)), absl::OkStatus());
  EXPECT_EQ(Got(*weights, "plain").as<float>()[7], RandomTensor({15, 1}, 2).as<float>()[7]);
}

TEST(WeightsTest, AnotherTypeOrNameIsRefusedAndNothingChanges) {
  auto weights = Made(VariablesPlan());
  ASSERT_EQ(weights->Set("blocked", RandomTensor({5, 3}, 1)), absl::OkStatus());
  EXPECT_EQ(std::string(weights->Set("nothing", RandomTensor({5, 3}, 1)).message()),
            "REQ: plan of model \"by hand\" has no variable \"nothing\"");
  EXPECT_EQ(ErrorClassOf(weights->Get("nothing").status()), "REQ");
  EXPECT_EQ(std::string(weights->Set("blocked", CountingTensor(DType::kS32, {5, 3})).message()),
            "DTYPE: variable \"blocked\" is f32, the value given is s32");
  EXPECT_EQ(std::string(weights->Set("blocked", RandomTensor({4, 4}, 1)).message()),
            "SHAPE: variable \"blocked\" has shape [5,3], the value given has shape [4,4]");
  ExpectSame(Got(*weights, "blocked"), RandomTensor({5, 3}, 1));
}

// A plan from a file may say anything; the arena must not be written where it is not.
TEST(WeightsTest, PlansWhoseVariablesHaveNoGoodPlaceAreRefused) {
  auto error = [](auto&& damage) {
    Plan plan = VariablesPlan();
    for (Variable& v : plan.variables) {
      v.data = std::make_shared<const Tensor>(*Tensor::Create(v.desc.dtype, v.desc.dims));
    }
    damage(plan);
    auto weights = Weights::Create(std::make_shared<const Plan>(std::move(plan)));
    EXPECT_FALSE(weights.ok());
    return std::string(weights.status().message());
  };
  EXPECT_THAT(error([](Plan& p) { p.variables[0].offset = kUnplaced; }), HasSubstr("PLAN: variable \"plain\""));
  EXPECT_THAT(error([](Plan& p) { p.variables[0].offset = 16384; }), HasSubstr("PLAN: variable \"plain\""));
  EXPECT_THAT(error([](Plan& p) { p.variables[0].offset = 64; }), HasSubstr("overlaps"));
  EXPECT_EQ(error([](Plan& p) { p.variables[1].bytes = 64; }),
            "PLAN: variable \"blocked\" of 64 bytes is too small for f32[5,3]:AB16b16a, which takes 1024");
  EXPECT_THAT(error([](Plan& p) { p.variables[1].desc.layout = "aZ7"; }), HasSubstr("aZ7"));
  EXPECT_THAT(error([](Plan& p) { p.weight_bytes -= 64; }), HasSubstr("PLAN: an arena of 16320 bytes"));
}

}  // namespace
}  // namespace athanor
