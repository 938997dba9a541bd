#include "data/vocabulary.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Vocabulary, NumbersTheCharactersOfATextInOrder) {
  auto v = Vocabulary::OfText("b\na\xC3\xA9 b\xE2\x82\xAC");
  ASSERT_TRUE(v.ok()) << v.status();
  EXPECT_THAT(v->symbols(), ElementsAre("\n", " ", "a", "b", "\xC3\xA9", "\xE2\x82\xAC"));
  auto ids = v->Encode("\xE2\x82\xAC" "ab\n");
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_THAT(*ids, ElementsAre(5, 2, 3, 0));
  EXPECT_EQ(v->Find("\xC3\xA9"), 4);
  EXPECT_EQ(v->Find("z"), -1);
  EXPECT_EQ(v->Find("<pad>"), -1);
  EXPECT_EQ(Vocabulary().Find("a"), -1);
}

TEST(Vocabulary, NamesTheCharacterThatItLacks) {
  auto v = Vocabulary::Create({"<pad>", "a", "b"});
  ASSERT_TRUE(v.ok()) << v.status();
  EXPECT_EQ(v->Find("<pad>"), 0);
  auto error = [&](const char* text) { return std::string(v->Encode(text).status().message()); };
  EXPECT_THAT(error("abQ"), HasSubstr("DATA: character 3, \"Q\", is not among the 3 of the vocabulary"));
  EXPECT_THAT(error("a b"), HasSubstr("character 2, U+0020"));
  EXPECT_THAT(error("\n"), HasSubstr("character 1, U+000A"));
  EXPECT_THAT(error("\xC3\xA9"), HasSubstr("character 1, \"\xC3\xA9\""));
  EXPECT_THAT(error("<pad>"), HasSubstr("character 1, \"<\""));  // a name is no text
}

TEST(Vocabulary, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"a\xFF", "a\xC3", "a\xC3(", "a\xC0\x80", "a\xED\xA0\x80", "a\xF5\x80\x80\x80", "a\x80"}) {
    auto split = SplitCharacters(text);
    ASSERT_FALSE(split.ok()) << text;
    EXPECT_THAT(std::string(split.status().message()), HasSubstr("byte 1 (0x"));
  }
  EXPECT_TRUE(SplitCharacters("\xC2\x85\xE2\x80\xA8\x01").ok());  // control characters are characters
}

TEST(Vocabulary, RefusesListsThatAreNone) {
  auto error = [](std::vector<std::string> symbols) {
    return std::string(Vocabulary::Create(std::move(symbols)).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("no symbols"));
  EXPECT_THAT(error({"a", ""}), HasSubstr("symbol 1 of the vocabulary is empty"));
  EXPECT_THAT(error({"a", "b", "a"}), HasSubstr("symbol 2 of the vocabulary, \"a\", is there before, as number 0"));
  EXPECT_FALSE(Vocabulary::OfText("").ok());
}

}  // namespace
}  // namespace athanor
