// Line charts of characters.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "training/chart_axis.h"

namespace athanor {
namespace {

using chart_internal::Axis;
using chart_internal::MakeAxes;
using chart_internal::Printable;
using chart_internal::Shortened;
using chart_internal::TextLength;
using chart_internal::Tick;

constexpr char kGlyphs[] = "*+ox#@%=";
constexpr char kMarkGlyph = ':';

char GlyphOf(size_t series) { return kGlyphs[series % (sizeof(kGlyphs) - 1)]; }

// Cells of the plot, row 0 at the top.
class Canvas {
 public:
  Canvas(int width, int height, const Axis& x, const Axis& y)
      : width_(width), height_(height), x_(x), y_(y), rows_(height, std::string(width, ' ')) {}
  double Column(double value) const { return x_.Unit(value) * (width_ - 1); }
  double Row(double value) const { return (1 - y_.Unit(value)) * (height_ - 1); }
  const std::string& row(int r) const { return rows_[r]; }

  void Put(double column, double row, char glyph) {
    if (!(column > -0.5 && column < width_ - 0.5 && row > -0.5 && row < height_ - 0.5)) return;
    rows_[std::lround(row)][std::lround(column)] = glyph;
  }

  // Cells on the straight line between two places, of which a far one is brought near first.
  void Line(double c0, double r0, double c1, double r1, char glyph) {
    const double limit = 4.0 * (width_ + height_);
    for (double* v : {&c0, &r0, &c1, &r1}) *v = std::clamp(*v, -limit, limit);
    const int steps = std::max(1, static_cast<int>(std::ceil(std::max(std::abs(c1 - c0), std::abs(r1 - r0)))));
    for (int i = 0; i <= steps; ++i) Put(c0 + (c1 - c0) * i / steps, r0 + (r1 - r0) * i / steps, glyph);
  }

  void Draw(const ChartSeries& series, char glyph) {
    double last_column = std::nan(""), last_row = std::nan("");
    for (const ChartPoint& p : series.points) {
      const double column = Column(p.x), row = Row(p.y);
      const bool drawn = !std::isnan(column) && !std::isnan(row);
      if (drawn && series.style != SeriesStyle::kPoints && !std::isnan(last_column))
        Line(last_column, last_row, column, row, glyph);
      if (drawn) Put(column, row, glyph);
      last_column = drawn ? column : std::nan("");
      last_row = row;
    }
  }

 private:
  int width_, height_;
  const Axis &x_, &y_;
  std::vector<std::string> rows_;
};

std::string Centred(const std::string& text, int width) {
  const std::string shown = Shortened(Printable(text), width);
  return absl::StrCat(std::string((width - TextLength(shown)) / 2, ' '), shown, "\n");
}

// The line of the axis and the line of numbers below it.
std::string XAxis(const Axis& x, int labels, int width) {
  std::string line(labels, ' '), numbers(labels + width, ' ');
  line += '+' + std::string(width, '-');
  size_t free_from = 0;
  for (const Tick& t : x.ticks) {
    const int column = static_cast<int>(std::lround(x.Unit(t.value) * (width - 1)));
    if (column < 0 || column >= width) continue;
    line[labels + 1 + column] = '+';
    const int length = static_cast<int>(t.label.size());
    const int start = std::clamp(labels + 1 + column - length / 2, 0, std::max(0, labels + 1 + width - length));
    if (start < static_cast<int>(free_from)) continue;
    if (numbers.size() < static_cast<size_t>(start + length)) numbers.resize(start + length, ' ');
    numbers.replace(start, length, t.label);
    free_from = start + length + 2;
  }
  numbers.erase(numbers.find_last_not_of(' ') + 1);
  return absl::StrCat(line, "\n", numbers, "\n");
}

std::string Legend(const Chart& chart, int width) {
  std::string out, line;
  auto add = [&](char glyph, const std::string& name) {
    const std::string item = absl::StrCat(std::string(1, glyph), " ", Shortened(Printable(name), width - 4));
    if (!line.empty() && TextLength(line) + 3 + TextLength(item) > width) {
      absl::StrAppend(&out, line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "  " : "   ", item);
  };
  for (size_t i = 0; i < chart.series.size(); ++i) {
    if (!chart.series[i].name.empty()) add(GlyphOf(i), chart.series[i].name);
  }
  for (const ChartMark& m : chart.marks) {
    if (!m.label.empty()) add(kMarkGlyph, m.label);
  }
  return line.empty() ? out : absl::StrCat(out, line, "\n");
}

}  // namespace

std::string ToAscii(const Chart& chart, int width, int height) {
  width = std::max(40, width);
  height = std::max(5, height);
  Axis x, y;
  MakeAxes(chart, std::max(2, width / 12), std::max(2, height / 4), &x, &y);
  int labels = 0;
  for (const Tick& t : y.ticks) labels = std::max(labels, static_cast<int>(t.label.size()));
  labels = std::min(labels + 1, width / 3);
  const int columns = width - labels - 1;
  Canvas canvas(columns, height, x, y);
  for (const ChartMark& m : chart.marks) {
    for (int r = 0; r < height; ++r) canvas.Put(canvas.Column(m.x), r, kMarkGlyph);
  }
  for (size_t i = 0; i < chart.series.size(); ++i) canvas.Draw(chart.series[i], GlyphOf(i));

  std::vector<std::string> numbers(height);
  for (const Tick& t : y.ticks) {
    const int row = static_cast<int>(std::lround(canvas.Row(t.value)));
    if (row >= 0 && row < height) numbers[row] = t.label;
  }
  std::string out = chart.title.empty() ? "" : Centred(chart.title, width);
  if (!chart.y_label.empty()) absl::StrAppend(&out, Shortened(Printable(chart.y_label), width), "\n");
  for (int r = 0; r < height; ++r) {
    const std::string number = Shortened(numbers[r], labels - 1);
    std::string line =
        absl::StrCat(std::string(labels - 1 - number.size(), ' '), number, number.empty() ? " |" : " +", canvas.row(r));
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  absl::StrAppend(&out, XAxis(x, labels, columns));
  if (!chart.x_label.empty()) absl::StrAppend(&out, Centred(chart.x_label, width));
  return absl::StrCat(out, Legend(chart, width));
}

}  // namespace athanor
