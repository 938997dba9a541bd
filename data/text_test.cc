#include "data/text.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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

TEST(TextTest, AFaultAtTheEndCostsNoMemory) {
  TempDir dir;
  for (const auto& [end, what] : {std::pair("\xff", "0xff is not UTF-8"), {"\xc3", "0xc3 is not UTF-8"}}) {
    const std::string text = std::string(64 << 20, 'a') + end, bomb = Gzip(text).value();
    const std::string path = dir.Put("bomb.txt.gz", bomb);
    const std::string expected = absl::StrCat("byte 67108864, line 1: ", what);
    auto read = [&] { ExpectError(ReadText(path).status(), "DATA", absl::StrCat(path, ": ", expected)); };
    EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(bomb));
    auto parse = [&] { ExpectError(ParseText(text, "x").status(), "DATA", expected); };
    EXPECT_LT(testing::PeakMemoryGrowth(parse), int64_t{16} << 20);
  }
}

TEST(TextTest, CharactersMayBeCutByThePiecesThatGzipGives) {
  TempDir dir;
  // Three characters have nine bytes: pieces of a power of two end in all places.
  std::string text = "\xef\xbb\xbf";
  for (int i = 0; i < 100'000; ++i) {
    const char* characters[] = {"\xc3\xa4", "\xf0\x9f\x98\x80", "\xe2\x82\xac"};
    text += characters[i % 3];
  }
  const Text whole = ParseText(text, "x").value();
  ASSERT_EQ(whole.ids.size(), 100'000u);
  for (const char* before : {"", "a", "ab", "abc"}) {
    absl::StatusOr<Text> read = ReadText(dir.Put("a.txt.gz", Gzip(before + text.substr(3)).value()));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->ids.size(), 100'000u + std::strlen(before));
  }
  EXPECT_EQ(ReadText(dir.Put("b.txt.gz", Gzip(text).value()))->ids, whole.ids);
}

TEST(TextTest, IdsWithoutASymbolAreRefused) {
  ExpectError(TextOfIds(Ids{0, 1}, Strings{"a"}).status(), "INDEX", "element 1 is 1, outside the symbols 0 .. 0");
  ExpectError(TextOfIds(Ids{-1}, Strings{"a"}).status(), "INDEX", "element 0 is -1");
}

}  // namespace
}  // namespace athanor
