#include "data/text.h"

#include <string>
#include <vector>

#include "data/gzip.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;
using Ids = std::vector<int32_t>;
using Strings = std::vector<std::string>;

absl::Status Parse(absl::string_view bytes) { return ParseText(bytes, "a.txt").status(); }

TEST(TextTest, CharactersAreNumberedByTheirCodePoints) {
  Text t = ParseText(
               "b\na\xc3\xa4"
               "b\xf0\x9f\x98\x80\xe2\x82\xac",
               "a.txt")
               .value();  // b LF a ä b 😀 €
  EXPECT_EQ(t.name, "a.txt");
  EXPECT_EQ(t.symbols, (Strings{"\n", "a", "b", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}));
  EXPECT_EQ(t.ids, (Ids{2, 0, 1, 3, 2, 5, 4}));
  EXPECT_EQ(TextOfIds(t.ids, t.symbols).value(),
            "b\na\xc3\xa4"
            "b\xf0\x9f\x98\x80\xe2\x82\xac");
}

TEST(TextTest, TakesTheSymbolsOfAnotherText) {
  const Strings symbols = {"<pad>", "a", "b", "\xc3\xa4"};
  EXPECT_EQ(ParseText("b\xc3\xa4"
                      "a",
                      "x", symbols)
                ->ids,
            (Ids{2, 3, 1}));
  EXPECT_EQ(ParseText("b", "x", symbols)->symbols, symbols);
  ExpectError(ParseText("aba\xc3\xa9", "a.txt", symbols).status(), "DATA",
              "a.txt: byte 3, line 1: the character \"\xc3\xa9\" is not among the 4 symbols");
  ExpectError(ParseText("a b", "a.txt", symbols).status(), "DATA", "byte 1, line 1: the character U+0020 is not among");
}

TEST(TextTest, NamesTheByteThatIsNotUtf8) {
  ExpectError(Parse("ab\nc\xff"), "DATA", "a.txt: byte 4, line 2: 0xff is not UTF-8");
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf8\x88\x80\x80\x80", "\xc3(", "\xe2\x82", "\xf0\x9f\x98"}) {
    ExpectError(Parse(std::string("a") + bad), "DATA", "a.txt: byte 1, line 1: ");
  }
  ExpectError(Parse(absl::string_view("a\0b", 3)), "DATA", "a.txt: byte 1, line 1: a NUL: this is no text");
  ExpectError(Parse(""), "DATA", "a.txt: the text is empty");
  ExpectError(Parse("\xef\xbb\xbf"), "DATA", "a.txt: the text is empty");
}

TEST(TextTest, EveryCorruptionIsSafe) {
  testing::ExpectEveryCorruptionSafe(
      "b\na\xc3\xa4"
      "b\xf0\x9f\x98\x80\xe2\x82\xac",
      Parse);
}

TEST(TextTest, AByteOrderMarkIsNoCharacter) {
  EXPECT_EQ(ParseText("\xef\xbb\xbf"
                      "a",
                      "x")
                ->symbols,
            Strings{"a"});
}

TEST(TextTest, ReadsFilesAlsoGzipped) {
  TempDir dir;
  EXPECT_EQ(ReadText(dir.Put("a.txt", "abca"))->ids, (Ids{0, 1, 2, 0}));
  EXPECT_EQ(ReadText(dir.Put("a.txt.gz", Gzip("abca").value()))->ids, (Ids{0, 1, 2, 0}));
  ExpectError(ReadText(dir / "none").status(), "PATH", dir / "none");
  ExpectError(ReadText(dir.Put("b.txt", "\xff")).status(), "DATA", dir / "b.txt: byte 0");
}

TEST(TextTest, IdsWithoutASymbolAreRefused) {
  ExpectError(TextOfIds(Ids{0, 1}, Strings{"a"}).status(), "INDEX", "element 1 is 1, outside the symbols 0 .. 0");
  ExpectError(TextOfIds(Ids{-1}, Strings{"a"}).status(), "INDEX", "element 0 is -1");
}

TEST(SplitTextTest, TheEndIsTheTestPart) {
  const Ids ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  TextSplit split = SplitText(ids, 0.3).value();
  EXPECT_EQ(split.train, absl::MakeConstSpan(ids).subspan(0, 7));
  EXPECT_EQ(split.test, absl::MakeConstSpan(ids).subspan(7));
  for (double fraction : {0.0, 1.0, -0.5}) ExpectError(SplitText(ids, fraction).status(), "ATTR", "test fraction");
  ExpectError(SplitText(ids, 0.05).status(), "DATA", "a text of 10 characters cannot be split");
}

TEST(TextWindowsTest, LabelsAreTheNextCharacters) {
  const Ids ids = {0, 1, 2, 3, 4, 5, 6};
  TextWindows windows = TextWindows::Create(ids, 3, 3).value();
  ASSERT_EQ(windows.size(), 2);
  Ids x(3), labels(3);
  windows.Get(1, absl::MakeSpan(x), absl::MakeSpan(labels));
  EXPECT_EQ(x, (Ids{3, 4, 5}));
  EXPECT_EQ(labels, (Ids{4, 5, 6}));
}

TEST(TextWindowsTest, CountsTheWindowsThatFit) {
  const Ids ids = {0, 1, 2, 3, 4, 5, 6};
  EXPECT_EQ(TextWindows::Create(ids, 3, 1)->size(), 4);
  EXPECT_EQ(TextWindows::Create(ids, 3, 2)->size(), 2);
  EXPECT_EQ(TextWindows::Create(ids, 6, 6)->size(), 1);
  ExpectError(TextWindows::Create(ids, 7, 1).status(), "DATA", "a text of 7 characters is too short for a window of 7");
  ExpectError(TextWindows::Create(ids, 0, 1).status(), "ATTR", "windows of 0 characters");
  ExpectError(TextWindows::Create(ids, 1, 0).status(), "ATTR", "0 apart");
}

}  // namespace
}  // namespace athanor
