#include "training/chart_axis.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/core/utf8.h"

namespace athanor::chart_internal {
namespace {

double Place(double v, bool log) { return log ? std::log10(v) : v; }

// 1, 2 or 5 times a power of ten, such that about `ticks` of them fit.
double NiceStep(double range, int ticks) {
  const double raw = range / std::max(1, ticks), power = std::pow(10, std::floor(std::log10(raw)));
  for (double m : {1.0, 2.0, 5.0}) {
    if (raw <= m * power * 1.0001) return m * power;
  }
  return 10 * power;
}

void AddLinearTicks(Axis* axis, int ticks) {
  const double step = NiceStep(axis->hi - axis->lo, ticks);
  const double largest = std::max(std::abs(axis->lo), std::abs(axis->hi));
  const int digits = std::clamp(
      static_cast<int>(std::floor(std::log10(largest * 1.0001)) - std::floor(std::log10(step * 1.0001))) + 1, 1, 15);
  for (double i = std::ceil(axis->lo / step - 1e-9); i * step <= axis->hi + step * 1e-9; ++i) {
    const double value = i == 0 ? 0 : i * step;
    axis->ticks.push_back({value, FormatTick(value, digits)});
    if (axis->ticks.size() > 100) return;  // the step vanishes beside the values
  }
}

void AddLogTicks(Axis* axis, int ticks) {
  const double from = std::log10(axis->lo), to = std::log10(axis->hi);
  const int first = static_cast<int>(std::floor(from)), last = static_cast<int>(std::ceil(to));
  const bool between = to - from < 0.5 * ticks;
  const int stride = std::max(1, static_cast<int>(std::ceil((to - from) / (1.5 * ticks))));
  for (int d = first; d <= last; ++d) {
    if (d % stride != 0) continue;
    for (double m : between ? std::vector<double>{1, 2, 5} : std::vector<double>{1}) {
      const double value = m * std::pow(10, d);
      if (value >= axis->lo * (1 - 1e-9) && value <= axis->hi * (1 + 1e-9))
        axis->ticks.push_back({value, FormatTick(value, 3)});
    }
  }
  if (axis->ticks.size() >= 2) return;
  axis->ticks.clear();
  AddLinearTicks(axis, ticks);
}

}  // namespace

void Range::Add(double value, bool log) {
  if (!std::isfinite(value) || (log && value <= 0)) return;
  value = std::clamp(value, -1e300, 1e300);  // so that differences are finite
  lo = std::min(lo, value);
  hi = std::max(hi, value);
}

double Axis::Unit(double value) const {
  if (!std::isfinite(value) || (log && value <= 0)) return std::numeric_limits<double>::quiet_NaN();
  return (Place(value, log) - Place(lo, log)) / (Place(hi, log) - Place(lo, log));
}

Axis MakeAxis(Range range, bool log, std::optional<double> lo, std::optional<double> hi, double pad, int ticks) {
  auto usable = [log](const std::optional<double>& v) { return v && std::isfinite(*v) && (!log || *v > 0); };
  if (usable(lo)) range.lo = *lo, range.hi = std::max(range.hi, *lo);
  if (usable(hi)) range.hi = *hi, range.lo = std::min(range.lo, *hi);
  if (!(range.lo <= range.hi)) range = log ? Range{0.1, 1} : Range{0, 1};
  Axis axis;
  axis.log = log;
  double from = Place(range.lo, log), to = Place(range.hi, log);
  if (to - from <= std::abs(to) * 1e-12 || to - from < 1e-300) {
    const double half = log ? 0.3 : std::abs(to) < 1e-290 ? 0.5 : std::abs(to) * 0.05;
    from -= half, to += half;
  } else {
    const double more = (to - from) * pad;
    if (!usable(lo)) from -= more;
    if (!usable(hi)) to += more;
  }
  axis.lo = log ? std::pow(10, from) : from;
  axis.hi = log ? std::pow(10, to) : to;
  if (log) {
    AddLogTicks(&axis, ticks);
  } else {
    AddLinearTicks(&axis, ticks);
  }
  return axis;
}

void MakeAxes(const Chart& chart, int x_ticks, int y_ticks, Axis* x, Axis* y) {
  Range xs, ys;
  for (const ChartSeries& s : chart.series) {
    for (const ChartPoint& p : s.points) {
      const bool drawn =
          std::isfinite(p.x) && std::isfinite(p.y) && (!chart.log_x || p.x > 0) && (!chart.log_y || p.y > 0);
      if (!drawn) continue;
      xs.Add(p.x, chart.log_x);
      ys.Add(p.y, chart.log_y);
    }
  }
  for (const ChartMark& m : chart.marks) xs.Add(m.x, chart.log_x);
  double pad = 0.04;
  if (chart.surface) {
    const ChartSurface& s = *chart.surface;
    // The rectangle fills the plot, and what leaves it is cut off.
    xs = {s.x_min, s.x_max}, ys = {s.y_min, s.y_max};
    pad = 0;
  }
  *x = MakeAxis(xs, chart.log_x, chart.x_min, chart.x_max, pad / 2, x_ticks);
  *y = MakeAxis(ys, chart.log_y, chart.y_min, chart.y_max, pad, y_ticks);
}

std::string FormatTick(double value, int digits) {
  std::string text = absl::StrFormat("%.*g", digits, value);
  const double size = std::abs(value);
  if (size >= 1e-4 && size < 1e6) {
    // %g turns to exponents as soon as there are fewer digits than places: not for numbers of everyday size.
    const int places = std::clamp(digits - 1 - static_cast<int>(std::floor(std::log10(size * 1.0000001))), 0, 17);
    text = absl::StrFormat("%.*f", places, value);
    if (text.find('.') != std::string::npos) {
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
    }
    return text;
  }
  const size_t e = text.find('e');
  if (e == std::string::npos) return text;
  size_t sign = e + 1, digit = e + 2;
  while (digit + 1 < text.size() && text[digit] == '0') text.erase(digit, 1);
  if (text[sign] == '+') text.erase(sign, 1);
  return text;
}

std::string Printable(const std::string& text) {
  if (IsPrintableUtf8(text)) return text;
  std::string out = text;
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

int TextLength(const std::string& text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Shortened(const std::string& text, int length) {
  int seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80 && seen++ == length) return text.substr(0, i);
  }
  return text;
}

}  // namespace athanor::chart_internal
