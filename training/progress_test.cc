// The progress line as a terminal, a pipe and a program see it.
#include "training/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

StepReport Report(int64_t step = 120) {
  StepReport r;
  r.epoch = 2, r.epochs = 10;
  r.step = step, r.steps = 157;
  r.loss = 0.12345, r.accuracy = 0.965;
  r.samples_per_second = 12345.6, r.seconds_left = 187;
  r.lr = 1e-3;
  r.waiting = 0.03;
  r.unit = "images";
  r.extra = {{"val_loss", 0.25}, {"val_accuracy", 0.93}};
  return r;
}

int Count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// A terminal of our own: what is written to `out` can be read back.
class Terminal {
 public:
  explicit Terminal(int columns) {
    int slave = -1;
    if (openpty(&master_, &slave, nullptr, nullptr, nullptr) != 0) return;
    out_ = fdopen(slave, "w");
    fcntl(master_, F_SETFL, O_NONBLOCK);
    Resize(columns);
  }
  ~Terminal() {
    if (out_ != nullptr) std::fclose(out_);
    if (master_ >= 0) close(master_);
  }
  std::FILE* out() const { return out_; }
  void Resize(int columns) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = 24;
    ioctl(master_, TIOCSWINSZ, &size);
  }
  std::string Read() {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(master_, buffer, sizeof(buffer))) > 0;) text.append(buffer, n);
    return text;
  }

 private:
  int master_ = -1;
  std::FILE* out_ = nullptr;
};

class ProgressTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
  }
  // What a pipe or a file gets.
  std::string Written(ProgressMode mode, const std::function<void(Progress&)>& use) {
    std::FILE* file = std::tmpfile();
    Progress progress(file, mode);
    use(progress);
    std::rewind(file);
    std::string text;
    char buffer[4096];
    for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), file)) > 0;) text.append(buffer, n);
    std::fclose(file);
    return text;
  }
};

TEST_F(ProgressTest, InAPipeTheLinesArePlain) {
  const std::string text = Written(ProgressMode::kAuto, [](Progress& p) {
    EXPECT_EQ(p.mode(), ProgressMode::kPlain);
    p.Step(Report());
    p.Line("epoch 2 done");
    p.Finish();
  });
  EXPECT_EQ(text,
            "epoch 2/10  step 120/157  loss 0.1235  accuracy 0.9650  val_loss 0.2500  val_accuracy 0.9300  lr 0.001  "
            "12346 images/s  3% waiting for data  ETA 3:07\nepoch 2 done\n");
}

TEST_F(ProgressTest, PlainLinesAreFewAndTheLastStepOfAnEpochIsAmongThem) {
  const std::string text = Written(ProgressMode::kPlain, [](Progress& p) {
    for (int64_t s = 1; s <= 157; ++s) p.Step(Report(s));
  });
  EXPECT_THAT(text, HasSubstr("step 1/157"));
  EXPECT_THAT(text, HasSubstr("step 157/157"));
  EXPECT_LE(Count(text, "\n"), 10);
}

TEST_F(ProgressTest, JsonIsAnObjectALine) {
  const std::string text = Written(ProgressMode::kJson, [](Progress& p) {
    StepReport r = Report();
    r.accuracy = kNaN;
    p.Step(r);
    p.Line("said \"so\"\n", {{"val_loss", 0.5}});
  });
  EXPECT_EQ(
      text,
      "{\"epoch\":2,\"epochs\":10,\"step\":120,\"steps\":157,\"loss\":0.12345,\"accuracy\":null,\"lr\":0.001,"
      "\"images_per_second\":12345.6,\"waiting\":0.03,\"seconds_left\":187,\"val_loss\":0.25,\"val_accuracy\":0.93}\n"
      "{\"message\":\"said \\\"so\\\"?\",\"val_loss\":0.5}\n");
}

TEST_F(ProgressTest, NoneIsSilent) {
  EXPECT_EQ(Written(ProgressMode::kNone,
                    [](Progress& p) {
                      p.Step(Report());
                      p.Line("x");
                      p.Finish();
                    }),
            "");
}

TEST_F(ProgressTest, OnATerminalABarIsRedrawnAtMostTenTimesASecond) {
  Terminal terminal(120);
  ASSERT_NE(terminal.out(), nullptr);
  Progress progress(terminal.out(), ProgressMode::kAuto);
  EXPECT_EQ(progress.mode(), ProgressMode::kBar);
  const auto start = std::chrono::steady_clock::now();
  double seconds = 0;
  std::string text;
  for (int64_t i = 0; seconds < 0.35; ++i) {
    progress.Step(Report(i % 157 + 1));
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i % 1000 == 0) text += terminal.Read();
  }
  text += terminal.Read();
  EXPECT_GE(Count(text, "\r\033[K"), 2);
  EXPECT_LE(Count(text, "\r\033[K"), seconds * 10 + 1);
  EXPECT_THAT(text, HasSubstr("[\033[32m"));
  progress.Line("above");
  EXPECT_EQ(terminal.Read(), "\r\033[Kabove\r\n");
}

