#include "data/text_tasks.h"

#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const TextTask> Task(const TextTaskOptions& options) {
  auto task = TextTask::Create(options);
  ATH_CHECK_OK(task);
  return *task;
}

TEST(TextTasks, DatesAreWrittenInManyWaysAndReadInOne) {
  auto task = Task({.train = 3000, .test = 200});
  std::map<std::string, std::set<std::string>> forms;
  for (int64_t i = 0; i < task->size(false); ++i) {
    const TextPair pair = task->Pair(false, i);
    ASSERT_LE(static_cast<int64_t>(pair.source.size()), task->source_length()) << pair.source;
    ASSERT_EQ(static_cast<int64_t>(pair.target.size()), task->target_length() - 1) << pair.target;
    ASSERT_TRUE(task->vocabulary().Encode(pair.source).ok()) << pair.source;
    const std::string year = pair.target.substr(0, 4);
    EXPECT_THAT(pair.source, HasSubstr(year));
    forms[pair.target].insert(pair.source);
    const int month = std::stoi(pair.target.substr(5, 2)), day = std::stoi(pair.target.substr(8, 2));
    EXPECT_TRUE(month >= 1 && month <= 12 && day >= 1 && day <= 31) << pair.target;
  }
  EXPECT_GT(forms.size(), 2500u);
}

TEST(TextTasks, EachFormOfADateIsThere) {
  auto task = Task({.train = 20000});
  std::map<std::string, std::string> seen;
  for (int64_t i = 0; i < task->size(false); ++i) {
    const TextPair pair = task->Pair(false, i);
    seen[pair.source] = pair.target;
  }
  int dots = 0, slashes = 0, weekdays = 0, commas = 0, spaces = 0;
  for (const auto& [source, target] : seen) {
    dots += source.find('.') != std::string::npos;
    slashes += source.find('/') != std::string::npos;
    weekdays += source.size() > 4 && source[3] == ',' && source[4] == ' ';
    commas += source.find(',') != std::string::npos;
    spaces += source.find(' ') != std::string::npos && source.find(',') == std::string::npos;
    if (source == "25.11.2026") {
      EXPECT_EQ(target, "2026-11-25");
    }
    // Weekdays are those of the calendar.
    if (target == "2026-11-25" && weekdays > 0 && source[3] == ',') {
      EXPECT_EQ(source.substr(0, 3), "wed");
    }
  }
  const int total = static_cast<int>(seen.size());
  for (int count : {dots, slashes, weekdays}) EXPECT_NEAR(count, total / 7, total / 20);
  EXPECT_NEAR(commas, total * 3 / 7, total / 20);
  EXPECT_NEAR(spaces, total * 2 / 7, total / 20);
}

TEST(TextTasks, TrainingAndTestHaveNothingInCommonAndAreTheSameForASeed) {
  for (const char* name : {"dates", "reverse"}) {
    auto task = Task({.task = name, .train = 5000, .test = 500});
    auto again = Task({.task = name, .train = 5000, .test = 500});
    auto other = Task({.task = name, .train = 5000, .test = 500, .seed = 2});
    std::set<std::string> train;
    int differ = 0;
    for (int64_t i = 0; i < 5000; ++i) {
      const TextPair pair = task->Pair(false, i);
      train.insert(pair.target);
      ASSERT_EQ(pair.source, again->Pair(false, i).source);
      differ += pair.source != other->Pair(false, i).source;
    }
    EXPECT_GT(differ, 4900);
    for (int64_t i = 0; i < 500; ++i) EXPECT_EQ(train.count(task->Pair(true, i).target), 0u) << name << " " << i;
  }
}

TEST(TextTasks, WordsAreReversed) {
  auto task = Task({.task = "reverse", .train = 2000, .test = 100});
  std::set<size_t> lengths;
  for (int64_t i = 0; i < 2000; ++i) {
    const TextPair pair = task->Pair(false, i);
    EXPECT_EQ(pair.target, std::string(pair.source.rbegin(), pair.source.rend()));
    lengths.insert(pair.source.size());
  }
  EXPECT_THAT(lengths, ElementsAre(2, 3, 4, 5, 6, 7, 8, 9, 10));
}

TEST(TextTasks, NumbersAreForTheDecoder) {
  auto task = Task({.task = "reverse"});
  std::vector<int32_t> source(10), x(11), labels(11);
  task->Encode({"abc", "cba"}, absl::MakeSpan(source), absl::MakeSpan(x), absl::MakeSpan(labels));
  EXPECT_THAT(source, ElementsAre(3, 4, 5, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(x, ElementsAre(1, 5, 4, 3, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(labels, ElementsAre(5, 4, 3, 2, -100, -100, -100, -100, -100, -100, -100));
  EXPECT_THAT(task->vocabulary().symbols(), testing::IsSupersetOf({"<pad>", "<s>", "</s>", "a", "z"}));
  EXPECT_EQ(task->vocabulary().size(), 29);
}

TEST(TextTasks, ASourceGivesTheNumbersOfItsPairs) {
  auto task = Task({.task = "reverse", .train = 30, .test = 20});
  auto source = MakeTextTaskSource(task, /*test=*/true);
  EXPECT_EQ(source->size(), 20);
  ASSERT_EQ(source->fields().size(), 3u);
  EXPECT_EQ(source->fields()[2], (FieldSpec{"labels", DType::kS32, {11}}));
  std::vector<Tensor> tensors;
  std::vector<TensorView> views;
  for (const FieldSpec& f : source->fields()) tensors.push_back(*Tensor::Create(f.dtype, f.shape));
  for (Tensor& t : tensors) views.push_back(t.view());
  ASSERT_TRUE(source->Read(7, 0, views).ok());
  std::vector<int32_t> in(10), x(11), labels(11);
  task->Encode(task->Pair(true, 7), absl::MakeSpan(in), absl::MakeSpan(x), absl::MakeSpan(labels));
  EXPECT_THAT(tensors[0].as<int32_t>(), testing::ElementsAreArray(in));
  EXPECT_THAT(tensors[1].as<int32_t>(), testing::ElementsAreArray(x));
  EXPECT_THAT(tensors[2].as<int32_t>(), testing::ElementsAreArray(labels));
}

TEST(TextTasks, RefusesOtherTasks) {
  auto error = [](const TextTaskOptions& options) { return std::string(TextTask::Create(options).status().message()); };
  EXPECT_THAT(error({.task = "sums"}), HasSubstr("no task \"sums\"; there are: dates, reverse"));
  EXPECT_THAT(error({.test = 0}), HasSubstr("test = 0 samples"));
}

}  // namespace
}  // namespace athanor
