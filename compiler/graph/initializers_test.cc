#include "compiler/graph/initializers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_format.h"
#include "compiler/graph/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

struct Moments {
  double min, max, mean, std;
};

// Of a tensor large enough that mean and deviation tell.
Moments MomentsOf(const Initializer& init, const Shape& shape) {
  auto t = Initialize(init, shape, 1, 2);
  EXPECT_TRUE(t.ok()) << t.status();
  absl::Span<const float> v = static_cast<const Tensor&>(*t).as<float>();
  double sum = 0, squares = 0;
  for (float x : v) sum += x, squares += double{x} * x;
  double mean = sum / v.size();
  return {*std::min_element(v.begin(), v.end()), *std::max_element(v.begin(), v.end()), mean,
          std::sqrt(squares / v.size() - mean * mean)};
}

// For n numbers, mean and deviation lie within a few of their standard errors.
void ExpectUniform(const Initializer& init, const Shape& shape, double low, double high) {
  Moments m = MomentsOf(init, shape);
  double width = high - low, n = *NumElements(shape);
  EXPECT_GE(m.min, low - 1e-6 * width) << init.kind;
  EXPECT_LE(m.max, high + 1e-6 * width) << init.kind;
  EXPECT_LT(m.min, low + 20 * width / n) << init.kind;
  EXPECT_GT(m.max, high - 20 * width / n) << init.kind;
  EXPECT_NEAR(m.mean, (low + high) / 2, 5 * width / std::sqrt(12 * n)) << init.kind;
  EXPECT_NEAR(m.std, width / std::sqrt(12.0), 5 * width / std::sqrt(12 * n)) << init.kind;
}

void ExpectNormal(const Initializer& init, const Shape& shape, double mean, double std) {
  Moments m = MomentsOf(init, shape);
  double n = *NumElements(shape);
  EXPECT_NEAR(m.mean, mean, 5 * std / std::sqrt(n)) << init.kind;
  EXPECT_NEAR(m.std, std, 5 * std / std::sqrt(2 * n)) << init.kind;
  EXPECT_LT(m.min, mean - 3 * std) << init.kind;
  EXPECT_GT(m.max, mean + 3 * std) << init.kind;
  EXPECT_LT(m.max, mean + 7 * std) << init.kind;
}

const Shape kWeight = {64, 32, 3, 5};  // fan_in 480, fan_out 960

TEST(InitializersTest, Constants) {
  EXPECT_THAT(Initialize({"zeros", {}}, {2}, 1, 1)->as<float>(), ::testing::Each(0.0f));
  EXPECT_THAT(Initialize({"ones", {}}, {2}, 1, 1)->as<float>(), ::testing::Each(1.0f));
  EXPECT_THAT(Initialize({"constant", {{"value", -0.25}}}, {2}, 1, 1)->as<float>(), ::testing::Each(-0.25f));
  EXPECT_EQ(Initialize({"ones", {}}, {}, 1, 1)->num_elements(), 1);
}

TEST(InitializersTest, UniformAndNormal) {
  ExpectUniform({"uniform", {}}, {10000}, 0, 1);
  ExpectUniform({"uniform", {{"low", -3.0}, {"high", int64_t{5}}}}, {10000}, -3, 5);
  ExpectNormal({"normal", {}}, {10000}, 0, 1);
  ExpectNormal({"normal", {{"mean", 2.0}, {"std", 0.02}}}, {10000}, 2, 0.02);
}

// The bounds of torch.nn.init.
TEST(InitializersTest, XavierAndKaimingFollowTheFans) {
  double bound = std::sqrt(6.0 / (480 + 960));
  ExpectUniform({"xavier_uniform", {}}, kWeight, -bound, bound);
  ExpectUniform({"xavier_uniform", {{"gain", 2.0}}}, kWeight, -2 * bound, 2 * bound);
  ExpectNormal({"xavier_normal", {}}, kWeight, 0, std::sqrt(2.0 / (480 + 960)));
  bound = std::sqrt(6.0 / 480);
  ExpectUniform({"kaiming_uniform", {}}, kWeight, -bound, bound);
  bound = std::sqrt(6.0 / 960);
  ExpectUniform({"kaiming_uniform", {{"fan", std::string("out")}}}, kWeight, -bound, bound);
  ExpectNormal({"kaiming_normal", {{"fan", std::string("in")}}}, kWeight, 0, std::sqrt(2.0 / 480));
  ExpectNormal({"kaiming_normal", {{"gain", 1.0}}}, kWeight, 0, std::sqrt(1.0 / 480));
  ExpectNormal({"kaiming_normal", {{"a", 0.5}}}, kWeight, 0, std::sqrt(2.0 / 1.25 / 480));
  bound = 1 / std::sqrt(300.0);
  ExpectUniform({"kaiming_uniform", {{"a", std::sqrt(5.0)}}}, {100, 300}, -bound, bound);
}