// The columns that the last redraw takes.
int Columns(const std::string& text) {
  const size_t start = text.rfind("\033[K");
  int columns = 0;
  for (size_t i = start == std::string::npos ? 0 : start + 3; i < text.size(); ++i) {
    if (text[i] == '\033')
      i = text.find('m', i);
    else
      ++columns;
  }
  return columns;
}

TEST_F(ProgressTest, TheBarFitsTheTerminalAlsoAfterItsSizeChanged) {
  Terminal terminal(200);
  ASSERT_NE(terminal.out(), nullptr);
  for (int columns : {200, 120, 80, 60, 40, 20, 5, 100}) {
    terminal.Resize(columns);
    Progress progress(terminal.out(), ProgressMode::kBar);
    progress.Step(Report());
    const std::string text = terminal.Read();
    EXPECT_LT(Columns(text), columns);
    EXPECT_THAT(text, HasSubstr(columns >= 20 ? "loss 0.1235" : "loss"));
    EXPECT_EQ(Count(text, "val_loss"), columns == 200) << text;
    EXPECT_EQ(Count(text, "ETA"), columns >= 60) << text;
  }
}

TEST_F(ProgressTest, NoColorMeansNoColorAndADumbTerminalGetsPlainLines) {
  Terminal terminal(100);
  ASSERT_NE(terminal.out(), nullptr);
  setenv("NO_COLOR", "1", 1);
  Progress(terminal.out(), ProgressMode::kAuto).Step(Report());
  EXPECT_THAT(terminal.Read(), AllOf(HasSubstr("[==="), Not(HasSubstr("\033[32m"))));
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(Progress(terminal.out(), ProgressMode::kAuto).mode(), ProgressMode::kPlain);
}

TEST(FormatStep, LeavesOutWhatIsLessImportantFirst) {
  StepReport r = Report();
  EXPECT_EQ(FormatStep(r, 90),
            "epoch 2/10  step 120/157  loss 0.1235  accuracy 0.9650  lr 0.001  12346 images/s  ETA 3:07");
  EXPECT_EQ(FormatStep(r, 40), "epoch 2/10  step 120/157  loss 0.1235");
  EXPECT_EQ(FormatStep(r, 11), "loss 0.1235");
  EXPECT_EQ(FormatStep(r, 4), "loss");
  EXPECT_EQ(FormatStep(r, -3), "");
  r.accuracy = r.lr = r.waiting = kNaN;
  r.unit = "tokens";
  EXPECT_EQ(FormatStep(r),
            "epoch 2/10  step 120/157  loss 0.1235  val_loss 0.2500  val_accuracy 0.9300  12346 tokens/s  ETA 3:07");
}

TEST(FormatDuration, HoursMinutesSeconds) {
  EXPECT_EQ(FormatDuration(7), "0:07");
  EXPECT_EQ(FormatDuration(187.4), "3:07");
  EXPECT_EQ(FormatDuration(3723), "1:02:03");
  EXPECT_EQ(FormatDuration(kNaN), "0:00");
  EXPECT_EQ(FormatDuration(-5), "0:00");
}

TEST(RateMeter, ASteadyRateComesOutExactlyAndAPauseIsForgotten) {
  RateMeter meter(10);
  EXPECT_EQ(meter.rate(), 0);
  for (int i = 0; i < 1000; ++i) meter.Add(64, 0.1);
  EXPECT_NEAR(meter.rate(), 640, 1e-9);
  meter.Add(64, 20);  // the machine slept
  EXPECT_LT(meter.rate(), 50);
  for (int i = 0; i < 600; ++i) meter.Add(64, 0.1);
  EXPECT_NEAR(meter.rate(), 640, 5);
  meter.Add(64, 0);  // no time, no rate
  EXPECT_NEAR(meter.rate(), 640, 5);
}

TEST(ParseProgressMode, ListsTheModes) {
  EXPECT_EQ(*ParseProgressMode("bar"), ProgressMode::kBar);
  EXPECT_EQ(ParseProgressMode("loud").status().message(),
            "REQ: progress \"loud\" is not one of auto, bar, plain, json, none");
}

}  // namespace
}  // namespace athanor
