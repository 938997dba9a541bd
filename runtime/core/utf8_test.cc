#include "runtime/core/utf8.h"

#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(Utf8Test, TakesPrintableText) {
  for (absl::string_view text : {"", "conv1.weight", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\xa5", "\xc2\xa0",
                                 "\xf4\x8f\xbf\xbf", "a b\"\\"}) {
    EXPECT_TRUE(IsPrintableUtf8(text)) << text;
  }
}

TEST(Utf8Test, RefusesControlCharactersAndBrokenSequences) {
  EXPECT_FALSE(IsPrintableUtf8(absl::string_view("a\0b", 3)));
  for (absl::string_view text : {"a\nb", "\x1b[31m", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9",  // controls
                                 "\x80", "\xff", "\xc3", "\xc3(", "\xe2\x82", "\xf0\x9f\x94",             // cut short
                                 "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf",                          // overlong
                                 "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) {  // no characters
    EXPECT_FALSE(IsPrintableUtf8(text)) << text;
  }
}

}  // namespace
}  // namespace athanor
