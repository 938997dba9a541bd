// What a lesson draws, as numbers.
#ifndef ATHANOR_LESSONS_PLOT_H_
#define ATHANOR_LESSONS_PLOT_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace athanor {

// Points whose x or y is not finite, or not positive on a logarithmic axis, are left out.
struct Curve {
  std::string name;  // in the legend
  std::vector<double> x, y;
  bool points_only = false;
  bool dashed = false;  // and without dots: shows what lies under it
};

// A vertical line with a label.
struct PlotMark {
  double x = 0;
  std::string label = "";
};

struct Plot {
  std::string name = "";  // of the file, behind the page's name; empty: the page's name alone
  std::string title = "", x_label = "", y_label = "";
  bool log_x = false, log_y = false;
  std::vector<Curve> curves = {};
  std::vector<PlotMark> marks = {};
  // The levels of a surface under the curves, which are then paths; null: none. It needs all four limits.
  std::function<double(double x, double y)> surface = nullptr;
  std::optional<double> x_min = {}, x_max = {}, y_min = {}, y_max = {};  // of the axes; missing: those of the points
};
std::string DrawPlot(const Plot& plot);  // as SVG

// Where a curve's points are 0, 1, 2, ...; or 1, 2, 3, ...
inline Curve CountedCurve(std::string name, const std::vector<double>& y, double first = 1) {
  Curve curve{std::move(name), {}, y};
  for (size_t i = 0; i < y.size(); ++i) curve.x.push_back(first + static_cast<double>(i));
  return curve;
}

}  // namespace athanor

#endif  // ATHANOR_LESSONS_PLOT_H_
