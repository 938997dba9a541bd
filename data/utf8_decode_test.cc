#include "data/utf8_decode.h"

#include <utility>

#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(Utf8DecodeTest, CharactersOfEveryLength) {
  for (const auto& [text, point] : {std::pair<absl::string_view, uint32_t>{"a", 'a'},
                                    {"\xc3\xa4", 0xe4},
                                    {"\xe2\x82\xac", 0x20ac},
                                    {"\xf0\x9f\x98\x80", 0x1f600},
                                    {"\xf4\x8f\xbf\xbf", kCodePoints - 1}}) {
    const Utf8Character c = DecodeUtf8(text);
    EXPECT_EQ(c.point, point);
    EXPECT_EQ(c.bytes, static_cast<int>(text.size()));
    EXPECT_EQ(Utf8Length(text[0]), c.bytes);
  }
}

TEST(Utf8DecodeTest, WhatIsNoUtf8) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("tab\tand \xe2\x82\xac"));
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
                          "caf\xe9", "\xc3(", "\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace athanor
