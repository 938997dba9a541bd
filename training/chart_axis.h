// Of charts only: how values become places on an axis, and the ticks there.
#ifndef ATHANOR_TRAINING_CHART_AXIS_H_
#define ATHANOR_TRAINING_CHART_AXIS_H_

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "training/chart.h"

namespace athanor::chart_internal {

struct Tick {
  double value = 0;
  std::string label;
};

struct Axis {
  double lo = 0, hi = 1;
  bool log = false;
  std::vector<Tick> ticks;
  // 0 at lo, 1 at hi; NaN for what has no place.
  double Unit(double value) const;
};

// The values that an axis has to show.
struct Range {
  double lo = std::numeric_limits<double>::infinity(), hi = -std::numeric_limits<double>::infinity();
  // What is not finite, or not positive if `log`, is passed over.
  void Add(double value, bool log);
};

// `pad` is the share of the range that is added at both ends that are not given. An empty range becomes 0..1 (log:
// 0.1..1), one of equal ends is widened.
Axis MakeAxis(Range range, bool log, std::optional<double> lo, std::optional<double> hi, double pad, int ticks);

// The axes of a line chart.
void MakeAxes(const Chart& chart, int x_ticks, int y_ticks, Axis* x, Axis* y);

// `digits` significant ones: "0.001", "1e-5", "2.5e6", "-3".
std::string FormatTick(double value, int digits);

// Contour lines of a surface: pieces of line in its coordinates, each with its level's rank from 0 to 1.
struct ContourPiece {
  double level = 0;
  ChartPoint from, to;
};
std::vector<ContourPiece> ContourLines(const ChartSurface& surface);

// Text that a terminal or an XML file can hold: what is no printable UTF-8 becomes '?'.
std::string Printable(const std::string& text);
// Characters of UTF-8 text.
int TextLength(const std::string& text);
// The first `length` characters.
std::string Shortened(const std::string& text, int length);

}  // namespace athanor::chart_internal

#endif  // ATHANOR_TRAINING_CHART_AXIS_H_
