// Bar charts and histograms.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "training/chart_svg.h"

namespace athanor {
namespace {

using chart_internal::Axis;
using chart_internal::FormatTick;
using chart_internal::kCharWidth;
using chart_internal::kColors;
using chart_internal::LegendItem;
using chart_internal::MakeAxis;
using chart_internal::Printable;
using chart_internal::Range;
using chart_internal::RoomForTicks;
using chart_internal::Shortened;
using chart_internal::SvgPage;
using chart_internal::TextLength;

constexpr int kLongestCategory = 28;

int CategoryWidth(const BarChart& chart) {
  int longest = 1;
  for (const std::string& c : chart.categories) longest = std::max(longest, TextLength(Printable(c)));
  return std::min(longest, kLongestCategory);
}

double ValueOf(const BarSeries& series, size_t category) {
  return category < series.values.size() ? series.values[category] : std::numeric_limits<double>::quiet_NaN();
}

Axis ValueAxis(const BarChart& chart) {
  Range range{0, 0};  // bars begin at 0
  for (const BarSeries& s : chart.series) {
    for (double v : s.values) range.Add(v, false);
  }
  if (range.lo == 0 && range.hi == 0) range.hi = 1;
  const double room = (range.hi - range.lo) * 0.12;  // for the numbers at the ends of the bars
  return MakeAxis(range, false, range.lo < 0 ? range.lo - room : 0, range.hi > 0 ? range.hi + room : 0, 0, 7);
}

std::string HistogramTick(double value) { return FormatTick(value, 4); }

}  // namespace

std::string ToSvg(const BarChart& chart) {
  const Axis axis = ValueAxis(chart);
  std::vector<LegendItem> legend;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    if (chart.series[i].name.empty()) continue;
    legend.push_back(
        {chart.series[i].name,
         absl::StrFormat("<rect x=\"4\" y=\"-6\" width=\"14\" height=\"12\" class=\"f%d\"/>", i % kColors)});
  }
  const double bar = chart.series.size() > 1 ? 14 : 18, group = std::max<size_t>(1, chart.series.size()) * bar + 10;
  SvgPage page(chart.title, legend, 16 + CategoryWidth(chart) * kCharWidth, chart.x_label.empty() ? 28 : 50,
               std::max<size_t>(1, chart.categories.size()) * group + 6);
  page.XAxis(axis, chart.x_label);
  const double zero = page.left() + axis.Unit(0) * page.width();
  for (size_t c = 0; c < chart.categories.size(); ++c) {
    const double top = page.top() + 3 + static_cast<double>(c) * group;
    page.Text(page.left() - 7, top + group / 2 + 4, Shortened(Printable(chart.categories[c]), kLongestCategory), "end");
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const double value = ValueOf(chart.series[s], c);
      if (!std::isfinite(value)) continue;
      const double end = page.left() + axis.Unit(value) * page.width(), y = top + 5 + static_cast<double>(s) * bar;
      page.Add(absl::StrFormat("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"f%d\"/>\n",
                               std::min(zero, end), y, std::max(0.5, std::abs(end - zero)), bar - 2, s % kColors));
      page.Text(value < 0 ? end - 4 : end + 4, y + bar / 2 + 3, FormatTick(value, 4), value < 0 ? "end" : "start");
    }
  }
  page.Line(zero, page.top(), zero, page.top() + page.height(), "a");
  return page.Finish();
}

std::string ToAscii(const BarChart& chart, int width) {
  const int names = CategoryWidth(chart), room = std::max(10, std::max(40, width) - names - 14);
  double largest = 0;
  for (const BarSeries& s : chart.series) {
    for (double v : s.values) {
      if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    }
  }
  constexpr char kMarks[] = "#*+o=x%@";
  std::string out = chart.title.empty() ? "" : absl::StrCat(Printable(chart.title), "\n");
  for (size_t c = 0; c < chart.categories.size(); ++c) {
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const std::string name = s == 0 ? Shortened(Printable(chart.categories[c]), names) : "";
      const double value = ValueOf(chart.series[s], c);
      const int cells =
          std::isfinite(value) && largest > 0 ? static_cast<int>(std::lround(std::abs(value) / largest * room)) : 0;
      const std::string number = std::isfinite(value) ? FormatTick(value, 4) : "-";
      absl::StrAppend(&out, name, std::string(names - TextLength(name), ' '), " |", std::string(cells, kMarks[s % 8]),
                      " ", number, "\n");
    }
  }
  for (size_t s = 0; s < chart.series.size(); ++s) {
    if (!chart.series[s].name.empty())
      absl::StrAppend(&out, s > 0 ? "  " : "", std::string(1, kMarks[s % 8]), " ", Printable(chart.series[s].name));
  }
  if (!out.empty() && out.back() != '\n') out += '\n';
  if (!chart.x_label.empty()) absl::StrAppend(&out, "(", Printable(chart.x_label), ")\n");
  return out;
}

std::string ToSvg(const Histogram& h) {
  Range counts{0, 0};
  for (double c : h.counts) counts.Add(c, false);
  if (counts.hi == 0) counts.hi = 1;
  Range edges;
  for (double e : h.edges) edges.Add(e, false);
  const Axis x = MakeAxis(edges, false, {}, {}, 0, 8), y = MakeAxis(counts, false, 0, {}, 0.04, 6);
  SvgPage page(h.title, {}, RoomForTicks(y, !h.y_label.empty()), h.x_label.empty() ? 28 : 50, 300);
  page.XAxis(x, h.x_label);
  page.YAxis(y, h.y_label);
  for (size_t i = 0; i < h.counts.size() && i + 1 < h.edges.size(); ++i) {
    const double from = page.left() + x.Unit(h.edges[i]) * page.width(),
                 to = page.left() + x.Unit(h.edges[i + 1]) * page.width();
    const double height = y.Unit(h.counts[i]) * page.height();
    if (!(height > 0)) continue;
    page.Add(absl::StrFormat("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"f0\"/>\n", from,
                             page.top() + page.height() - height, std::max(0.5, to - from - 1), height));
  }
  return page.Finish();
}

std::string ToAscii(const Histogram& h, int width) {
  BarChart bars{h.title, h.y_label, {}, {{"", h.counts}}};
  for (size_t i = 0; i < h.counts.size() && i + 1 < h.edges.size(); ++i) {
    bars.categories.push_back(absl::StrCat(HistogramTick(h.edges[i]), " .. ", HistogramTick(h.edges[i + 1])));
  }
  return ToAscii(bars, width);
}

}  // namespace athanor
