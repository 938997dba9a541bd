#include "data/csv.h"

#include <clocale>
#include <string>
#include <vector>

#include "data/gzip.h"
#include "data/testing/test_util.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ExpectError;
using testing::TempDir;

absl::Status Status(absl::string_view text, const CsvOptions& options = {}) {
  absl::StatusOr<Dataset> d = ParseCsv(text, "a.csv", options);
  if (!d.ok()) return d.status();
  return CheckDataset(*d);
}

TEST(CsvTest, IrisWithNamesOfClasses) {
  Dataset d =
      ParseCsv("length,width,species\n5.1,3.5,setosa\n7,3.2,versicolor\n6.3,-3.3e-1,setosa\n", "iris.csv").value();
  EXPECT_TRUE(CheckDataset(d).ok());
  EXPECT_EQ(d.name, "iris.csv");
  EXPECT_EQ(d.features.shape(), (Shape{3, 2}));
  EXPECT_EQ(d.features.as<float>(), absl::MakeConstSpan({5.1f, 3.5f, 7.0f, 3.2f, 6.3f, -0.33f}));
  EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({0, 1, 0}));
  EXPECT_EQ(d.class_names, (std::vector<std::string>{"setosa", "versicolor"}));
  EXPECT_EQ(d.classes, 2);
}

TEST(CsvTest, NamesOfClassesAreSorted) {
  Dataset d = ParseCsv("1,z\n2,a\n3,m\n4,a\n", "x").value();
  EXPECT_EQ(d.class_names, (std::vector<std::string>{"a", "m", "z"}));
  EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({2, 0, 1, 0}));
}

TEST(CsvTest, DigitsWithTheLabelFirstAndNoHeader) {
  CsvOptions options{.label = "0", .classes = 10, .sample_shape = {1, 2, 2}};
  Dataset d = ParseCsv("7,0,1,2,3\n2,4,5,6,255\n", "x", options).value();
  EXPECT_EQ(d.features.shape(), (Shape{2, 1, 2, 2}));
  EXPECT_EQ(d.features.as<float>()[7], 255);
  EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({7, 2}));
  EXPECT_EQ(d.classes, 10);
  EXPECT_EQ(ParseCsv("7,0\n2,4\n", "x", {.label = "0"})->classes, 8);
}

TEST(CsvTest, TheHeaderIsFoundOrGiven) {
  for (const char* text : {"a,b\n1,2\n", "1,2\n"}) EXPECT_EQ(ParseCsv(text, "x")->size(), 1) << text;
  EXPECT_EQ(ParseCsv("1,cat\n2,dog\n", "x")->size(), 2);  // one number is enough for a row
  EXPECT_EQ(ParseCsv("1,2\n3,4\n", "x", {.header = CsvHeader::kYes})->size(), 1);
  ExpectError(Status("a,b\n1,2\n", {.header = CsvHeader::kNo}), "DATA", "a.csv: line 1, column 1: \"a\" is no number");
}

TEST(CsvTest, AHeaderThatCountsAsPandasWritesIt) {
  EXPECT_EQ(ParseCsv("0,1,2,3\n5,6,7,1\n", "x")->size(), 1);
  EXPECT_EQ(ParseCsv("0,1,2\n5,6,1\n", "x")->size(), 2);  // may as well be a row
  EXPECT_EQ(ParseCsv("0,1,2,4\n5,6,7,1\n", "x")->size(), 2);
}

// A row with missing values, or a header? The rest of the file cannot tell.
TEST(CsvTest, AFirstLineThatMayBeEitherIsRefused) {
  ExpectError(Status("nan,nan,red\n1,2,red\n"), "DATA", "a.csv: line 1, column 1: \"nan\" may be a missing value or");
  ExpectError(Status("a,,red\n1,2,red\n"), "DATA", "a.csv: line 1, column 2: \"\" may be a missing value or");
  EXPECT_EQ(ParseCsv("a,,red\n1,2,red\n", "x", {.header = CsvHeader::kYes})->size(), 1);
  EXPECT_EQ(ParseCsv(",a,red\n1,2,red\n", "x")->size(), 1);  // pandas' index has no name
}

TEST(CsvTest, ATestFileTakesTheTrainingFilesColumns) {
  const Dataset train = ParseCsv("a,b,y\n1,2,0\n", "x").value();
  EXPECT_EQ(train.feature_names, (std::vector<std::string>{"a", "b"}));
  CsvOptions options{.label = "y", .feature_names = train.feature_names};
  Dataset test = ParseCsv("y,b,a\n0,4,3\n", "x", options).value();
  EXPECT_EQ(test.features.as<float>(), absl::MakeConstSpan({3.0f, 4.0f}));
  EXPECT_EQ(test.feature_names, train.feature_names);
  EXPECT_EQ(ParseCsv("3,4,0\n", "x", {.label = "2", .feature_names = train.feature_names})->features.as<float>()[0], 3);
  ExpectError(Status("a,c,y\n1,2,0\n", options), "DATA", "a.csv: the column \"c\" is none of the 2 features");
  ExpectError(Status("a,y\n1,0\n", options), "DATA", "a.csv: the feature \"b\" is there 0 times");
  ExpectError(Status("a,b,b,y\n1,2,3,0\n", options), "DATA", "the feature \"b\" is there 2 times");
}

