#include "training/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

int TerminalWidth(std::FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string JsonNumber(double v) { return std::isfinite(v) ? absl::StrFormat("%.6g", v) : "null"; }

}  // namespace

absl::StatusOr<ProgressMode> ParseProgressMode(const std::string& name) {
  if (name == "auto") return ProgressMode::kAuto;
  if (name == "bar") return ProgressMode::kBar;
  if (name == "plain") return ProgressMode::kPlain;
  if (name == "json") return ProgressMode::kJson;
  if (name == "none") return ProgressMode::kNone;
  return MakeError(ErrorClass::kReq, "progress \"%s\" is not one of auto, bar, plain, json, none", name);
}

std::string FormatDuration(double seconds) {
  int64_t s = std::isfinite(seconds) ? std::max<int64_t>(0, std::llround(seconds)) : 0;
  if (s >= 3600) return absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  return absl::StrFormat("%d:%02d", s / 60, s % 60);
}

std::string FormatStep(const StepReport& r) {
  return absl::StrFormat("epoch %d/%d  step %d/%d  loss %.4f  accuracy %.4f  %.0f images/s  ETA %s", r.epoch, r.epochs,
                         r.step, r.steps, r.loss, r.accuracy, r.samples_per_second, FormatDuration(r.seconds_left));
}

Progress::Progress(std::FILE* out, ProgressMode mode) : out_(out), mode_(mode) {
  bool terminal = isatty(fileno(out)) != 0;
  if (mode_ == ProgressMode::kAuto) mode_ = terminal ? ProgressMode::kBar : ProgressMode::kPlain;
  const char* no_color = std::getenv("NO_COLOR");
  color_ = terminal && (no_color == nullptr || *no_color == '\0');
}

void Progress::Step(const StepReport& r) {
  if (mode_ == ProgressMode::kNone) return;
  Clock::time_point now = Clock::now();
  auto interval = mode_ == ProgressMode::kBar ? std::chrono::milliseconds(100) : std::chrono::milliseconds(2000);
  if (r.step != r.steps && now - last_ < interval) return;
  last_ = now;
  if (mode_ == ProgressMode::kBar) {
    DrawBar(r);
  } else if (mode_ == ProgressMode::kJson) {
    std::fprintf(out_, "{\"epoch\":%lld,\"step\":%lld,\"steps\":%lld,\"loss\":%s,\"accuracy\":%s,\"images_per_second\":%s}\n",
                 static_cast<long long>(r.epoch), static_cast<long long>(r.step), static_cast<long long>(r.steps),
                 JsonNumber(r.loss).c_str(), JsonNumber(r.accuracy).c_str(), JsonNumber(r.samples_per_second).c_str());
  } else {
    std::fprintf(out_, "%s\n", FormatStep(r).c_str());
  }
  std::fflush(out_);
}

void Progress::DrawBar(const StepReport& r) {
  std::string text = FormatStep(r);
  int width = TerminalWidth(out_) - 1;
  int room = width - static_cast<int>(text.size()) - 3;
  std::string line;
  if (room >= 8) {
    int cells = std::min(room, 30);
    int full = static_cast<int>(cells * r.step / std::max<int64_t>(1, r.steps));
    std::string done(full, '='), left(cells - full, ' ');
    line = color_ ? absl::StrCat("[\033[32m", done, "\033[0m", left, "] ") : absl::StrCat("[", done, left, "] ");
  }
  line += text.substr(0, std::max(0, width));
  std::fprintf(out_, "\r\033[K%s", line.c_str());
  bar_shown_ = true;
}

void Progress::Line(const std::string& text) {
  if (mode_ == ProgressMode::kNone) return;
  Finish();
  std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
}

void Progress::Finish() {
  if (bar_shown_) std::fprintf(out_, "\r\033[K");
  bar_shown_ = false;
  std::fflush(out_);
}

}  // namespace athanor
