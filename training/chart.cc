#include "training/chart.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/status.h"
#include "training/chart_axis.h"

namespace athanor {

using chart_internal::ContourPiece;

ChartSurface SampleSurface(double x_min, double x_max, double y_min, double y_max,
                           const std::function<double(double, double)>& f, int samples) {
  ATH_CHECK(samples >= 2);
  ChartSurface s{x_min, x_max, y_min, y_max, samples, samples, {}};
  s.values.reserve(static_cast<size_t>(samples) * samples);
  for (int row = 0; row < samples; ++row) {
    const double y = y_min + (y_max - y_min) * row / (samples - 1);
    for (int column = 0; column < samples; ++column) {
      s.values.push_back(f(x_min + (x_max - x_min) * column / (samples - 1), y));
    }
  }
  return s;
}

Histogram MakeHistogram(const std::vector<double>& values, int bins) {
  Histogram h;
  bins = std::max(1, bins);
  chart_internal::Range range;
  for (double v : values) range.Add(v, false);
  if (range.lo > range.hi) range = {0, 1};
  if (range.lo == range.hi) {
    const double half = range.lo == 0 ? 0.5 : std::abs(range.lo) * 0.05;
    range = {range.lo - half, range.hi + half};
  }
  for (int i = 0; i <= bins; ++i) h.edges.push_back(range.lo + (range.hi - range.lo) * i / bins);
  h.counts.assign(bins, 0);
  for (double v : values) {
    if (!std::isfinite(v)) continue;
    const int bin = static_cast<int>((v - range.lo) / (range.hi - range.lo) * bins);
    ++h.counts[std::clamp(bin, 0, bins - 1)];
  }
  return h;
}

namespace chart_internal {
namespace {

// The levels: quantiles of the values, so that bowls and saddles of any steepness show as many lines.
std::vector<double> Levels(const ChartSurface& s) {
  std::vector<double> sorted;
  for (double v : s.values) {
    if (std::isfinite(v)) sorted.push_back(v);
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> levels;
  if (sorted.empty() || sorted.front() == sorted.back()) return levels;
  for (int i = 0; i < s.lines; ++i) levels.push_back(sorted[(2 * i + 1) * sorted.size() / (2 * s.lines)]);
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

// The pieces of one level's line in one cell: marching squares, by the edges that the line crosses.
void AddCell(const ChartPoint corner[4], const double value[4], double level, double rank,
             std::vector<ContourPiece>* out) {
  ChartPoint crossing[4];
  int found = 0;
  for (int e = 0; e < 4; ++e) {
    const int a = e, b = (e + 1) % 4;
    if (!std::isfinite(value[a]) || !std::isfinite(value[b])) return;
    if ((value[a] < level) == (value[b] < level)) continue;
    const double t = (level - value[a]) / (value[b] - value[a]);
    crossing[found++] = {corner[a].x + t * (corner[b].x - corner[a].x), corner[a].y + t * (corner[b].y - corner[a].y)};
  }
  if (found == 2) out->push_back({rank, crossing[0], crossing[1]});
  if (found != 4) return;
  // A saddle inside the cell: its centre decides which two corners are joined.
  const bool centre = (value[0] + value[1] + value[2] + value[3]) / 4 < level;
  const int shift = centre == (value[0] < level) ? 0 : 3;
  for (int i = 0; i < 4; i += 2) out->push_back({rank, crossing[(i + shift) % 4], crossing[(i + shift + 1) % 4]});
}

}  // namespace

std::vector<ContourPiece> ContourLines(const ChartSurface& s) {
  ATH_CHECK(s.columns >= 2 && s.rows >= 2 && s.values.size() == static_cast<size_t>(s.columns) * s.rows);
  std::vector<ContourPiece> pieces;
  const std::vector<double> levels = Levels(s);
  for (size_t l = 0; l < levels.size(); ++l) {
    const double rank = levels.size() > 1 ? static_cast<double>(l) / static_cast<double>(levels.size() - 1) : 0;
    for (int r = 0; r + 1 < s.rows; ++r) {
      for (int c = 0; c + 1 < s.columns; ++c) {
        ChartPoint corner[4];
        double value[4];
        for (int k = 0; k < 4; ++k) {
          const int row = r + (k >= 2), column = c + (k == 1 || k == 2);
          corner[k] = {s.x_min + (s.x_max - s.x_min) * column / (s.columns - 1),
                       s.y_min + (s.y_max - s.y_min) * row / (s.rows - 1)};
          value[k] = s.values[static_cast<size_t>(row) * s.columns + column];
        }
        AddCell(corner, value, levels[l], rank, &pieces);
      }
    }
  }
  return pieces;
}

}  // namespace chart_internal
}  // namespace athanor