TEST(InitializersTest, LecunFollowsTheFanIn) {
  const double bound = std::sqrt(3.0 / 480);
  ExpectUniform({"lecun_uniform", {}}, kWeight, -bound, bound);
  ExpectNormal({"lecun_normal", {}}, kWeight, 0, std::sqrt(1.0 / 480));
  ExpectNormal({"lecun_normal", {{"fan_in", int64_t{25}}}}, {5000}, 0, 0.2);
}

// The moments of a truncated normal distribution, by its density: p between the bounds, in units of std.
TEST(InitializersTest, TruncatedNormal) {
  struct Case {
    double mean, std, a, b;
  };
  for (const Case& c : {Case{0, 1, -2, 2}, {0, 0.02, -0.04, 0.04}, {1, 2, -1, 1.5}, {0, 1, 3, 4}, {0, 1, -9, -8}, {5, 1, -2, 2},
                        {0, 1, -100, 100}, {0, 1, 0, 1e30}}) {
    Moments m = MomentsOf({"truncated_normal", {{"mean", c.mean}, {"std", c.std}, {"a", c.a}, {"b", c.b}}}, {40000});
    double share = 0, first = 0, second = 0;
    const double low = std::max(c.a, c.mean - 12 * c.std), high = std::min(c.b, c.mean + 12 * c.std);
    for (int i = 0; i < 20000; ++i) {
      const double x = low + (high - low) * (i + 0.5) / 20000, z = (x - c.mean) / c.std, p = std::exp(-0.5 * z * z);
      share += p, first += p * x, second += p * x * x;
    }
    const double mean = first / share, std = std::sqrt(second / share - mean * mean);
    EXPECT_GE(m.min, c.a - 1e-6 * std::abs(c.a)) << c.a;
    EXPECT_LE(m.max, c.b + 1e-6 * std::abs(c.b)) << c.b;
    EXPECT_NEAR(m.mean, mean, 5 * std / 200) << c.a;
    EXPECT_NEAR(m.std, std, 0.03 * std) << c.a;
  }
  EXPECT_THAT(Initialize({"truncated_normal", {{"std", 0.0}, {"mean", 0.5}}}, {3}, 1, 1)->as<float>(),
              ::testing::Each(0.5f));
}

// Q Q^T = gain^2, or Q^T Q, whichever is the smaller.
void ExpectOrthogonal(const Shape& shape, double gain) {
  Tensor t = *Initialize({"orthogonal", {{"gain", gain}}}, shape, 1, 2, DType::kF64);
  const double* q = static_cast<const double*>(t.data());
  const int64_t rows = shape[0], cols = t.num_elements() / rows;
  const int64_t count = std::min(rows, cols), length = std::max(rows, cols);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (int64_t k = 0; k < length; ++k) {
        dot += rows < cols ? q[i * cols + k] * q[j * cols + k] : q[k * cols + i] * q[k * cols + j];
      }
      ASSERT_NEAR(dot, i == j ? gain * gain : 0, 1e-12 * gain * gain) << ShapeToString(shape) << " " << i << " " << j;
    }
  }
}

TEST(InitializersTest, OrthogonalRowsOrColumns) {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 7}, Shape{7, 1}, Shape{5, 5}, Shape{64, 64}, Shape{33, 70}, Shape{70, 33},
                             Shape{16, 3, 5, 5}, Shape{100, 2, 3, 3}, Shape{257, 256}}) {
    ExpectOrthogonal(shape, 1);
    ExpectOrthogonal(shape, 2.5);
  }
  Tensor f32 = *Initialize({"orthogonal", {}}, {64, 64}, 1, 2);  // stored as f32, too
  for (int64_t i = 0; i < 64; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (int64_t k = 0; k < 64; ++k) dot += double{f32.as<float>()[i * 64 + k]} * f32.as<float>()[j * 64 + k];
      ASSERT_NEAR(dot, i == j, 1e-6);
    }
  }
  EXPECT_EQ(Initialize({"orthogonal", {}}, {0, 3}, 1, 2)->num_elements(), 0);
}