TEST(CsvTest, OtherSeparators) {
  for (const char* text : {"a;b\n1.5;0\n", "a\tb\n1.5\t0\n"})
    EXPECT_EQ(ParseCsv(text, "x")->features.as<float>()[0], 1.5f);
  EXPECT_EQ(ParseCsv("1.5|0\n", "x", {.separator = '|'})->features.as<float>()[0], 1.5f);
}

TEST(CsvTest, LabelsAreFoundByNameOrNumber) {
  const char* text = "y,a,b\n1,2,3\n0,4,5\n";
  for (const char* label : {"y", "0", "-3"}) {
    Dataset d = ParseCsv(text, "x", {.label = label}).value();
    EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({1, 0})) << label;
    EXPECT_EQ(d.features.as<float>(), absl::MakeConstSpan({2.0f, 3.0f, 4.0f, 5.0f}));
  }
  ExpectError(Status(text, {.label = "z"}), "ATTR", "a.csv: there is no label column \"z\" (y, a, b, or 0 .. 2)");
  ExpectError(Status(text, {.label = "3"}), "ATTR", "no label column \"3\"");
  ExpectError(Status("y,y\n1,2\n", {.label = "y"}), "ATTR", "the label column \"y\" is there 2 times");
}

TEST(CsvTest, RegressionTargets) {
  Dataset d = ParseCsv("a,b,price,rent\n1,2,3.5,4\n5,6,-7,8\n", "x", {.targets = {"price", "3"}}).value();
  EXPECT_TRUE(CheckDataset(d).ok());
  EXPECT_EQ(d.features.as<float>(), absl::MakeConstSpan({1.0f, 2.0f, 5.0f, 6.0f}));
  EXPECT_EQ(d.targets.shape(), (Shape{2, 2}));
  EXPECT_EQ(d.targets.as<float>(), absl::MakeConstSpan({3.5f, 4.0f, -7.0f, 8.0f}));
  EXPECT_EQ(d.classes, 0);
  ExpectError(Status("1,2\n", {.targets = {"0", "1"}}), "DATA", "no feature columns");
  ExpectError(Status("1,2\n", {.targets = {"0", "0"}}), "ATTR", "two uses");
  ExpectError(Status("1,x\n", {.targets = {"1"}}), "DATA", "a.csv: line 1, column 2: \"x\" is no number");
}

TEST(CsvTest, IgnoredColumnsMayHoldText) {
  Dataset d = ParseCsv("id,name,age,y\n1,\"Braund, Mr.\",22,0\n", "x", {.ignore = {"name", "id"}}).value();
  EXPECT_EQ(d.features.as<float>(), absl::MakeConstSpan({22.0f}));
  ExpectError(Status("name,age,y\nBraund,22,0\n"), "DATA",
              "a.csv: line 2, column 1 (\"name\"): \"Braund\" is no number");
  ExpectError(Status("1,2,3\n", {.ignore = {"2"}}), "ATTR", "two uses");
}

TEST(CsvTest, ATestFileTakesTheTrainingFilesClasses) {
  CsvOptions options{.class_names = {"a", "b", "c"}};
  Dataset d = ParseCsv("1,c\n2,a\n", "x", options).value();
  EXPECT_EQ(d.labels.as<int32_t>(), absl::MakeConstSpan({2, 0}));
  EXPECT_EQ(d.classes, 3);
  ExpectError(Status("1,c\n2,z\n", options), "DATA",
              "a.csv: line 2, column 2: the label \"z\" is none of the 3 classes");
}

TEST(CsvTest, BadRows) {
  ExpectError(Status(""), "DATA", "a.csv: line 1, column 1: the file is empty");
  ExpectError(Status("\n\n"), "DATA", "the file is empty");
  ExpectError(Status("a,b\n"), "DATA", "a.csv: line 1, column 1: no rows follow the header");
  ExpectError(Status("1,2\n3,4,5\n"), "DATA", "a.csv: line 2, column 2: the row has 3 fields, the first row has 2");
  ExpectError(Status("a,b\n1\n"), "DATA", "a.csv: line 2, column 1: the row has 1 fields, the first row has 2");
  ExpectError(Status("1\n2\n"), "DATA", "no feature columns");
}

