// Of charts only: the parts that all SVG charts share.
#ifndef ATHANOR_TRAINING_CHART_SVG_H_
#define ATHANOR_TRAINING_CHART_SVG_H_

#include <string>
#include <vector>

#include "training/chart_axis.h"

namespace athanor::chart_internal {

// Width of a page; of a character of its small text, about; series colours.
inline constexpr double kSvgWidth = 720, kCharWidth = 6.7;
inline constexpr int kColors = 8;

// Safe inside an element and an attribute.
std::string XmlEscape(const std::string& text);

struct LegendItem {
  std::string name;
  std::string swatch;  // SVG of 22 x 12, drawn around y = 0
};

// A page: title and legend at the top, then a plot with room for ticks and labels around it.
class SvgPage {
 public:
  // `left` and `bottom` are the room beside and below the plot.
  SvgPage(const std::string& title, const std::vector<LegendItem>& legend, double left, double bottom,
          double plot_height);
  double left() const { return left_; }
  double top() const { return top_; }
  double width() const { return kSvgWidth - left_ - kRight; }
  double height() const { return height_; }

  void Add(const std::string& svg) { body_ += svg; }
  void Text(double x, double y, const std::string& text, const std::string& anchor, const std::string& more = "");
  void Line(double x1, double y1, double x2, double y2, const std::string& css_class);
  // Grid lines, ticks and labels. The y axis may be left out (its place is then the caller's).
  void XAxis(const Axis& axis, const std::string& label);
  void YAxis(const Axis& axis, const std::string& label);
  // Opens and closes a part whose origin is the plot's corner and which cuts off what leaves the plot.
  void BeginPlot();
  void EndPlot() { body_ += "</svg>\n"; }
  std::string Finish() const;

 private:
  static constexpr double kRight = 26;
  double left_, top_ = 12, height_, bottom_;
  std::string title_, body_;
};

// Room for the labels of a y axis.
double RoomForTicks(const Axis& axis, bool label);

}  // namespace athanor::chart_internal

#endif  // ATHANOR_TRAINING_CHART_SVG_H_
