#include "lessons/plot.h"

#include "training/chart.h"

namespace athanor {

std::string DrawPlot(const Plot& plot) {
  Chart chart;
  chart.title = plot.title;
  chart.x_label = plot.x_label;
  chart.y_label = plot.y_label;
  chart.log_x = plot.log_x;
  chart.log_y = plot.log_y;
  chart.x_min = plot.x_min;
  chart.x_max = plot.x_max;
  chart.y_min = plot.y_min;
  chart.y_max = plot.y_max;
  for (const Curve& curve : plot.curves) {
    ChartSeries series{.name = curve.name, .points = {}};
    series.dashed = curve.dashed;
    for (size_t i = 0; i < curve.x.size(); ++i) series.points.push_back({curve.x[i], curve.y[i]});
    if (plot.surface) {
      series.style = SeriesStyle::kPath;
    } else if (curve.points_only) {
      series.style = SeriesStyle::kPoints;
    } else {
      series.style = curve.x.size() <= 30 && !curve.dashed ? SeriesStyle::kLineAndPoints : SeriesStyle::kLine;
    }
    chart.series.push_back(std::move(series));
  }
  for (const PlotMark& mark : plot.marks) chart.marks.push_back({mark.x, mark.label});
  if (plot.surface) {
    chart.surface = SampleSurface(*plot.x_min, *plot.x_max, *plot.y_min, *plot.y_max, plot.surface);
  }
  return ToSvg(chart);
}

}  // namespace athanor
