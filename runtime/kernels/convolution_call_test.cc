#include "runtime/kernels/convolution_call.h"

#include "gtest/gtest.h"
#include "runtime/kernels/testing/data.h"

namespace athanor {
namespace {

std::vector<float> Stored(const Tensor& plain, const MemoryDesc& desc) {
  const dnnl::memory::desc from = PlainDnnl(DType::kF32, desc.dims), to = ToDnnl(desc);
  std::vector<float> bytes(to.get_size() / sizeof(float), -1);
  Tensor copy = plain.Clone();
  dnnl::memory source(from, CpuEngine(), copy.data()), destination(to, CpuEngine(), bytes.data());
  dnnl::stream stream(CpuEngine());
  dnnl::reorder(source, destination).execute(stream, source, destination);
  stream.wait();
  return bytes;
}

struct Weights {
  int64_t groups, out, in;  // of a group
};

TEST(GroupedWeights, ALayoutOfEitherShapeIsTheSameBytes) {
  int mapped = 0;
  const Weights all[] = {{4, 16, 16}, {2, 16, 5}, {3, 8, 8}, {2, 32, 64}, {4, 4, 4},
                         {32, 1, 1},  {19, 1, 1}, {5, 1, 3}, {2, 3, 7}};
  for (const Weights& w : all) {
    const Shape grouped = {w.groups, w.out, w.in, 3, 2}, ungrouped = {w.groups * w.out, w.in, 3, 2};
    const Tensor data = RandomTensor(grouped, 1);
    for (const char* layout : {"abcde", "abdec", "aBCde16c16b", "aBCde16b16c", "aBCde8c8b", "aBCde8b8c", "aBCde4c4b",
                               "aBdec16b", "aBdec8b", "aBcde16b", "Abcde16a", "Abcde8a", "aCdeb16c", "acbde",
                               "decbA16a"}) {
      SCOPED_TRACE(ShapeToString(grouped) + " " + layout);
      auto other = UngroupedLayout(layout, w.out);
      if (!other) continue;
      ++mapped;
      EXPECT_EQ(Stored(data, {DType::kF32, grouped, layout}), Stored(data, {DType::kF32, ungrouped, *other})) << *other;
      EXPECT_EQ(GroupedLayout(*other, w.out), layout);
    }
  }
  EXPECT_GT(mapped, 40);
}

TEST(GroupedWeights, NamesOfTheOtherShape) {
  EXPECT_EQ(UngroupedLayout("aBCde16c16b", 16), "ABcd16b16a");
  EXPECT_EQ(UngroupedLayout("aBCde16c16b", 24), std::nullopt) << "each group is padded";
  EXPECT_EQ(UngroupedLayout("Abcde16a", 1), "Abcd16a");
  EXPECT_EQ(UngroupedLayout("Abcde16a", 2), std::nullopt);
  EXPECT_EQ(UngroupedLayout("aCdeb16c", 16), std::nullopt) << "the inputs of a group are outside of its outputs";
  EXPECT_EQ(GroupedLayout("ABcd16b16a", 24), std::nullopt) << "a block would span groups";
  EXPECT_EQ(GroupedLayout("Bcda16b", 16), std::nullopt);
  EXPECT_EQ(GroupedLayout("abc", 5), "abcd") << "one spatial dimension";
}

}  // namespace
}  // namespace athanor