// torch.linalg.qr of the same normal numbers, with the signs of R's diagonal: A = Q R, so Q^T A is upper triangular with
// a positive diagonal.
TEST(InitializersTest, OrthogonalIsTheQOfNormalNumbers) {
  const int64_t rows = 9, cols = 5;
  Tensor t = *Initialize({"orthogonal", {}}, {rows, cols}, 3, 4, DType::kF64);
  const double* q = static_cast<const double*>(t.data());
  Philox random(3, 4);
  for (int64_t i = 0; i < cols; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      double r = 0;
      for (int64_t k = 0; k < rows; ++k) r += q[k * cols + i] * random.Normal(k * cols + j);
      if (j < i) {
        EXPECT_NEAR(r, 0, 1e-13);
      }
      if (j == i) {
        EXPECT_GT(r, 0);
      }
    }
  }
}

TEST(InitializersTest, IdentityAndDirac) {
  EXPECT_THAT(Initialize({"identity", {}}, {2, 3}, 1, 1)->as<float>(), ::testing::ElementsAre(1, 0, 0, 0, 1, 0));
  EXPECT_THAT(Initialize({"identity", {{"gain", 0.5}}}, {3, 2}, 1, 1)->as<float>(),
              ::testing::ElementsAre(0.5, 0, 0, 0.5, 0, 0));
  EXPECT_THAT(Initialize({"dirac", {}}, {3, 2, 3}, 1, 1)->as<float>(),
              ::testing::ElementsAre(0, 1, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 1, 0, /**/ 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Initialize({"dirac", {{"groups", int64_t{2}}}}, {4, 1, 2}, 1, 1)->as<float>(),
              ::testing::ElementsAre(0, 1, 0, 0, 0, 1, 0, 0));
  Tensor t = *Initialize({"dirac", {}}, {2, 2, 3, 5}, 1, 1);
  EXPECT_EQ(t.as<float>()[1 * 5 + 2], 1);
  EXPECT_EQ(t.as<float>()[3 * 15 + 1 * 5 + 2], 1);
  EXPECT_EQ(std::count(t.as<float>().begin(), t.as<float>().end(), 0.0f), 58);
}

TEST(InitializersTest, ThreadsAndLengthChangeNoNumber) {
  for (const char* kind : {"uniform", "normal", "truncated_normal"}) {
    Tensor many = *Initialize({kind, {}}, {200001}, 1, 2);
    for (int64_t n : {int64_t{1}, int64_t{3}, int64_t{4097}, int64_t{70001}}) {
      Tensor few = *Initialize({kind, {}}, {n}, 1, 2);
      EXPECT_TRUE(std::equal(few.as<float>().begin(), few.as<float>().end(), many.as<float>().begin())) << kind << n;
    }
  }
}

// The same on every machine: the bits of the first and of a late number of each.
TEST(InitializersTest, StoredBits) {
  auto bits = [](const char* kind, const Shape& shape, int64_t i) {
    Tensor t = *Initialize({kind, {}}, shape, 42, InitializerStream("conv1.weight"));
    return absl::StrFormat("%a", t.as<float>()[i]);
  };
  EXPECT_EQ(bits("uniform", {64, 64}, 0), "0x1.48176cp-2");
  EXPECT_EQ(bits("normal", {64, 64}, 0), "0x1.586952p+0");
  EXPECT_EQ(bits("normal", {64, 64}, 4095), "0x1.f8515cp+0");
  EXPECT_EQ(bits("truncated_normal", {64, 64}, 0), "-0x1.c681fap-2");
  EXPECT_EQ(bits("truncated_normal", {64, 64}, 4095), "-0x1.61bfap+0");
  EXPECT_EQ(bits("kaiming_normal", {64, 64}, 4095), "0x1.649b46p-2");
  EXPECT_EQ(bits("lecun_uniform", {64, 64}, 4095), "-0x1.82f3c6p-3");
  EXPECT_EQ(bits("orthogonal", {64, 64}, 0), "0x1.336b8ep-3");
  EXPECT_EQ(bits("orthogonal", {64, 64}, 4095), "0x1.936ae2p-3");
}

TEST(InitializersTest, ABiasIsToldItsFan) {
  double bound = 1 / std::sqrt(25.0);
  ExpectUniform({"kaiming_uniform", {{"a", std::sqrt(5.0)}, {"fan_in", int64_t{25}}}}, {5000}, -bound, bound);
}

TEST(InitializersTest, TheSameSeedGivesTheSameNumbers) {
  Initializer init{"normal", {}};
  auto numbers = [&](uint64_t seed, uint64_t stream, Shape shape) {
    Tensor t = *Initialize(init, shape, seed, stream);
    return std::vector<float>(t.as<float>().begin(), t.as<float>().end());
  };
  EXPECT_EQ(numbers(1, 2, {100}), numbers(1, 2, {100}));
  EXPECT_NE(numbers(1, 2, {100}), numbers(2, 2, {100}));
  EXPECT_NE(numbers(1, 2, {100}), numbers(1, 3, {100}));
  std::vector<float> longer = numbers(1, 2, {200});
  longer.resize(100);
  EXPECT_EQ(longer, numbers(1, 2, {100}));
}

// A model's start must not change from one version to the next.
TEST(InitializersTest, TheNumbersArePhilox) {
  Tensor t = *Initialize({"uniform", {}}, {7}, 42, InitializerStream("conv1.weight"));
  Philox random(42, InitializerStream("conv1.weight"));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(t.as<float>()[i], random.Uniform(i));
  EXPECT_EQ(InitializerStream("conv1.weight"), 7494443476029924804u);
  EXPECT_NEAR(t.as<float>()[0], 0.320402, 1e-6);
}

TEST(InitializersTest, OtherElementTypes) {
  EXPECT_EQ(Initialize({"constant", {{"value", int64_t{-7}}}}, {2}, 1, 1, DType::kS8)->as<int8_t>()[1], -7);
  EXPECT_EQ(Initialize({"ones", {}}, {2}, 1, 1, DType::kS64)->as<int64_t>()[1], 1);
  EXPECT_TRUE(Initialize({"ones", {}}, {2}, 1, 1, DType::kBool)->as<bool>()[1]);
  Tensor f32 = *Initialize({"normal", {}}, {50}, 1, 1), f64 = *Initialize({"normal", {}}, {50}, 1, 1, DType::kF64),
         bf16 = *Initialize({"normal", {}}, {50}, 1, 1, DType::kBF16);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(f32.as<float>()[i], static_cast<float>(f64.as<double>()[i]));
    uint32_t bits = uint32_t{static_cast<const uint16_t*>(bf16.data())[i]} << 16;
    float rounded;
    std::memcpy(&rounded, &bits, 4);
    EXPECT_NEAR(rounded, f32.as<float>()[i], std::abs(f32.as<float>()[i]) / 256);
  }
  auto error = [](const Initializer& init, DType t) { return Initialize(init, {2}, 1, 1, t).status(); };
  EXPECT_EQ(ErrorClassOf(error({"normal", {}}, DType::kS32)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"truncated_normal", {}}, DType::kS64)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"constant", {{"value", 0.5}}}, DType::kS32)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"constant", {{"value", 256.0}}}, DType::kU8)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"constant", {{"value", 0x1p63}}}, DType::kS64)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"constant", {{"value", 2.0}}}, DType::kBool)), "DTYPE");
  EXPECT_EQ(ErrorClassOf(error({"zeros", {}}, DType::kUndefined)), "DTYPE");
}

