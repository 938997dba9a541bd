// Charts of runs: as SVG for pages, as ASCII for terminals.
//
// An SVG is 720 wide, needs no font and no other file, and follows the reader's light or dark theme. Texts may hold
// anything: they are escaped. Points that are not finite, or not positive on a logarithmic axis, make gaps. What is
// outside of given limits is cut off. Pure functions: the same chart gives the same text.
#ifndef ATHANOR_TRAINING_CHART_H_
#define ATHANOR_TRAINING_CHART_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace athanor {

struct ChartPoint {
  double x = 0, y = 0;
};

enum class SeriesStyle {
  kLine,
  kPoints,
  kLineAndPoints,
  kPath,  // of an optimizer: a line with a dot at each point, a ring at the start and a full circle at the end
};

struct ChartSeries {
  std::string name;  // in the legend; empty: not there
  std::vector<ChartPoint> points;
  SeriesStyle style = SeriesStyle::kLine;
  bool dashed = false;
};

// A vertical line with a label.
struct ChartMark {
  double x = 0;
  std::string label;
};

// A function over a rectangle, drawn as contour lines behind the series. values[row * columns + column], row 0 at
// y_min, the corners on the rectangle's; at least 2 columns and 2 rows.
struct ChartSurface {
  double x_min = 0, x_max = 1, y_min = 0, y_max = 1;
  int columns = 0, rows = 0;
  std::vector<double> values;
  int lines = 14;  // with as much area between any two
};
ChartSurface SampleSurface(double x_min, double x_max, double y_min, double y_max,
                           const std::function<double(double, double)>& f, int samples = 101);

struct Chart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<ChartSeries> series;
  std::vector<ChartMark> marks;
  std::optional<ChartSurface> surface;
  // Limits of the axes; those of what is drawn where they are missing.
  std::optional<double> x_min, x_max, y_min, y_max;
  int height = 420;  // of the SVG, without title and legend
};
std::string ToSvg(const Chart& chart);
// A chart of `width` columns (40 at least) and `height` lines of plot (5 at least), and title, axes and legend around
// it. The surface is left out.
std::string ToAscii(const Chart& chart, int width = 80, int height = 20);

// A bar for each category and series, to the right of the category's name.
struct BarSeries {
  std::string name;
  std::vector<double> values;  // one a category; what is missing or not finite has no bar
};
struct BarChart {
  std::string title, x_label;  // of the values
  std::vector<std::string> categories;
  std::vector<BarSeries> series;
};
std::string ToSvg(const BarChart& chart);
std::string ToAscii(const BarChart& chart, int width = 80);

// Counts of values in `bins` ranges of equal width between the least and the largest; what is not finite does not
// count.
struct Histogram {
  std::string title, x_label, y_label = "count";
  std::vector<double> edges;  // one more than counts; ascending
  std::vector<double> counts;
};
Histogram MakeHistogram(const std::vector<double>& values, int bins);
std::string ToSvg(const Histogram& histogram);
// A line a bin.
std::string ToAscii(const Histogram& histogram, int width = 80);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_CHART_H_
