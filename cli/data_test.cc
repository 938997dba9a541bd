// athanor data, and training and evaluating on data of several kinds.
#include <cstdint>
#include <cstring>
#include <functional>

#include "absl/strings/str_cat.h"
#include "cli/testing/cli_fixture.h"

namespace athanor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DataTest : public CliTest {
 protected:
  // Points of three classes, well apart.
  void WriteTable() {
    std::string text = "x,y,kind\n";
    for (int i = 0; i < 300; ++i) {
      const int kind = i % 3;
      text += std::to_string(3 * kind + (i % 7) * 0.1) + "," + std::to_string(5 - 4 * kind + (i % 5) * 0.1) + "," +
              (kind == 0 ? "red" : kind == 1 ? "green" : "blue") + "\n";
    }
    WriteAll(dir_ / "t.csv", text);
  }
};

// A header and 100 rows.
std::string Table(const std::string& header, const std::function<std::string(int)>& row) {
  std::string text = header + "\n";
  for (int i = 0; i < 100; ++i) text += row(i) + "\n";
  return text;
}

TEST_F(DataTest, DescribesADataSet) {
  Outcome o = Run("data mnist --val-split 0.1");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("a sample: x f32[1,28,28], labels s32[]"), HasSubstr("train: 9,000 samples"),
                           HasSubstr("validation: 1,000 samples"), HasSubstr("test: 2,000 samples"),
                           HasSubstr("read all 12,000 samples")));
  WriteAll(dir_ / "t.txt", "hello hello hello");
  o = Run("data t.txt --sequence 3");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("(language)"), HasSubstr("vocabulary: 5: \\x20 e h l o")));
  ExpectUsageError(Run("data none.zip"), "none.zip: there is no such file");
  ExpectUsageError(Run("data t.csv.txt --augment flip"), "t.csv.txt");
}

TEST_F(DataTest, WritesTheBatchesOfARun) {
  const std::string flags =
      "data mnist --val-split 0.9 --augment crop:2,mixup:0.2 --batch 300 --epochs 2 --write-batches ";
  ASSERT_EQ(Run(flags + "a.bin --threads 1").code, 0);
  ASSERT_EQ(Run(flags + "b.bin --threads 3").code, 0);
  const std::string a = ReadAll(dir_ / "a.bin");
  EXPECT_TRUE(a == ReadAll(dir_ / "b.bin"));
  const size_t line = a.find('\n');
  ASSERT_NE(line, std::string::npos);
  EXPECT_THAT(a.substr(0, line), AllOf(HasSubstr("\"format\":\"athanor-batches-1\""), HasSubstr("\"batches\":8"),
                                       HasSubstr("{\"name\":\"labels\",\"dtype\":\"f32\",\"shape\":[10]}")));
  size_t at = line + 1;
  for (int batch = 0; batch < 8; ++batch) {
    int64_t rows = 0;
    ASSERT_LE(at + sizeof(rows), a.size());
    std::memcpy(&rows, a.data() + at, sizeof(rows));
    EXPECT_EQ(rows, batch % 4 == 3 ? 100 : 300);
    at += sizeof(rows) + rows * (784 + 10) * sizeof(float);
  }
  EXPECT_EQ(at, a.size());
  ExpectUsageError(Run("data mnist --split validation --write-batches v.bin"), "there are no validation samples");
  ExpectUsageError(Run("data mnist --write-batches no/v.bin"), "no/v.bin");
}

TEST_F(DataTest, BatchesReplaceAFileOnlyWhenAllAreWritten) {
  WriteTable();
  const std::string table = ReadAll(dir_ / "t.csv");
  ExpectUsageError(Run("data t.csv --write-batches t.csv"), "would overwrite the data");
  EXPECT_EQ(ReadAll(dir_ / "t.csv"), table);
  WriteAll(dir_ / "v.bin", "before");
  ExpectUsageError(Run("data t.csv --batch 0 --write-batches v.bin"), "batch");
  EXPECT_EQ(ReadAll(dir_ / "v.bin"), "before");
  ASSERT_EQ(Run("data t.csv --batch 1000000000 --write-batches v.bin").code, 0);  // takes no more rows than there are
  EXPECT_GT(ReadAll(dir_ / "v.bin").size(), 300u * 3 * 4);
  for (const auto& file : fs::directory_iterator(dir_)) EXPECT_THAT(file.path().string(), Not(HasSubstr(".tmp-")));
}

