#include "runtime/kernels/convolution_lift.h"

#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(Lift, LayoutsOfTheSameBytes) {
  const std::pair<const char*, const char*> pairs[] = {
      {"abc", "abcd"}, {"acb", "acdb"}, {"aBc16b", "aBcd16b"}, {"aBc8b", "aBcd8b"}, {"ABc16b16a", "ABcd16b16a"},
      {"Abc16a", "Abcd16a"}, {"Acb16a", "Acdb16a"}, {"cba", "cdba"}};
  for (const auto& [line, image] : pairs) {
    EXPECT_EQ(LiftedLayout(line, 3), image);
    EXPECT_EQ(UnliftedLayout(image, 3), line);
  }
  EXPECT_EQ(LiftedLayout("Acb8a", 3), "Acdb8a");
  EXPECT_EQ(UnliftedLayout("Abcd8a", 3), std::nullopt) << "Abc8a has no name";
  EXPECT_EQ(LiftedLayout("Acb8a", 3, /*one_b=*/true), "Abcd8a");
  EXPECT_EQ(UnliftedLayout("Abcd8a", 3, /*one_b=*/true), "Acb8a");
  EXPECT_EQ(LiftedLayout("nonsense", 3), std::nullopt);
  EXPECT_EQ(LiftedLayout("ab", 3), std::nullopt);
  EXPECT_EQ(UnliftedLayout("abCd16c", 3), std::nullopt) << "the dimension that goes has blocks";
}

CallSpec Line() {
  CallSpec spec{"convolution", "node", {}, {}, {}, {}, 1};
  spec.attrs = {{"strides", Ints{2}}, {"pads", Ints{1, 3}}, {"dilations", Ints{4}}, {"groups", int64_t{1}},
                {"bias", true}};
  auto f32 = [](Shape dims, std::string layout) { return MemoryDesc{DType::kF32, std::move(dims), std::move(layout)}; };
  spec.inputs = {f32({2, 16, 20}, "aBc16b"), f32({5, 16, 3}, ""), f32({5}, "a"), f32({5, 1}, "ab"), f32({}, "a")};
  spec.outputs = {f32({2, 5, 8}, "acb")};
  return spec;
}

TEST(Lift, ACallAndBack) {
  const CallSpec line = Line();
  ASSERT_TRUE(IsOneDimensional(line));
  const CallSpec image = Lifted(line);
  EXPECT_EQ(image.attrs.GetInts("strides"), (Ints{1, 2}));
  EXPECT_EQ(image.attrs.GetInts("pads"), (Ints{0, 1, 0, 3}));
  EXPECT_EQ(image.attrs.GetInts("dilations"), (Ints{1, 4}));
  std::string operands;
  for (const MemoryDesc& desc : image.inputs) operands += desc.ToString() + " ";
  EXPECT_EQ(operands, "f32[2,16,1,20]:aBcd16b f32[5,16,1,3]:any f32[5]:a f32[5,1,1]:abc f32[]:a ");
  EXPECT_EQ(image.outputs[0].ToString(), "f32[2,5,1,8]:acdb");
  KernelInfo info{image.inputs, image.outputs, 0, "", 0, 0};
  Unlift(line, &info);
  EXPECT_EQ(info.inputs, line.inputs);
  EXPECT_EQ(info.outputs, line.outputs);
}

TEST(Lift, OnlyWhatLooksLikeOne) {
  CallSpec spec = Line();
  spec.attrs.Set("strides", Ints{1, 1});
  EXPECT_FALSE(IsOneDimensional(spec));
  spec = Line();
  spec.attrs.Erase("pads");
  EXPECT_FALSE(IsOneDimensional(spec));
  spec = Line();
  spec.attrs.Set("bias", 1);
  EXPECT_FALSE(IsOneDimensional(spec));
  spec = Line();
  spec.inputs[1].dims = {5, 16};
  EXPECT_FALSE(IsOneDimensional(spec));
  spec = Line();
  spec.outputs.clear();
  EXPECT_FALSE(IsOneDimensional(spec));
}

}  // namespace
}  // namespace athanor
