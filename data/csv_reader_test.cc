#include "data/csv_reader.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using Records = std::vector<std::vector<std::string>>;

absl::StatusOr<Records> ReadAll(absl::string_view text, char separator = ',') {
  CsvReader reader(text, "a.csv", separator);
  Records all;
  std::vector<absl::string_view> fields;
  while (true) {
    ATH_ASSIGN_OR_RETURN(bool more, reader.Next(&fields));
    if (!more) return all;
    all.emplace_back(fields.begin(), fields.end());
  }
}
absl::Status Status(absl::string_view text) { return ReadAll(text).status(); }

TEST(CsvReaderTest, FieldsAndRecords) {
  EXPECT_EQ(ReadAll("a,b\n1,2\n").value(), (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(ReadAll("a,b\r\n1,2").value(), (Records{{"a", "b"}, {"1", "2"}}));  // CR LF; no end of the last line
  EXPECT_EQ(ReadAll("\xef\xbb\xbf"
                    "a;b",
                    ';')
                .value(),
            (Records{{"a", "b"}}));
  EXPECT_EQ(ReadAll(",\n,x,").value(), (Records{{"", ""}, {"", "x", ""}}));
  EXPECT_EQ(ReadAll("\n\r\na\n\n\nb\n\n").value(), (Records{{"a"}, {"b"}}));  // empty lines
  EXPECT_EQ(ReadAll("").value(), Records());
}

TEST(CsvReaderTest, QuotedFields) {
  EXPECT_EQ(ReadAll("\"a,b\",\"c\nd\",\"\"\n\"say \"\"hi\"\"\",\"\"\"\",e\r\n").value(),
            (Records{{"a,b", "c\nd", ""}, {"say \"hi\"", "\"", "e"}}));
  EXPECT_EQ(ReadAll("x,\"y\"").value(), (Records{{"x", "y"}}));
}

TEST(CsvReaderTest, KnowsTheLine) {
  CsvReader reader("a\n\n\"b\nb\"\nc", "a.csv", ',');
  std::vector<absl::string_view> fields;
  for (int64_t line : {1, 3, 5}) {
    EXPECT_TRUE(reader.Next(&fields).value());
    EXPECT_EQ(reader.line(), line);
  }
}

TEST(CsvReaderTest, ErrorsNameLineAndColumn) {
  ExpectError(Status("a,b\nc,\"d\ne"), "DATA", "a.csv: line 2, column 2: a quote is not closed");
  ExpectError(Status("a\"b"), "DATA", "a.csv: line 1, column 1: a quote within a field");
  ExpectError(Status("a,b\n\"x\"y,c"), "DATA", "a.csv: line 2, column 1: text behind a closing quote");
  ExpectError(Status("\"x\"\ry"), "DATA", "a.csv: line 1, column 1: text behind a closing quote");
  ExpectError(Status("a,b\rc,d\r"), "DATA", "a.csv: line 1, column 2: a carriage return without a line feed");
  ExpectError(Status(absl::string_view("a,b\nc,d,\0e", 10)), "DATA", "a.csv: line 2, column 3: a NUL character");
  ExpectError(Status("\xff\xfe"
                     "a"),
              "DATA", "a.csv: line 1, column 1: the text is UTF-16");
}

TEST(CsvReaderTest, GiantLinesAndColumnsAreRefused) {
  std::string giant(70 << 20, '1');
  auto read = [&] {
    ExpectError(Status(giant), "DATA", "a.csv: line 1, column 1: the line is longer than 67108864 bytes");
  };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(giant));
  giant[0] = '"';
  ExpectError(Status(giant), "DATA", "a.csv: line 1, column 1: the line is longer than 67108864 bytes");
  std::replace(giant.begin(), giant.end(), '1', '\n');
  ExpectError(Status(giant), "DATA", "a.csv: line 1, column 1: a quote is not closed");
  ExpectError(Status(std::string(2 << 20, ',')), "DATA", "there are more than 1048576 columns");
}

TEST(CsvReaderTest, AScanFindsTheSameFaultsInPieces) {
  CsvScan scan("a.csv", '\0');
  for (absl::string_view piece : {"a;b\nc", ";d", ""}) EXPECT_TRUE(scan.Add(piece).ok());
  ExpectError(scan.Add(absl::string_view(";\0e", 3)), "DATA", "a.csv: line 2, column 3: a NUL character");
  ExpectError(CsvScan("a.csv", ',').Add("\xfe\xff"), "DATA", "a.csv: line 1, column 1: the text is UTF-16");
  CsvScan endless("a.csv", ',');
  const std::string piece(1 << 20, ' ');
  EXPECT_TRUE(endless.Add("1,2\n3,").ok());
  absl::Status status;
  for (int i = 0; i < 65 && status.ok(); ++i) status = endless.Add(piece);
  ExpectError(status, "DATA", "a.csv: line 2, column 2: the line is longer than 67108864 bytes");
}

TEST(CsvReaderTest, FindsTheSeparator) {
  EXPECT_EQ(DetectCsvSeparator("a,b,c;d"), ',');
  EXPECT_EQ(DetectCsvSeparator("\"a,b,c\";d\n1,2,3,4"), ';');
  EXPECT_EQ(DetectCsvSeparator("a\tb"), '\t');
  EXPECT_EQ(DetectCsvSeparator("alone"), ',');
  EXPECT_EQ(DetectCsvSeparator(""), ',');
}

TEST(CsvNumberTest, WhatIsANumber) {
  for (auto [text, value] : std::vector<std::pair<const char*, float>>{{"0", 0.0f},
                                                                       {"-1.5", -1.5f},
                                                                       {"+2", 2.0f},
                                                                       {" 3\t", 3.0f},
                                                                       {".5", 0.5f},
                                                                       {"1e3", 1000.0f},
                                                                       {"1E-2", 0.01f},
                                                                       {"3.4028235e38", 3.4028235e38f},
                                                                       {"1e-42", 1e-42f},
                                                                       {"1e-300", 0.0f},
                                                                       {"-1e-999", 0.0f}}) {
    ASSERT_TRUE(ParseCsvNumber(text)) << text;
    EXPECT_EQ(*ParseCsvNumber(text), value) << text;
  }
}

TEST(CsvNumberTest, WhatIsNoneAndWhy) {
  const std::string huge = absl::StrCat("1", std::string(400, '0'), "e-10");  // 1e390, whatever its exponent looks like
  const std::string tiny = absl::StrCat("0.", std::string(400, '0'), "1e5");
  EXPECT_EQ(ParseCsvNumber(tiny), 0.0f);
  for (auto [text, why] :
       std::vector<std::pair<const char*, const char*>>{{"", "the field is empty"},
                                                        {"  ", "the field is empty"},
                                                        {"nan", "\"nan\" is not finite"},
                                                        {"-inf", "\"-inf\" is not finite"},
                                                        {"1e999", "\"1e999\" is above the largest f32"},
                                                        {huge.c_str(), "is above the largest f32"},
                                                        {"3.5e38", "is above the largest f32"},
                                                        {"1,5", "\"1,5\" is no number: a decimal comma"},
                                                        {"1.234,5", "a decimal comma"},
                                                        {"abc", "\"abc\" is no number"},
                                                        {"1 2", "is no number"},
                                                        {"0x10", "is no number"},
                                                        {"1.5f", "is no number"},
                                                        {"+-1", "is no number"},
                                                        {"--1", "is no number"}}) {
    EXPECT_FALSE(ParseCsvNumber(text)) << text;
    EXPECT_NE(ExplainCsvNumber(text).find(why), std::string::npos) << ExplainCsvNumber(text);
  }
}

}  // namespace
}  // namespace athanor