TEST_F(DataTest, FlagsAreCheckedEvenWhereTheyDoNotMatter) {
  ExpectUsageError(Run("data mnist --augment spin"), "item 1 \"spin\": no such change");
  ExpectUsageError(Run("data mnist --normalize bogus"), "bogus");
  ExpectUsageError(Run("data mnist --augment crop:28"), "does not leave anything");
}

TEST_F(DataTest, TrainsOnATableAndEvaluatesItsValidationSet) {
  WriteTable();
  Outcome o = Run("train mlp --data t.csv --val-split 0.2 --batch 16 --epochs 5 --threads 1 --progress none --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("240 training and 60 validation samples, 3 classes"),
                           HasSubstr("validation accuracy 100.00 %")));
  o = Run("evaluate run --data t.csv --val-split 0.2 --set validation --threads 1");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, AllOf(HasSubstr("accuracy 100.00 %"), HasSubstr("green")));
}

// The file to evaluate has the columns in another order and not all classes.
TEST_F(DataTest, EvaluatesByTheNamesOfColumnsAndClasses) {
  WriteAll(dir_ / "t.csv", Table("a,b,k", [](int i) { return absl::StrCat(i % 97, ",50,", i % 97 < 48 ? "lo" : "hi"); }));
  Outcome o = Run("train mlp --hidden 8 --data t.csv --batch 20 --epochs 30 --lr 0.02 --threads 1 --progress none --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  WriteAll(dir_ / "low.csv", Table("k,b,a", [](int i) { return absl::StrCat("lo,50,", i % 40); }));
  o = Run("evaluate run --data low.csv --label-column k --set train --threads 1");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("accuracy 100.00 %"));
  WriteAll(dir_ / "other.csv", Table("a,b,k", [](int) { return std::string("1,50,mid"); }));
  ExpectUsageError(Run("evaluate run --data other.csv --set train"), "the label \"mid\" is none of the 2 classes");
  WriteAll(dir_ / "cut.csv", Table("a,k", [](int) { return std::string("1,lo"); }));
  ExpectUsageError(Run("evaluate run --data cut.csv --set train"), "the feature \"b\" is there 0 times");
}

TEST_F(DataTest, OptionsOfTablesAreForTables) {
  ExpectUsageError(Run("data mnist --regression"), "regression is for tables and .npz");
  ExpectUsageError(Run("data mnist --separator tab"), "separator = \"tab\" is for tables");
  ExpectUsageError(Run("data mnist --channels 3"), "channels = 3 is for folders and archives of images");
  WriteAll(dir_ / "t.csv", "1,2,0\n3,4,1\n");
  ExpectUsageError(Run("data t.csv --header perhaps"), "header \"perhaps\" is not one of detect, yes, no");
  Outcome o = Run("data t.csv --ignore-columns 0 --header no");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("a sample: x f32[1]"));
}

TEST_F(DataTest, TrainsOnAugmentedImages) {
  Outcome o = Run("train lenet5 --augment crop:2,mixup:0.2 --val-split 0.5 --batch 500 --epochs 1 --threads 1 "
                  "--loader-threads 2 --progress none --out run");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("augmented by crop:2,mixup:0.2"));
  EXPECT_THAT(ReadAll(dir_ / "run" / "config.toml"), HasSubstr("augment = \"crop:2,mixup:0.2\"\n"));
  ExpectUsageError(Run("train lenet5 --augment spin"), "item 1 \"spin\": no such change");
}

}  // namespace
}  // namespace athanor
