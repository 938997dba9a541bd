#include "data/text_tasks.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

constexpr char kPad[] = "<pad>", kStart[] = "<s>", kEnd[] = "</s>";
constexpr int32_t kPadding = 0, kBegin = 1, kFinish = 2, kIgnored = -100;
constexpr int64_t kTestShare = 10;  // one of so many dates and words is for testing
constexpr int64_t kLongestWord = 10;
constexpr const char* kMonths[] = {"january", "february", "march",     "april",   "may",      "june",
                                   "july",    "august",   "september", "october", "november", "december"};
constexpr const char* kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr std::chrono::sys_days kFirstDay{std::chrono::year{1950} / 1 / 1};
constexpr std::chrono::sys_days kLastDay{std::chrono::year{2049} / 12 / 31};

// Streams of the seed: one a sample, and one for what belongs to the test set.
enum Stream : uint64_t { kTrainSamples, kTestSamples, kMembership };

bool IsForTesting(uint64_t seed, uint64_t key) {
  return Philox(seed, kMembership).Block(key)[0] % kTestShare == 0;
}

constexpr int kDateForms = 7;

std::string WriteDate(int64_t day, int form) {
  const std::chrono::sys_days days = kFirstDay + std::chrono::days(day);
  const std::chrono::year_month_day date{days};
  const int y = static_cast<int>(date.year());
  const auto m = static_cast<unsigned>(date.month()), d = static_cast<unsigned>(date.day());
  const std::string month = kMonths[m - 1], brief = month.substr(0, 3);
  switch (form) {
    case 0: return absl::StrFormat("%s %d, %d", month, d, y);
    case 1: return absl::StrFormat("%d %s %d", d, month, y);
    case 2: return absl::StrFormat("%s %d, %d", brief, d, y);
    case 3: return absl::StrFormat("%d %s %d", d, brief, y);
    case 4: return absl::StrFormat("%d/%d/%d", m, d, y);
    case 5: return absl::StrFormat("%02d.%02d.%d", d, m, y);
    default: {
      const std::string weekday = kWeekdays[std::chrono::weekday(days).c_encoding()];
      return absl::StrFormat("%s, %d %s %d", weekday, d, brief, y);
    }
  }
}

std::string IsoDate(int64_t day) {
  const std::chrono::year_month_day date{kFirstDay + std::chrono::days(day)};
  return absl::StrFormat("%04d-%02d-%02d", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                         static_cast<unsigned>(date.day()));
}

std::vector<std::string> Symbols(absl::string_view characters) {
  std::vector<std::string> symbols = {kPad, kStart, kEnd};
  for (char c : characters) symbols.emplace_back(1, c);
  return symbols;
}

std::string Letters() {
  std::string letters;
  for (char c = 'a'; c <= 'z'; ++c) letters += c;
  return letters;
}

// A number for a word: another for each of at most kLongestWord letters.
uint64_t WordKey(const std::string& word) {
  uint64_t key = 0;
  for (char c : word) key = key * 27 + static_cast<uint64_t>(c - 'a' + 1);
  return key;
}

class TextTaskSource : public SampleSource {
 public:
  TextTaskSource(std::shared_ptr<const TextTask> task, bool test)
      : task_(std::move(task)),
        test_(test),
        fields_({{"source", DType::kS32, {task_->source_length()}},
                 {"x", DType::kS32, {task_->target_length()}},
                 {"labels", DType::kS32, {task_->target_length()}}}) {}

  int64_t size() const override { return task_->size(test_); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t, absl::Span<const TensorView> out) const override {
    task_->Encode(task_->Pair(test_, index), out[0].as<int32_t>(), out[1].as<int32_t>(), out[2].as<int32_t>());
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const TextTask> task_;
  const bool test_;
  const std::vector<FieldSpec> fields_;
};

}  // namespace

std::unique_ptr<SampleSource> MakeTextTaskSource(std::shared_ptr<const TextTask> task, bool test) {
  return std::make_unique<TextTaskSource>(std::move(task), test);
}

absl::StatusOr<std::shared_ptr<const TextTask>> TextTask::Create(const TextTaskOptions& options) {
  if (options.train < 1 || options.test < 1) {
    return MakeError(ErrorClass::kReq, "train = %d and test = %d samples: each must be at least 1", options.train,
                     options.test);
  }
  std::shared_ptr<TextTask> task(new TextTask(options));
  std::string characters = Letters();
  if (options.task == "dates") {
    characters = " ,-./0123456789" + characters;
    task->source_length_ = 20;
    task->target_length_ = 11;
    const int64_t count = (kLastDay - kFirstDay).count() + 1;
    for (int64_t day = 0; day < count; ++day) {
      task->days_[IsForTesting(options.seed, day)].push_back(static_cast<int32_t>(day));
    }
  } else if (options.task == "reverse") {
    task->source_length_ = kLongestWord;
    task->target_length_ = kLongestWord + 1;
  } else {
    return MakeError(ErrorClass::kReq, "no task \"%s\"; there are: dates, reverse", options.task);
  }
  ATH_ASSIGN_OR_RETURN(task->vocabulary_, Vocabulary::Create(Symbols(characters)));
  return std::shared_ptr<const TextTask>(task);
}

TextPair TextTask::Pair(bool test, int64_t index) const {
  ATH_CHECK(index >= 0 && index < size(test));
  return options_.task == "dates" ? Date(test, index) : Word(test, index);
}

TextPair TextTask::Date(bool test, int64_t index) const {
  const auto random = Philox(options_.seed, test ? kTestSamples : kTrainSamples).Block(index);
  const std::vector<int32_t>& days = days_[test];
  const int64_t day = days[random[0] % days.size()];
  return {WriteDate(day, static_cast<int>(random[1] % kDateForms)), IsoDate(day)};
}

TextPair TextTask::Word(bool test, int64_t index) const {
  const Philox philox(options_.seed, Philox::MixStream(test ? kTestSamples : kTrainSamples, index));
  std::string word;
  // One try in two or so is of the right kind for training, and one in ten for testing.
  for (uint64_t block = 0; word.empty() || IsForTesting(options_.seed, WordKey(word)) != test; block += 4) {
    const std::array<uint32_t, 4> first = philox.Block(block);
    word.clear();
    const auto length = static_cast<int64_t>(2 + first[0] % (kLongestWord - 1));
    for (int64_t i = 0; i < length; ++i) {
      word += static_cast<char>('a' + philox.Block(block + 1 + i / 4)[i % 4] % 26);
    }
  }
  return {word, std::string(word.rbegin(), word.rend())};
}

void TextTask::Encode(const TextPair& pair, absl::Span<int32_t> source, absl::Span<int32_t> x,
                      absl::Span<int32_t> labels) const {
  ATH_CHECK(static_cast<int64_t>(source.size()) == source_length_ && x.size() == labels.size() &&
            static_cast<int64_t>(x.size()) == target_length_);
  ATH_CHECK(pair.source.size() <= source.size() && pair.target.size() < x.size());
  std::fill(source.begin(), source.end(), kPadding);
  std::fill(x.begin(), x.end(), kPadding);
  std::fill(labels.begin(), labels.end(), kIgnored);
  for (size_t i = 0; i < pair.source.size(); ++i) source[i] = vocabulary_.Find(pair.source.substr(i, 1));
  x[0] = kBegin;
  for (size_t i = 0; i < pair.target.size(); ++i) x[i + 1] = labels[i] = vocabulary_.Find(pair.target.substr(i, 1));
  labels[pair.target.size()] = kFinish;
}

}  // namespace athanor