TEST(CsvTest, BadFields) {
  ExpectError(Status("x,y\n1e999,0\n"), "DATA", "a.csv: line 2, column 1 (\"x\"): \"1e999\" is above the largest f32");
  ExpectError(Status("x,y\n1,0\n\nnan,0\n"), "DATA", "a.csv: line 4, column 1 (\"x\"): \"nan\" is not finite");
  ExpectError(Status("1;2\n1,5;0\n"), "DATA", "a.csv: line 2, column 1: \"1,5\" is no number: a decimal comma");
  ExpectError(Status("1,0\n,0\n"), "DATA", "a.csv: line 2, column 1: the field is empty");
}

TEST(CsvTest, BadLabels) {
  ExpectError(Status("1,0\n1,cat\n"), "DATA", "a.csv: line 2, column 2: the label \"cat\" is no integer");
  ExpectError(Status("1,0\n1,1.5\n"), "DATA", "the label \"1.5\" is no integer");
  ExpectError(Status("1,0\n1,-1\n"), "DATA", "a.csv: line 2, column 2: the label -1 is outside 0 .. 1048575");
  ExpectError(Status("1,0\n1,3\n", {.classes = 3}), "DATA", "the label 3 is outside 0 .. 2");
  ExpectError(Status("1,a\n1,\n"), "DATA", "a.csv: line 2, column 2: the label is empty");
  ExpectError(Status("1,0\n1,0.99999999\n"), "DATA", "the label \"0.99999999\" is no integer");
  // Classes that are numbers in the training file are in the test file.
  ExpectError(Status("1,A\n2,B\n", {.classes = 2}), "DATA", "a.csv: line 1, column 2: the label \"A\" is no integer");
  EXPECT_EQ(ParseCsv("1, red\n2,red \n3,red\n", "x")->class_names, (std::vector<std::string>{"red"}));
  EXPECT_EQ(ParseCsv("1,1.000e+00\n", "x")->labels.as<int32_t>()[0], 1);  // as numpy.savetxt writes integers
}

TEST(CsvTest, LabelsAreUtf8) {
  EXPECT_EQ(ParseCsv("1,caf\xc3\xa9\n", "x")->class_names, (std::vector<std::string>{"caf\xc3\xa9"}));
  ExpectError(Status("1,tea\n2,caf\xe9\n"), "DATA", "a.csv: line 2, column 2: the label \"caf\\xe9\" is not UTF-8");
}

TEST(CsvTest, BadOptions) {
  ExpectError(Status("1,0\n", {.classes = -1}), "ATTR", "-1 classes");
  ExpectError(Status("1,0\n", {.separator = '"'}), "ATTR", "a quote or line end cannot separate fields");
  ExpectError(Status("1,2,0\n", {.sample_shape = {1, 3}}), "ATTR", "2 feature columns are not a sample of shape [1,3]");
}

TEST(CsvTest, TheLocaleDoesNotMatter) {
  // Where a comma is the decimal point, if the machine has such a locale.
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "C"}) {
    if (std::setlocale(LC_ALL, name) == nullptr) continue;
    EXPECT_EQ(ParseCsv("1.5,0\n", "x")->features.as<float>()[0], 1.5f) << name;
  }
  std::setlocale(LC_ALL, "C");
}

TEST(CsvTest, SweepsOfASmallFile) {
  const std::string text = "\xef\xbb\xbfx,\"y, z\",c\r\n1.5,-2e3,\"a\"\"b\"\r\n3,4,d\r\n";
  EXPECT_TRUE(Status(text).ok()) << Status(text);
  auto parse = [](absl::string_view bytes) { return Status(bytes); };
  testing::ExpectEveryCorruptionSafe(text, parse);
  for (size_t n = 0; n < text.size(); ++n) {
    absl::Status status = parse(absl::string_view(text).substr(0, n));
    EXPECT_TRUE(status.ok() || !ErrorClassOf(status).empty()) << status;
  }
}

TEST(CsvTest, ReadsFilesAlsoGzipped) {
  TempDir dir;
  EXPECT_EQ(ReadCsv(dir.Put("a.csv", "1,0\n"))->size(), 1);
  EXPECT_EQ(ReadCsv(dir.Put("a.csv.gz", Gzip("1,0\n").value()))->size(), 1);
  ExpectError(ReadCsv(dir / "none.csv").status(), "PATH", dir / "none.csv");
  const std::string bomb = Gzip("1,0\n" + std::string(64 << 20, '\0')).value();
  const std::string path = dir.Put("bomb.csv.gz", bomb);
  auto read = [&] { ExpectError(ReadCsv(path).status(), "DATA", path + ": line 2, column 1: a NUL"); };
  EXPECT_LT(testing::PeakMemoryGrowth(read), testing::RejectionBudget(bomb));
  ExpectError(ReadCsv(dir.Put("bad.csv", "1,x,0\n")).status(), "DATA", dir / "bad.csv: line 1, column 2");
}

}  // namespace
}  // namespace athanor
