#include "training/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr int kBarCells = 30, kLeastBarCells = 8;

int TerminalWidth(std::FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

std::string JsonNumber(double v) { return std::isfinite(v) ? absl::StrFormat("%.6g", v) : "null"; }

std::string JsonString(const std::string& text) {
  const bool printable = IsPrintableUtf8(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += printable || (c >= ' ' && c <= '~') ? c : '?';
  }
  return out + "\"";
}

void AppendNumbers(const NamedNumbers& numbers, std::string* out) {
  for (const auto& [name, value] : numbers) absl::StrAppend(out, ",", JsonString(name), ":", JsonNumber(value));
}

std::string JsonStep(const StepReport& r) {
  std::string out =
      absl::StrFormat("{\"epoch\":%d,\"epochs\":%d,\"step\":%d,\"steps\":%d", r.epoch, r.epochs, r.step, r.steps);
  AppendNumbers({{"loss", r.loss},
                 {"accuracy", r.accuracy},
                 {"lr", r.lr},
                 {absl::StrCat(r.unit, "_per_second"), r.samples_per_second},
                 {"waiting", r.waiting},
                 {"seconds_left", r.seconds_left}},
                &out);
  AppendNumbers(r.extra, &out);
  return out + "}";
}

// A part of the line and how soon it is left out: the largest first.
struct Part {
  std::string text;
  int order;
};

std::vector<Part> PartsOf(const StepReport& r) {
  std::vector<Part> parts = {{absl::StrFormat("epoch %d/%d", r.epoch, r.epochs), 2},
                             {absl::StrFormat("step %d/%d", r.step, r.steps), 1},
                             {absl::StrFormat("loss %.4f", r.loss), 0}};
  if (!std::isnan(r.accuracy)) parts.push_back({absl::StrFormat("accuracy %.4f", r.accuracy), 5});
  for (const auto& [name, value] : r.extra) {
    if (!std::isnan(value)) parts.push_back({absl::StrFormat("%s %.4f", name, value), 8});
  }
  if (!std::isnan(r.lr)) parts.push_back({absl::StrFormat("lr %.3g", r.lr), 6});
  parts.push_back({absl::StrFormat("%.0f %s/s", r.samples_per_second, r.unit), 4});
  if (!std::isnan(r.waiting)) parts.push_back({absl::StrFormat("%.0f%% waiting for data", 100 * r.waiting), 7});
  parts.push_back({absl::StrCat("ETA ", FormatDuration(r.seconds_left)), 3});
  return parts;
}

std::string Joined(const std::vector<Part>& parts) {
  std::string text;
  for (const Part& p : parts) absl::StrAppend(&text, text.empty() ? "" : "  ", p.text);
  return text;
}

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
  int64_t s = std::isfinite(seconds) ? std::max<int64_t>(0, std::llround(std::min(seconds, 1e15))) : 0;
  if (s >= 3600) return absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  return absl::StrFormat("%d:%02d", s / 60, s % 60);
}

std::string FormatStep(const StepReport& r, int width) {
  std::vector<Part> parts = PartsOf(r);
  std::string text = Joined(parts);
  while (static_cast<int>(text.size()) > width && parts.size() > 1) {
    // Of equals the last one.
    auto less =
        std::max_element(parts.rbegin(), parts.rend(), [](const Part& a, const Part& b) { return a.order < b.order; });
    parts.erase(std::next(less).base());
    text = Joined(parts);
  }
  return text.substr(0, std::max(0, width));
}

void RateMeter::Add(double count, double seconds) {
  if (!(seconds > 0)) return;
  const double kept = std::exp(-seconds / memory_);
  count_ = count_ * kept + count;
  seconds_ = seconds_ * kept + seconds;
}

Progress::Progress(std::FILE* out, ProgressMode mode) : out_(out), mode_(mode) {
  const bool terminal = isatty(fileno(out)) != 0;
  const char* kind = std::getenv("TERM");
  const bool dumb = kind != nullptr && std::strcmp(kind, "dumb") == 0;
  if (mode_ == ProgressMode::kAuto) mode_ = terminal && !dumb ? ProgressMode::kBar : ProgressMode::kPlain;
  color_ = terminal && !dumb && !IsSet("NO_COLOR");
}

void Progress::Step(const StepReport& r) {
  if (mode_ == ProgressMode::kNone) return;
  Clock::time_point now = Clock::now();
  const bool bar = mode_ == ProgressMode::kBar;
  const auto interval = bar ? std::chrono::milliseconds(100) : std::chrono::milliseconds(2000);
  // Epochs of a few milliseconds would redraw too often if each were drawn at its end.
  if (now - last_ < interval && (bar || r.step != r.steps)) return;
  last_ = now;
  if (bar) {
    DrawBar(r);
  } else {
    std::fprintf(out_, "%s\n", mode_ == ProgressMode::kJson ? JsonStep(r).c_str() : FormatStep(r).c_str());
  }
  std::fflush(out_);
}

void Progress::DrawBar(const StepReport& r) {
  // The last column stays free: some terminals go to the next line when it is written.
  const int width = TerminalWidth(out_) - 1;
  const int least = kLeastBarCells + 3;
  std::string text = FormatStep(r, width - least);
  const int room = width - static_cast<int>(text.size()) - 3;
  std::string line;
  if (width >= 40 && room >= kLeastBarCells) {
    const int cells = std::min(room, kBarCells);
    const int64_t step = std::clamp<int64_t>(r.step, 0, std::max<int64_t>(0, r.steps));
    const int full = static_cast<int>(cells * step / std::max<int64_t>(1, r.steps));
    std::string done(full, '='), left(cells - full, ' ');
    line = color_ ? absl::StrCat("[\033[32m", done, "\033[0m", left, "] ") : absl::StrCat("[", done, left, "] ");
  } else {
    text = FormatStep(r, width);
  }
  std::fprintf(out_, "\r\033[K%s%s", line.c_str(), text.c_str());
  bar_shown_ = true;
}

void Progress::Line(const std::string& text, const NamedNumbers& numbers) {
  if (mode_ == ProgressMode::kNone) return;
  Finish();
  if (mode_ == ProgressMode::kJson) {
    std::string line = absl::StrCat("{\"message\":", JsonString(text));
    AppendNumbers(numbers, &line);
    std::fprintf(out_, "%s}\n", line.c_str());
  } else {
    std::fprintf(out_, "%s\n", text.c_str());
  }
  std::fflush(out_);
}

void Progress::Finish() {
  if (bar_shown_) std::fprintf(out_, "\r\033[K");
  bar_shown_ = false;
  std::fflush(out_);
}

}  // namespace athanor
