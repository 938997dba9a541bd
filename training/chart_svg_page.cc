#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "training/chart_svg.h"

namespace athanor::chart_internal {
namespace {

// Colours that people with any colour vision tell apart (Okabe and Ito), darker on white than on black.
constexpr const char* kLight[kColors] = {"#0072b2", "#d55e00", "#009e73", "#aa4499",
                                         "#b88700", "#3aa0d8", "#6a51a3", "#6e7781"};
constexpr const char* kDark[kColors] = {"#4aa8e0", "#ff8a3d", "#2ecc9b", "#e08bc0",
                                        "#e6b422", "#8fd0f7", "#b39ddb", "#a0a8b1"};

std::string Style() {
  std::string light, dark;
  for (int i = 0; i < kColors; ++i) {
    absl::StrAppendFormat(&light, ".s%d{stroke:%s}.f%d{fill:%s}", i, kLight[i], i, kLight[i]);
    absl::StrAppendFormat(&dark, ".s%d{stroke:%s}.f%d{fill:%s}", i, kDark[i], i, kDark[i]);
  }
  return absl::StrCat(
      "<style>text{fill:#1f2328;font-family:system-ui,-apple-system,'Segoe "
      "UI',Helvetica,Arial,sans-serif;font-size:12px}"
      ".h{font-size:16px;font-weight:600}.bg{fill:#ffffff}.bgs{stroke:#ffffff}.g{stroke:#d8dee4}.a{stroke:#59636e}.m{"
      "stroke:#59636e;"
      "stroke-dasharray:3 3}.c{stroke-width:1;stroke-opacity:.75}.l{fill:none;stroke-width:1.8;stroke-linejoin:round}",
      light,
      "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bg{fill:#0d1117}.bgs{stroke:#0d1117}.g{stroke:#30363d}",
      ".a,.m{stroke:#9198a1}", dark, "}</style>\n");
}

// The text in lines of at most `length` characters, broken at spaces.
std::vector<std::string> Wrapped(const std::string& text, int length) {
  std::vector<std::string> lines;
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ' '))) {
    if (!lines.empty() && TextLength(lines.back()) + 1 + TextLength(word) <= length) {
      absl::StrAppend(&lines.back(), " ", word);
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

}  // namespace

std::string XmlEscape(const std::string& text) {
  return absl::StrReplaceAll(Printable(text),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

double RoomForTicks(const Axis& axis, bool label) {
  int longest = 0;
  for (const Tick& t : axis.ticks) longest = std::max(longest, TextLength(t.label));
  return 18 + longest * kCharWidth + (label ? 20 : 0);
}

SvgPage::SvgPage(const std::string& title, const std::vector<LegendItem>& legend, double left, double bottom,
                 double plot_height)
    : left_(left), height_(plot_height), bottom_(bottom), title_(title) {
  if (!title.empty()) {
    for (const std::string& line : Wrapped(title, 74)) {
      Text(kSvgWidth / 2, top_ + 16, line, "middle", " class=\"h\"");
      top_ += 22;
    }
    top_ += 4;
  }
  double x = left_;
  for (const LegendItem& item : legend) {
    const std::string name = Shortened(item.name, 90);
    const double width = 28 + TextLength(name) * kCharWidth;
    if (x > left_ && x + width > kSvgWidth - 8) x = left_, top_ += 18;
    absl::StrAppendFormat(&body_, "<g transform=\"translate(%.1f %.1f)\">%s</g>\n", x, top_ + 8, item.swatch);
    Text(x + 28, top_ + 12, name, "start");
    x += width + 24;
  }
  top_ += legend.empty() ? 6 : 28;
}

void SvgPage::Text(double x, double y, const std::string& text, const std::string& anchor, const std::string& more) {
  absl::StrAppendFormat(&body_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, more,
                        XmlEscape(text));
}

void SvgPage::Line(double x1, double y1, double x2, double y2, const std::string& css_class) {
  absl::StrAppendFormat(&body_, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2,
                        y2, css_class);
}

void SvgPage::XAxis(const Axis& axis, const std::string& label) {
  const double y = top_ + height_;
  double last_end = -1e9;
  for (const Tick& t : axis.ticks) {
    const double x = left_ + axis.Unit(t.value) * width(), half = TextLength(t.label) * kCharWidth / 2;
    Line(x, top_, x, y, "g");
    // A label that would run into the one before is left out.
    if (x - half < last_end + 6) continue;
    Text(x, y + 17, t.label, "middle");
    last_end = x + half;
  }
  Line(left_, y, left_ + width(), y, "a");
  if (!label.empty()) Text(left_ + width() / 2, y + 37, Shortened(label, 90), "middle");
}

void SvgPage::YAxis(const Axis& axis, const std::string& label) {
  double last = 1e9;
  for (const Tick& t : axis.ticks) {
    const double y = top_ + (1 - axis.Unit(t.value)) * height_;
    Line(left_, y, left_ + width(), y, "g");
    if (last - y < 13) continue;
    Text(left_ - 7, y + 4, t.label, "end");
    last = y;
  }
  Line(left_, top_, left_, top_ + height_, "a");
  if (label.empty()) return;
  const double x = 17, y = top_ + height_ / 2;
  const int fits = std::max(8, static_cast<int>(height_ / kCharWidth));
  Text(x, y, Shortened(label, fits), "middle", absl::StrFormat(" transform=\"rotate(-90 %.1f %.1f)\"", x, y));
}

void SvgPage::BeginPlot() {
  absl::StrAppendFormat(&body_, "<svg x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">\n", left_, top_, width(),
                        height_);
}

std::string SvgPage::Finish() const {
  const int height = static_cast<int>(std::ceil(top_ + height_ + bottom_));
  return absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
      "<title>%s</title>\n%s<rect width=\"%d\" height=\"%d\" class=\"bg\"/>\n%s</svg>\n",
      static_cast<int>(kSvgWidth), height, static_cast<int>(kSvgWidth), height, XmlEscape(title_), Style(),
      static_cast<int>(kSvgWidth), height, body_);
}

}  // namespace athanor::chart_internal
