#include "training/logs/metrics_log.h"

#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "training/logs/append_file.h"
#include "training/logs/event_encoding.h"

namespace athanor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class MetricsLogTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }

  std::unique_ptr<MetricsLog> Open(const std::string& formats, std::optional<int64_t> resumed = {}) {
    auto log = OpenMetricsLogs(dir_.string(), formats, resumed);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? std::move(*log) : nullptr;
  }
  std::string Error(const std::string& formats, std::optional<int64_t> resumed = {}) {
    return std::string(OpenMetricsLogs(dir_.string(), formats, resumed).status().message());
  }
  std::string Csv() { return ReadAll(dir_ / "metrics.csv"); }
  void Append(const char* file, const std::string& bytes) {
    std::ofstream(dir_ / file, std::ios::app | std::ios::binary) << bytes;
  }
  std::vector<fs::path> EventFiles() {
    std::vector<fs::path> files;
    for (const auto& e : fs::directory_iterator(dir_)) {
      if (e.path().filename().string().rfind("events.out.tfevents.", 0) == 0) files.push_back(e.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  fs::path dir_;
};

TEST_F(MetricsLogTest, CsvHasARowAStepAndAColumnATag) {
  auto log = Open("csv");
  log->Scalar("loss", 10, 0.1);
  log->Scalar("lr", 10, 1e-7);
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(Csv(), "step,loss,lr\n10,0.1,1e-07\n");
  log->Scalar("loss", 20, std::nan(""));
  log->Scalar("loss", 30, 0.25);
  log->Scalar("val, \"all\"", 30, 2);  // a column more
  log->Histogram("weights", 30, {1.0f, 2.0f});
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(Csv(), "step,loss,lr,\"val, \"\"all\"\"\"\n10,0.1,1e-07,\n20,nan,,\n30,0.25,,2\n");
}

TEST_F(MetricsLogTest, NothingIsWrittenBeforeAFlush) {
  auto log = Open("csv,jsonl");
  log->Scalar("loss", 1, 1);
  EXPECT_EQ(Csv(), "");
  EXPECT_EQ(ReadAll(dir_ / "metrics.jsonl"), "");
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(Csv(), "step,loss\n1,1\n");
}

TEST_F(MetricsLogTest, AResumedRunHasEachStepOnce) {
  for (const char* formats : {"csv", "jsonl"}) {
    auto log = Open(formats);
    for (int step = 1; step <= 4; ++step) {
      log->Scalar("a,b", step, step);
      if (step == 2) log->Scalar("val", step, 0.5);
      ASSERT_TRUE(log->Flush().ok());
    }
  }
  // Killed after step 4 in the middle of a write, though the last checkpoint is of step 2.
  Append("metrics.csv", "5,");
  Append("metrics.jsonl", "{\"step\":5,\"ti");
  auto log = Open("csv,jsonl", 2);
  EXPECT_EQ(Csv(), "step,\"a,b\",val\n1,1,\n2,2,0.5\n");
  log->Scalar("a,b", 3, 30);
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(Csv(), "step,\"a,b\",val\n1,1,\n2,2,0.5\n3,30,\n");
  std::vector<int64_t> steps;
  std::istringstream lines(ReadAll(dir_ / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) steps.push_back(nlohmann::json::parse(line)["step"]);
  EXPECT_THAT(steps, ElementsAre(1, 2, 3));
}

TEST_F(MetricsLogTest, ResumingWithoutAFileBeginsOneAndANewRunReplacesIt) {
  auto log = Open("csv", 7);
  log->Scalar("loss", 8, 1);
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(Csv(), "step,loss\n8,1\n");
  log = Open("csv");
  EXPECT_EQ(Csv(), "");
}

TEST_F(MetricsLogTest, AFileThatIsNoLogIsNotTouched) {
  Append("metrics.csv", "name,price\nbread,2\n");
  EXPECT_THAT(Error("csv", 3), AllOf(StartsWith("FORMAT: "), HasSubstr("metrics.csv line 1")));
  EXPECT_EQ(Csv(), "name,price\nbread,2\n");
  Append("metrics.jsonl", "{\"step\":1}\n{\"epoch\":1}\n");
  EXPECT_THAT(Error("jsonl", 3), HasSubstr("metrics.jsonl line 2"));
}

TEST_F(MetricsLogTest, JsonLinesHoldNumbersNullsAndHistograms) {
  auto log = Open("jsonl");
  log->Scalar("loss \"x\"\n", 5, 0.1);
  log->Scalar("bad", 5, std::nan(""));
  log->Histogram("w", 5, {1.0f, 3.0f, kNaN});
  ASSERT_TRUE(log->Flush().ok());
  const std::string text = ReadAll(dir_ / "metrics.jsonl");
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const nlohmann::json line = nlohmann::json::parse(text);
  EXPECT_EQ(line["step"], 5);
  EXPECT_GT(line["time"].get<double>(), 1.5e9);
  EXPECT_EQ(line["loss \"x\"?"], 0.1);
  EXPECT_TRUE(line["bad"].is_null());
  EXPECT_EQ(line["w"], nlohmann::json::parse(R"({"count":2,"not_finite":1,"min":1,"max":3,"mean":2,"std":1})"));
}

// A reader of records and of the few Protocol Buffers fields that events have.
struct Field {
  uint64_t number = 0;  // of types 0, 1 and 5
  std::string bytes;    // of type 2
  double as_double() const { return std::bit_cast<double>(number); }
  float as_float() const { return std::bit_cast<float>(static_cast<uint32_t>(number)); }
};

uint64_t Little(const std::string& s, size_t at, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; ++i) v |= static_cast<uint64_t>(static_cast<uint8_t>(s[at + i])) << (8 * i);
  return v;
}

std::map<int, Field> Fields(const std::string& s) {
  std::map<int, Field> fields;
  size_t at = 0;
  auto varint = [&] {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = s.at(at++);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
  };
  while (at < s.size()) {
    const uint64_t key = varint();
    Field f;
    if ((key & 7) == 0) {
      f.number = varint();
    } else if ((key & 7) == 2) {
      const uint64_t n = varint();
      f.bytes = s.substr(at, n);
      at += n;
    } else {
      const size_t n = (key & 7) == 1 ? 8 : 4;
      f.number = Little(s, at, n);
      at += n;
    }
    fields[static_cast<int>(key >> 3)] = f;
  }
  return fields;
}

std::vector<std::string> Records(const fs::path& path) {
  const std::string s = ReadAll(path);
  std::vector<std::string> records;
  for (size_t at = 0; at < s.size();) {
    const uint64_t n = Little(s, at, 8);
    EXPECT_EQ(Little(s, at + 8, 4), MaskedCrc32c(s.substr(at, 8)));
    records.push_back(s.substr(at + 12, n));
    EXPECT_EQ(Little(s, at + 12 + n, 4), MaskedCrc32c(records.back()));
    at += n + 16;
  }
  return records;
}

TEST(EventEncoding, ChecksumIsCastagnolis) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(EventEncoding, AScalarEventIsTheseBytes) {
  EXPECT_EQ(ScalarEvent(1.0, 300, "loss", 0.5f),
            std::string("\x09\0\0\0\0\0\0\xf0\x3f"     // 1: wall_time = 1.0
                        "\x10\xac\x02"                 // 2: step = 300
                        "\x2a\x0d\x0a\x0b"             // 5: summary, 1: value
                        "\x0a\x04loss\x15\0\0\0\x3f",  // 1: tag, 2: simple_value
                        27));
}

TEST_F(MetricsLogTest, TensorBoardFilesHoldScalarsAndHistograms) {
  auto log = Open("tensorboard");
  log->Scalar("loss/train", 100, 0.5);
  std::vector<float> values = {-1, 0, 1, 1, 2, kNaN};
  log->Histogram("weights", 100, values);
  ASSERT_TRUE(log->Flush().ok());
  ASSERT_EQ(EventFiles().size(), 1u);
  const std::vector<std::string> records = Records(EventFiles()[0]);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(Fields(records[0])[3].bytes, "brain.Event:2");
  EXPECT_GT(Fields(records[1])[1].as_double(), 1.5e9);
  EXPECT_EQ(Fields(records[1])[2].number, 100u);
  std::map<int, Field> scalar = Fields(Fields(Fields(records[1])[5].bytes)[1].bytes);
  EXPECT_EQ(scalar[1].bytes, "loss/train");
  EXPECT_EQ(scalar[2].as_float(), 0.5f);

  std::map<int, Field> value = Fields(Fields(Fields(records[2])[5].bytes)[1].bytes);
  EXPECT_EQ(value[1].bytes, "weights");
  std::map<int, Field> histogram = Fields(value[5].bytes);
  EXPECT_EQ(histogram[1].as_double(), -1);
  EXPECT_EQ(histogram[2].as_double(), 2);
  EXPECT_EQ(histogram[3].as_double(), 5);
  EXPECT_EQ(histogram[4].as_double(), 3);
  EXPECT_EQ(histogram[5].as_double(), 7);
  const std::string limits = histogram[6].bytes, counts = histogram[7].bytes;
  ASSERT_EQ(limits.size(), counts.size());
  double total = 0, below = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < limits.size(); i += 8) {
    const double limit = std::bit_cast<double>(Little(limits, i, 8)),
                 count = std::bit_cast<double>(Little(counts, i, 8));
    EXPECT_GT(limit, below);
    const auto here = std::count_if(values.begin(), values.end(), [&](float v) { return v >= below && v < limit; });
    EXPECT_EQ(count, here) << below << " .. " << limit;
    total += count;
    below = limit;
  }
  EXPECT_EQ(total, 5);
}

TEST_F(MetricsLogTest, AResumedTensorBoardRunGoesOnInALaterFileAndANewOneRemovesTheOld) {
  Open("tensorboard");
  Open("tensorboard", 40);
  Open("tensorboard", 60);
  std::vector<fs::path> files = EventFiles();
  ASSERT_EQ(files.size(), 3u);
  for (int i : {1, 2}) {
    const std::vector<std::string> records = Records(files[i]);
    ASSERT_EQ(records.size(), 2u);
    EXPECT_EQ(Fields(records[1])[2].number, i == 1 ? 41u : 61u);
    EXPECT_EQ(Fields(Fields(records[1])[7].bytes)[1].number, 1u);  // SessionLog.START
  }
  Open("tensorboard");
  EXPECT_EQ(EventFiles().size(), 1u);
}

TEST_F(MetricsLogTest, AWriteThatFailsLeavesNoHalfLine) {
  const std::string path = (dir_ / "x").string();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  auto file = AppendFile::Open(path);
  ASSERT_TRUE(file.ok());
  rlimit small = old;
  small.rlim_cur = 100;
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_TRUE(file->Append(std::string(60, 'a')).ok());
  absl::Status failed = file->Append(std::string(60, 'b'));
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(ErrorClassOf(failed), "PATH");
  EXPECT_THAT(std::string(failed.message()), HasSubstr(path));
  EXPECT_EQ(ReadAll(path), std::string(60, 'a'));
}

TEST_F(MetricsLogTest, ErrorsNameTheFormatOrTheFile) {
  EXPECT_EQ(Error("csv,xml"), "REQ: log \"xml\" is not one of csv, jsonl, tensorboard, none");
  EXPECT_TRUE(CheckLogFormats("csv, jsonl,tensorboard").ok());
  EXPECT_TRUE(CheckLogFormats("none").ok());
  fs::create_directories(dir_ / "metrics.csv");
  EXPECT_THAT(Error("csv"), AllOf(StartsWith("PATH: "), HasSubstr("metrics.csv")));
  EXPECT_THAT(std::string(OpenMetricsLogs((dir_ / "none").string(), "tensorboard", {}).status().message()),
              StartsWith("PATH: "));
}

TEST_F(MetricsLogTest, NoFormatKeepsNothing) {
  auto log = Open("none");
  log->Scalar("loss", 1, 1);
  EXPECT_TRUE(log->Flush().ok());
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST(ShortestNumber, ReadsBackAsTheSame) {
  for (double v : {0.1, 1.0 / 3, 1e-300, -5.0, 123456789.0, 0.0}) EXPECT_EQ(std::stod(ShortestNumber(v)), v);
  EXPECT_EQ(ShortestNumber(0.1), "0.1");
  EXPECT_EQ(ShortestNumber(-std::numeric_limits<double>::infinity()), "-inf");
}

}  // namespace
}  // namespace athanor
