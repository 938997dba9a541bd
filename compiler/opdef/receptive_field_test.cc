#include "compiler/opdef/receptive_field.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "compiler/builder/builder.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// A network of one grey image, built layer by layer.
class Net {
 public:
  explicit Net(int64_t size = 224) : b_("net"), x_(b_.Input("x", DType::kF32, {"N", 1, size, size})) {}

  Net& Conv(int64_t kernel, int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1) {
    x_ = ConvOf(x_, kernel, stride, pad, dilation);
    return *this;
  }
  Net& Pool(int64_t kernel, int64_t stride, int64_t pad = 0) {
    x_ = b_.MaxPool(x_, {.kernel = {kernel, kernel}, .strides = {stride, stride}, .pads = {pad, pad, pad, pad}});
    return *this;
  }
  // 1x1, 3x3 (with the stride), 1x1; and the shortcut.
  Net& Bottleneck(int64_t stride) {
    Var y = ConvOf(ConvOf(ConvOf(x_, 1, 1, 0, 1), 3, stride, 1, 1), 1, 1, 0, 1);
    if (stride != 1) x_ = ConvOf(x_, 1, stride, 0, 1);
    x_ = b_.Relu(b_.Add(y, x_));
    return *this;
  }
  Var ConvOf(Var x, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return b_.Relu(b_.BatchNorm(b_.Conv2d(x, {.out_channels = 1, .kernel = {kernel, kernel}, .strides = {stride, stride},
                                              .pads = {pad, pad, pad, pad}, .dilations = {dilation, dilation}})));
  }
  GraphBuilder& builder() { return b_; }
  Var& x() { return x_; }

  std::vector<LayerField> Fields() {
    b_.Entry("infer", {.inputs = {Var{0}}, .outputs = {{"y", x_}}});
    auto graph = b_.Build();
    ATH_CHECK_OK(graph.status());
    auto fields = ReceptiveFields(*graph);
    ATH_CHECK_OK(fields.status());
    return *std::move(fields);
  }
  ReceptiveField Last() { return Fields().back().dims[0]; }

 private:
  GraphBuilder b_;
  Var x_;
};

TEST(ReceptiveFieldTest, LeNet5) {
  Net net(28);
  net.Conv(5, 1, 2).Pool(2, 2).Conv(5).Pool(2, 2);
  const std::vector<LayerField> fields = net.Fields();
  ASSERT_EQ(fields.size(), 4u);
  const ReceptiveField expected[] = {{5, 1, -2}, {6, 2, -2}, {14, 2, -2}, {16, 4, -2}};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fields[i].dims, (std::vector<ReceptiveField>(2, expected[i]))) << i;
}

TEST(ReceptiveFieldTest, AlexNet) {
  Net net;
  net.Conv(11, 4, 2).Pool(3, 2).Conv(5, 1, 2).Pool(3, 2).Conv(3, 1, 1).Conv(3, 1, 1).Conv(3, 1, 1).Pool(3, 2);
  EXPECT_EQ(net.Last().size, 195);
  EXPECT_EQ(net.Last().jump, 32);
}

TEST(ReceptiveFieldTest, Vgg16) {
  Net net;
  for (int convolutions : {2, 2, 3, 3, 3}) {
    for (int i = 0; i < convolutions; ++i) net.Conv(3, 1, 1);
    net.Pool(2, 2);
  }
  EXPECT_EQ(net.Last(), (ReceptiveField{212, 32, -90}));
}

// Where the stride lies decides: in the last block of a stage as in the article, in the first as in torchvision.
TEST(ReceptiveFieldTest, ResNet50) {
  auto of = [](bool last) {
    Net net;
    net.Conv(7, 2, 3).Pool(3, 2, 1);
    const int blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage) {
      for (int i = 0; i < blocks[stage]; ++i) {
        const bool strides = last ? stage < 3 && i == blocks[stage] - 1 : stage > 0 && i == 0;
        net.Bottleneck(strides ? 2 : 1);
      }
    }
    return net.Last();
  };
  EXPECT_EQ(of(true).size, 483);
  EXPECT_EQ(of(false).size, 427);
  EXPECT_EQ(of(false).jump, 32);
}

TEST(ReceptiveFieldTest, DilationAndAutoPad) {
  Net net;
  net.Conv(3, 1, 2, 2).Conv(3, 1, 4, 4);
  EXPECT_EQ(net.Last(), (ReceptiveField{13, 1, -6}));
  Net same(9);
  Var w = same.builder().Parameter("w", {1, 1, 4, 4}, {"zeros", {}});
  same.x() = same.builder().Op("Conv2d", {same.x(), w}, {{"auto_pad", std::string("same_upper")}})[0];
  EXPECT_EQ(same.Last(), (ReceptiveField{4, 1, -1}));
}

TEST(ReceptiveFieldTest, BranchesAreCoveredBoth) {
  Net net;
  Var wide = net.ConvOf(net.x(), 5, 1, 2, 1), narrow = net.ConvOf(net.x(), 1, 1, 0, 1);
  net.x() = net.builder().Concat({wide, narrow}, 1);
  net.Conv(3, 1, 1);
  EXPECT_EQ(net.Last(), (ReceptiveField{7, 1, -3}));
}

TEST(ReceptiveFieldTest, AGlobalPoolSeesAllAndFlatteningEndsIt) {
  Net net(8);
  net.Conv(3, 1, 1);
  net.x() = net.builder().GlobalAvgPool(net.x());
  std::vector<LayerField> fields = net.Fields();
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[1].dims[0].size, 10);  // with the padding
  Net flat(8);
  flat.Conv(3, 1, 1);
  flat.x() = flat.builder().FullyConnected(flat.builder().Flatten(flat.x()), {.units = 3});
  EXPECT_EQ(flat.Fields().size(), 1u);
}

}  // namespace
}  // namespace athanor