void ExpectError(const Initializer& init, const Shape& shape, const std::string& part) {
  absl::Status status = Initialize(init, shape, 1, 1).status();
  EXPECT_EQ(ErrorClassOf(status), "ATTR") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST(InitializersTest, BadAttributesAreNamed) {
  const double nan = std::nan("");
  ExpectError({"orthonormal", {}}, {2, 2}, "unknown initialiser \"orthonormal\"; there are: zeros, ones, constant");
  ExpectError({"orthogonal", {}}, {2}, "shape [2] is no matrix: it needs two dimensions or more");
  ExpectError({"orthogonal", {{"gain", nan}}}, {2, 2}, "attribute \"gain\" is nan: it must be finite");
  ExpectError({"identity", {}}, {2, 2, 2}, "shape [2,2,2] is no matrix: it needs two dimensions");
  ExpectError({"identity", {{"value", 1.0}}}, {2, 2}, "unknown attribute \"value\"; it takes: gain");
  ExpectError({"dirac", {}}, {2, 2}, "shape [2,2] is no convolution's weight");
  ExpectError({"dirac", {{"groups", int64_t{2}}}}, {3, 1, 1}, "attribute \"groups\" is 2: it must be an int that divides 3");
  ExpectError({"dirac", {{"groups", 1.0}}}, {3, 1, 1}, "attribute \"groups\" is 1.0");
  ExpectError({"truncated_normal", {{"a", 3.0}}}, {2}, "attribute \"b\" is 2: the least is 3");
  ExpectError({"truncated_normal", {{"std", -1.0}}}, {2}, "attribute \"std\" is -1: the least is 0");
  ExpectError({"truncated_normal", {{"std", 0.0}, {"mean", 3.0}}}, {2}, "with std 0, the mean 3 must lie in [a, b]");
  ExpectError({"truncated_normal", {{"a", 50.0}, {"b", 60.0}}}, {2}, "nothing of the normal distribution of mean 0");
  ExpectError({"lecun_normal", {}}, {2}, "shape [2] has no fans");
  ExpectError({"lecun_normal", {{"gain", 1.0}}}, {2, 2}, "unknown attribute \"gain\"; it takes: fan_in");
  ExpectError({"lecun_uniform", {{"fan_in", 2.0}}}, {2, 2}, "attribute \"fan_in\" is 2.0");
  ExpectError({"", {}}, {2}, "unknown initialiser \"\"");
  ExpectError({"zeros", {{"value", 1.0}}}, {2}, "initialiser zeros: unknown attribute \"value\"; it takes: none");
  ExpectError({"normal", {{"stddev", 1.0}}}, {2}, "unknown attribute \"stddev\"; it takes: mean, std");
  ExpectError({"constant", {}}, {2}, "attribute \"value\" is missing");
  ExpectError({"constant", {{"value", std::string("1")}}}, {2}, "attribute \"value\" is string, not a float");
  ExpectError({"constant", {{"value", nan}}}, {2}, "attribute \"value\" is nan: it must be finite");
  ExpectError({"uniform", {{"low", 2.0}}}, {2}, "attribute \"high\" is 1: the least is 2");
  ExpectError({"normal", {{"std", -1.0}}}, {2}, "attribute \"std\" is -1: the least is 0");
  ExpectError({"xavier_uniform", {}}, {2}, "shape [2] has no fans");
  ExpectError({"kaiming_normal", {}}, {}, "shape [] has no fans");
  ExpectError({"kaiming_normal", {{"fan", std::string("both")}}}, {2, 2}, "attribute \"fan\" is \"both\"");
  ExpectError({"kaiming_normal", {{"a", 1.0}, {"gain", 1.0}}}, {2, 2}, "takes \"a\" or \"gain\", not both");
  ExpectError({"kaiming_normal", {{"fan_in", int64_t{0}}}}, {2}, "attribute \"fan_in\" is 0");
  ExpectError({"kaiming_normal", {{"fan_in", int64_t{2}}, {"fan", std::string("out")}}}, {2, 2}, "only with fan");
  EXPECT_EQ(ErrorClassOf(Initialize({"zeros", {}}, {-1}, 1, 1).status()), "SHAPE");
  EXPECT_TRUE(Initialize({"kaiming_normal", {}}, {0, 4}, 1, 1)->empty());
}

TEST(InitializersTest, FillsTheVariablesThatHaveNoData) {
  constexpr char kLayers[] = R"(graph "g" {
  %w1 : parameter f32[4,8] = xavier_uniform
  %w2 : parameter f32[4,8] = xavier_uniform
  %given : parameter f32[2] = zeros = [3.0,4.0]
  %steps : state s64[] = zeros
  %c : constant f32[] = [1.0]
})";
  Graph a = *ParseGraph(kLayers);
  ASSERT_TRUE(InitializeVariables(&a, 7).ok());
  auto data = [](const Graph& g, const char* name) -> const Tensor& { return *g.values[g.FindValue(name)].data; };
  EXPECT_NE(data(a, "w1").as<float>(), data(a, "w2").as<float>());
  EXPECT_EQ(data(a, "given").as<float>()[1], 4.0f);
  EXPECT_EQ(data(a, "steps").as<int64_t>()[0], 0);
  // Another layer before it does not change a variable; another seed does.
  std::string text = kLayers;
  text.insert(text.find("  %w1"), "  %w0 : parameter f32[9,9] = xavier_uniform\n");
  Graph b = *ParseGraph(text), c = *ParseGraph(text);
  ASSERT_TRUE(InitializeVariables(&b, 7).ok());
  ASSERT_TRUE(InitializeVariables(&c, 8).ok());
  EXPECT_EQ(data(a, "w2").as<float>(), data(b, "w2").as<float>());
  EXPECT_NE(data(a, "w2").as<float>(), data(c, "w2").as<float>());
}

TEST(InitializersTest, ErrorsNameTheVariableAndLeaveTheGraph) {
  Graph g = *ParseGraph("graph \"g\" {\n  %a : parameter f32[2] = zeros\n  %b : parameter f32[2]\n}");
  absl::Status status = InitializeVariables(&g, 1);
  EXPECT_EQ(status.message(), "ATTR: variable %b: has neither data nor an initialiser");
  EXPECT_EQ(g.values[0].data, nullptr);
  g = *ParseGraph("graph \"g\" {\n  %b : parameter f32[2] = normal{x=1.0}\n}");
  EXPECT_THAT(std::string(InitializeVariables(&g, 1).message()), HasSubstr("ATTR: variable %b: initialiser normal: "));
}

}  // namespace
}  // namespace athanor
