#include <algorithm>
#include <cctype>
#include <limits>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

using dnnl::memory;

MemoryDesc F32(Shape dims, std::string layout) { return {DType::kF32, std::move(dims), std::move(layout)}; }

TEST(MemoryDescs, EveryLayoutKeepsItsName) {
  for (const char* layout : {"a", "ab", "ba", "abc", "acb", "aBc16b", "abcd", "acdb", "aBcd8b", "aBcd16b", "Abcd16a",
                             "Acdb16a", "ABcd16b16a", "ABcd16a16b", "ABcd8b8a", "Bcda64b", "abcde", "acdeb", "aBcde16b",
                             "aBCde16c16b", "Abcde8a", "decbA16a", "AB16b64a", "BA16a16b"}) {
    size_t rank = 0;
    for (char c : std::string(layout)) {
      if (std::isalpha(static_cast<unsigned char>(c))) rank = std::max<size_t>(rank, std::tolower(c) - 'a' + 1);
    }
    // Prime dimensions, so that blocks are padded and no two layouts are the same bytes.
    const Shape primes = {37, 19, 5, 7, 3};
    const MemoryDesc desc = F32(Shape(primes.begin(), primes.begin() + rank), layout);
    auto back = FromDnnl(ToDnnl(desc));
    ASSERT_TRUE(back.ok()) << layout << ": " << back.status();
    EXPECT_EQ(*back, desc);
  }
}

TEST(MemoryDescs, ElementTypes) {
  for (DType t : {DType::kF32, DType::kS32, DType::kU8, DType::kS8, DType::kBF16}) {
    auto back = FromDnnl(ToDnnl(MemoryDesc::Plain(t, {2, 3})));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->dtype, t);
  }
  EXPECT_EQ(ToDnnlType(DType::kBool), memory::data_type::u8);
  EXPECT_EQ(ToDnnlType(DType::kS64), memory::data_type::undef);
  EXPECT_EQ(ToDnnlType(DType::kF64), memory::data_type::undef);
}

TEST(MemoryDescs, AnUndecidedLayoutIsAny) {
  memory::desc any = ToDnnl(F32({2, 3, 4, 5}, ""));
  EXPECT_EQ(any, memory::desc({2, 3, 4, 5}, memory::data_type::f32, memory::format_tag::any));
  EXPECT_EQ(FromDnnl(any).status().code(), absl::StatusCode::kInvalidArgument) << "no name while it is undecided";
}

TEST(MemoryDescs, AScalarIsOneElementToOneDnn) {
  memory::desc scalar = ToDnnl(F32({}, "a"));
  EXPECT_EQ(scalar.get_dims(), memory::dims{1});
  auto back = FromDnnl(scalar, F32({}, "a"));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, F32({}, "a"));
}

TEST(MemoryDescs, BroadcastingPutsOnesInFront) {
  EXPECT_EQ(BroadcastDnnl(F32({7, 1, 1}, "abc"), 4), PlainDnnl(DType::kF32, {1, 7, 1, 1}));
  EXPECT_EQ(BroadcastDnnl(F32({}, "a"), 3), PlainDnnl(DType::kF32, {1, 1, 1}));
  const MemoryDesc full = F32({2, 7, 3, 3}, "aBcd16b");
  EXPECT_EQ(BroadcastDnnl(full, 4), ToDnnl(full)) << "an operand of full rank keeps its layout";
}

TEST(MemoryDescs, NonsenseThrowsAndBecomesAStatus) {
  const CallSpec spec{"kernel", "node", {}, {}, {}, {}, 1};
  for (const MemoryDesc& bad : {F32({2, 3}, "zz"), F32({2, 3}, "abc"), F32({2, 3}, "ab;"), F32({2, -3}, "ab")}) {
    absl::Status status = CatchDnnl(spec, [&] {
      ToDnnl(bad);
      return absl::OkStatus();
    });
    EXPECT_EQ(ErrorClassOf(status), "PLAN") << bad.ToString();
    EXPECT_TRUE(absl::StrContains(status.message(), "kernel kernel of \"node\"")) << status;
  }
}

TEST(LayoutBytes, CountsThePaddingOfBlocks) {
  EXPECT_EQ(*LayoutBytes(F32({64, 6, 28, 28}, "abcd")), 64 * 6 * 28 * 28 * 4);
  EXPECT_EQ(*LayoutBytes(F32({64, 6, 28, 28}, "acdb")), 64 * 6 * 28 * 28 * 4);
  EXPECT_EQ(*LayoutBytes(F32({64, 6, 28, 28}, "aBcd16b")), 64 * 16 * 28 * 28 * 4);
  EXPECT_EQ(*LayoutBytes(F32({6, 1, 5, 5}, "ABcd16b16a")), 16 * 16 * 25 * 4);
  EXPECT_EQ(*LayoutBytes(MemoryDesc{DType::kU8, {2, 6, 3, 3}, "aBcd8b"}), 2 * 8 * 9);
  EXPECT_EQ(*LayoutBytes(MemoryDesc::Plain(DType::kS64, {3, 5})), 3 * 5 * 8);
  EXPECT_EQ(*LayoutBytes(MemoryDesc::Plain(DType::kF32, {})), 4);
  EXPECT_EQ(*LayoutBytes(MemoryDesc::Plain(DType::kF32, {0, 5})), 0);
}

TEST(LayoutBytes, RefusesWhatCannotBe) {
  auto error = [](const MemoryDesc& d) { return std::string(ErrorClassOf(LayoutBytes(d).status())); };
  EXPECT_EQ(error(F32({2, 3}, "zz")), "FORMAT");
  EXPECT_TRUE(absl::StrContains(LayoutBytes(F32({2, 3}, "zz")).status().message(), "f32[2,3]:zz is not a layout"));
  EXPECT_EQ(error(F32({2, 3}, "aBcd16b")), "FORMAT");
  EXPECT_EQ(error(MemoryDesc{DType::kS64, {2, 3}, "ba"}), "FORMAT") << "oneDNN does not know the type";
  EXPECT_EQ(error(F32({2, -3}, "ba")), "SHAPE");
  EXPECT_EQ(error(F32({std::numeric_limits<int64_t>::max(), 2}, "ab")), "LIMIT");
  EXPECT_EQ(error(F32({int64_t{1} << 40, int64_t{1} << 40}, "ba")), "LIMIT");
}

TEST(Library, SaysWhatItIs) {
  EXPECT_TRUE(absl::StartsWith(OneDnnVersion(), "3.")) << OneDnnVersion();
  EXPECT_FALSE(EffectiveIsa().empty());
}

}  // namespace
}  // namespace athanor
