#include "training/chart_svg.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace athanor {
namespace {

using chart_internal::Axis;
using chart_internal::ContourLines;
using chart_internal::ContourPiece;
using chart_internal::kCharWidth;
using chart_internal::kColors;
using chart_internal::LegendItem;
using chart_internal::MakeAxes;
using chart_internal::RoomForTicks;
using chart_internal::SvgPage;
using chart_internal::TextLength;

struct Pixel {
  double x = 0, y = 0;
  bool drawn() const { return !std::isnan(x) && !std::isnan(y); }
};

// Far outside of the plot all places look the same; and numbers stay short.
double Bounded(double v, double size) { return std::isnan(v) ? v : std::clamp(v, -2.0, 3.0) * size; }

std::vector<Pixel> Pixels(const ChartSeries& series, const Axis& x, const Axis& y, const SvgPage& page) {
  std::vector<Pixel> pixels;
  pixels.reserve(series.points.size());
  for (const ChartPoint& p : series.points) {
    pixels.push_back({Bounded(x.Unit(p.x), page.width()), Bounded(1 - y.Unit(p.y), page.height())});
  }
  return pixels;
}

// A line of many points, from left to right, drawn with at most four points for each column of pixels: the first, the
// lowest, the highest and the last look like all of them.
std::vector<Pixel> Thinned(const std::vector<Pixel>& pixels) {
  constexpr size_t kMany = 2000;
  auto before = [](const Pixel& a, const Pixel& b) { return a.x < b.x; };
  const bool ordered = std::all_of(pixels.begin(), pixels.end(), [](const Pixel& p) { return p.drawn(); }) &&
                       std::is_sorted(pixels.begin(), pixels.end(), before);
  if (pixels.size() <= kMany || !ordered) return pixels;
  std::vector<Pixel> kept;
  for (size_t begin = 0, end; begin < pixels.size(); begin = end) {
    size_t low = begin, high = begin;
    for (end = begin; end < pixels.size() && std::floor(pixels[end].x) == std::floor(pixels[begin].x); ++end) {
      if (pixels[end].y < pixels[low].y) low = end;
      if (pixels[end].y > pixels[high].y) high = end;
    }
    size_t four[] = {begin, std::min(low, high), std::max(low, high), end - 1};
    for (int i = 0; i < 4; ++i) {
      if (i == 0 || four[i] != four[i - 1]) kept.push_back(pixels[four[i]]);
    }
  }
  return kept;
}

std::string PathOf(const std::vector<Pixel>& pixels) {
  std::string d;
  bool pen_down = false;
  for (size_t i = 0; i < pixels.size(); ++i) {
    if (!pixels[i].drawn()) {
      pen_down = false;
      continue;
    }
    const bool alone = !pen_down && (i + 1 == pixels.size() || !pixels[i + 1].drawn());
    absl::StrAppendFormat(&d, "%s%.1f %.1f%s", pen_down ? "L" : "M", pixels[i].x, pixels[i].y, alone ? "h.1" : "");
    pen_down = true;
  }
  return d;
}

std::string Dot(const Pixel& p, double radius, const std::string& css_class) {
  return absl::StrFormat("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>", p.x, p.y, radius, css_class);
}

void DrawSeries(const ChartSeries& series, int index, const Axis& x, const Axis& y, SvgPage* page) {
  const int color = index % kColors;
  const std::vector<Pixel> pixels = Pixels(series, x, y, *page);
  // A second round through the colours is dashed.
  const bool dashed = series.dashed != (index / kColors % 2 == 1);
  if (series.style != SeriesStyle::kPoints) {
    const std::string d = PathOf(Thinned(pixels));
    if (!d.empty()) {
      page->Add(absl::StrFormat("<path d=\"%s\" class=\"l s%d\" stroke-linecap=\"round\"%s/>\n", d, color,
                                dashed ? " stroke-dasharray=\"6 4\"" : ""));
    }
  }
  if (series.style == SeriesStyle::kLine) return;
  const double radius = series.style == SeriesStyle::kPath ? 1.8 : 3;
  const Pixel *first = nullptr, *last = nullptr;
  for (const Pixel& p : pixels) {
    if (!p.drawn()) continue;
    page->Add(Dot(p, radius, absl::StrCat("f", color)) + "\n");
    if (first == nullptr) first = &p;
    last = &p;
  }
  if (series.style != SeriesStyle::kPath || first == nullptr) return;
  page->Add(Dot(*first, 5, absl::StrCat("bg s", color)) + Dot(*last, 5, absl::StrCat("f", color)) + "\n");
}

std::vector<LegendItem> Legend(const std::vector<ChartSeries>& series) {
  std::vector<LegendItem> items;
  for (size_t i = 0; i < series.size(); ++i) {
    if (series[i].name.empty()) continue;
    const int color = static_cast<int>(i % kColors);
    const bool dashed = series[i].dashed != (i / kColors % 2 == 1);
    std::string swatch;
    if (series[i].style != SeriesStyle::kPoints) {
      absl::StrAppendFormat(&swatch, "<path d=\"M0 0H22\" class=\"l s%d\"%s/>", color,
                            dashed ? " stroke-dasharray=\"6 4\"" : "");
    }
    if (series[i].style != SeriesStyle::kLine) swatch += Dot({11, 0}, 3, absl::StrCat("f", color));
    items.push_back({series[i].name, swatch});
  }
  return items;
}

// From blue over grey to amber: told apart on white and on black.
std::string LevelColor(double t) {
  const double low[3] = {64, 132, 214}, high[3] = {214, 150, 36};
  return absl::StrFormat("#%02x%02x%02x", static_cast<int>(low[0] + t * (high[0] - low[0])),
                         static_cast<int>(low[1] + t * (high[1] - low[1])),
                         static_cast<int>(low[2] + t * (high[2] - low[2])));
}

void DrawSurface(const ChartSurface& surface, const Axis& x, const Axis& y, SvgPage* page) {
  const std::vector<ContourPiece> pieces = ContourLines(surface);
  for (size_t begin = 0, end; begin < pieces.size(); begin = end) {
    std::string d;
    Pixel at{-1, -1};
    for (end = begin; end < pieces.size() && pieces[end].level == pieces[begin].level; ++end) {
      const Pixel from{x.Unit(pieces[end].from.x) * page->width(), (1 - y.Unit(pieces[end].from.y)) * page->height()};
      const Pixel to{x.Unit(pieces[end].to.x) * page->width(), (1 - y.Unit(pieces[end].to.y)) * page->height()};
      if (!from.drawn() || !to.drawn()) continue;
      if (from.x != at.x || from.y != at.y) absl::StrAppendFormat(&d, "M%.1f %.1f", from.x, from.y);
      absl::StrAppendFormat(&d, "L%.1f %.1f", to.x, to.y);
      at = to;
    }
    if (d.empty()) continue;
    page->Add(absl::StrFormat("<path d=\"%s\" class=\"c\" fill=\"none\" stroke=\"%s\"/>\n", d,
                              LevelColor(pieces[begin].level)));
  }
}

// Labels of marks take the first of three lines at the top of the plot where they do not run into another.
void DrawMarks(const std::vector<ChartMark>& marks, const Axis& x, SvgPage* page) {
  double ends[3] = {-1e9, -1e9, -1e9};
  std::vector<ChartMark> ordered = marks;
  std::sort(ordered.begin(), ordered.end(), [](const ChartMark& a, const ChartMark& b) { return a.x < b.x; });
  for (const ChartMark& m : ordered) {
    const double unit = x.Unit(m.x);
    if (!(unit >= 0 && unit <= 1)) continue;
    const double at = unit * page->width(), length = TextLength(m.label) * kCharWidth;
    page->Line(at, 0, at, page->height(), "m");
    const bool left = at + length + 8 > page->width();
    const double begin = left ? at - 5 - length : at + 5;
    int line = 0;
    while (line < 2 && begin < ends[line]) ++line;
    ends[line] = begin + length + 8;
    // Once as a halo in the colour of the page, once as text.
    for (const char* css : {" class=\"bgs\" stroke-width=\"4\" stroke-linejoin=\"round\"", ""}) {
      page->Text(left ? at - 5 : at + 5, 14 + 15 * line, m.label, left ? "end" : "start", css);
    }
  }
}

}  // namespace

std::string ToSvg(const Chart& chart) {
  Axis x, y;
  const double plot_height = std::max(80, chart.height - 50);
  MakeAxes(chart, 8, std::max(2, static_cast<int>(plot_height / 50)), &x, &y);
  SvgPage page(chart.title, Legend(chart.series), RoomForTicks(y, !chart.y_label.empty()),
               chart.x_label.empty() ? 28 : 50, plot_height);
  page.XAxis(x, chart.x_label);
  page.YAxis(y, chart.y_label);
  page.BeginPlot();
  if (chart.surface) DrawSurface(*chart.surface, x, y, &page);
  for (size_t i = 0; i < chart.series.size(); ++i) DrawSeries(chart.series[i], static_cast<int>(i), x, y, &page);
  DrawMarks(chart.marks, x, &page);
  page.EndPlot();
  return page.Finish();
}

}  // namespace athanor
