// The commands models and gradients as a user types them.
#include <cstring>
#include <filesystem>
#include <string>

#include "cli/testing/cli_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(CliTest, ModelsAreListedShownAndWrittenInTheFormThatIsAskedFor) {
  EXPECT_THAT(Run("models").out, AllOf(HasSubstr("resnet50"), HasSubstr("25,557,032"), HasSubstr("8.18 GFLOP")));
  EXPECT_THAT(Run("models resnet20").out, AllOf(HasSubstr("layer3.2.conv2"), HasSubstr("FLOP/sample"), HasSubstr("269,722")));
  Outcome o = Run("models resnet50 -o r.ath --classes 5 --input 3,32,48 --width 0.125");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("f32[N,3,32,48]"));
  EXPECT_TRUE(fs::exists(dir_ / "r.ath"));
  EXPECT_THAT(Run("models mlp --hidden 20,30 --input 7 --activation tanh").out, HasSubstr("f32[N,30]"));
  ExpectUsageError(Run("models resnet50 --hidden 20"), "has no option \"hidden\"");
  ExpectUsageError(Run("models vgg11 --input 3,8,8"), "network \"vgg11\" of [3,8,8]");
  ExpectUsageError(Run("models vgg11 --width nan"), "width");
  ExpectUsageError(Run("models -o r.ath"), "name of a network");
}

TEST_F(CliTest, NetworksTrainInTheFormThatIsAskedForAndOfTheDatasSize) {
  const std::string run = " --data mnist --epochs 1 --batch 500 --threads 2 --logs none";
  Outcome o = Run("train mlp --hidden 16 --activation tanh --batch-norm" + run);
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("f32[N,16]"), HasSubstr("Tanh"), HasSubstr("bn1")));
  o = Run("train resnet20 --width 0.25 --steps 1" + run);  // a network for 3x32x32 on images of 1x28x28
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("f32[N,1,28,28]"));
  ExpectUsageError(Run("train lenet5 --hidden 16" + run), "has no option");
}

TEST_F(CliTest, WeightsComeFromArraysAndGoBackToThem) {
  ASSERT_EQ(Run("models lenet5 -o a.ath --seed 7").code, 0);
  ASSERT_EQ(Run("export a.ath --weights w").code, 0);
  Outcome o = Run("models lenet5 -o b.ath --weights w");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_TRUE(ReadAll(dir_ / "a.ath") == ReadAll(dir_ / "b.ath"));
  fs::copy_file(dir_ / "w" / "fc1.bias.npy", dir_ / "w" / "fc9.bias.npy");
  ExpectUsageError(Run("models lenet5 -o c.ath --weights w"), "fc9.bias.npy is of no parameter");
  fs::rename(dir_ / "w" / "fc9.bias.npy", dir_ / "w" / "fc2.bias.npy");
  ExpectUsageError(Run("models lenet5 -o c.ath --weights w"), "fc2.bias.npy is f32[120], expected f32[84]");
  fs::remove(dir_ / "w" / "fc2.bias.npy");
  ExpectUsageError(Run("models lenet5 -o c.ath --weights w"), "no array fc2.bias.npy");
  ExpectUsageError(Run("models lenet5 -o c.ath --weights nowhere"), "nowhere");
}

// A file of one array.
std::string Npy(const std::string& type, const std::string& shape, const std::string& bytes) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + bytes;
}

TEST_F(CliTest, GradientsAreWrittenAsArrays) {
  ASSERT_EQ(Run("models perceptron -o p.ath").code, 0);
  const float x[] = {1, 2};
  const int64_t label = 1;
  WriteAll(dir_ / "x.npy", Npy("<f4", "(1, 2)", std::string(reinterpret_cast<const char*>(x), sizeof(x))));
  WriteAll(dir_ / "y.npy", Npy("<i8", "(1,)", std::string(reinterpret_cast<const char*>(&label), sizeof(label))));
  Outcome o = Run("gradients p.ath --input x=x.npy --input labels=y.npy -o g");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("fc.weight"), HasSubstr("fc.bias")));
  EXPECT_TRUE(fs::exists(dir_ / "g" / "outputs" / "loss.npy"));
  // The gradient of the bias times x is the one of the weight.
  float weight[2], bias;
  const std::string w = ReadAll(dir_ / "g" / "fc.weight.npy"), b = ReadAll(dir_ / "g" / "fc.bias.npy");
  ASSERT_GE(w.size(), sizeof(weight));
  ASSERT_GE(b.size(), sizeof(bias));
  std::memcpy(weight, w.data() + w.size() - sizeof(weight), sizeof(weight));
  std::memcpy(&bias, b.data() + b.size() - sizeof(bias), sizeof(bias));
  EXPECT_LT(bias, 0);  // class 1 is to become more probable
  EXPECT_FLOAT_EQ(weight[0], bias);
  EXPECT_FLOAT_EQ(weight[1], 2 * bias);
  ExpectUsageError(Run("gradients p.ath --input x=x.npy -o g"), "--input labels=file.npy is missing");
  ExpectUsageError(Run("gradients p.ath --input x=y.npy --input labels=y.npy -o g"), "the array [1]");
  ExpectUsageError(Run("gradients p.ath --input x --input labels=y.npy -o g"), "is not name=file.npy");
  ExpectUsageError(Run("gradients p.ath --input x=x.npy --input labels=y.npy --entry infer -o g"), "with a loss");
}

}  // namespace
}  // namespace athanor
