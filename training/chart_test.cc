#include "training/chart.h"

#include <cmath>
#include <limits>
#include <map>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "training/chart_axis.h"

namespace athanor {
namespace {

using chart_internal::Axis;
using chart_internal::FormatTick;
using chart_internal::MakeAxis;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

int Count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Every element that is opened is closed, in order; attributes are quoted; no stray '<' or '&'.
void ExpectWellFormed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = svg.find('<', at)) != std::string::npos; ++at) {
    const size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = svg.substr(at + 1, end - at - 1);
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    ASSERT_EQ(Count(tag, "\"") % 2, 0) << tag;
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
  for (size_t at = 0; (at = svg.find('&', at)) != std::string::npos; ++at) {
    const size_t end = svg.find(';', at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - at, 6u) << svg.substr(at, 12);
  }
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

std::vector<std::string> TickLabels(const Axis& axis) {
  std::vector<std::string> labels;
  for (const auto& t : axis.ticks) labels.push_back(t.label);
  return labels;
}

TEST(ChartAxis, TicksAreRoundNumbers) {
  EXPECT_THAT(TickLabels(MakeAxis({0, 10}, false, {}, {}, 0, 5)), ElementsAre("0", "2", "4", "6", "8", "10"));
  EXPECT_THAT(TickLabels(MakeAxis({-0.11, 0.11}, false, {}, {}, 0, 5)),
              ElementsAre("-0.1", "-0.05", "0", "0.05", "0.1"));
  EXPECT_THAT(TickLabels(MakeAxis({0, 60000}, false, {}, {}, 0, 4)), ElementsAre("0", "20000", "40000", "60000"));
  EXPECT_THAT(TickLabels(MakeAxis({1e-6, 1}, true, {}, {}, 0, 8)),
              ElementsAre("1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"));
  EXPECT_THAT(TickLabels(MakeAxis({1, 30}, true, {}, {}, 0, 5)), ElementsAre("1", "2", "5", "10", "20"));
}

TEST(ChartAxis, NumbersAreShort) {
  EXPECT_EQ(FormatTick(0, 3), "0");
  EXPECT_EQ(FormatTick(1e-5, 1), "1e-5");
  EXPECT_EQ(FormatTick(-2.5e9, 2), "-2.5e9");
  EXPECT_EQ(FormatTick(0.30000000000000004, 2), "0.3");
  EXPECT_EQ(FormatTick(99.95, 4), "99.95");
  EXPECT_EQ(FormatTick(1e100, 3), "1e100");
}

TEST(ChartAxis, OneValueOrNoneOrHugeOnesStillMakeAnAxis) {
  for (double v : {0.0, 1.0, -3.0, 1e-30, 1e30, -1e300, 5e-324}) {
    const Axis a = MakeAxis({v, v}, false, {}, {}, 0.04, 5);
    EXPECT_GE(a.Unit(v), 0) << v;
    EXPECT_LE(a.Unit(v), 1) << v;
    EXPECT_LE(a.ticks.size(), 101u);
  }
  EXPECT_NEAR(MakeAxis({7, 7}, false, {}, {}, 0.04, 5).Unit(7), 0.5, 1e-9);
  EXPECT_NEAR(MakeAxis({7, 7}, true, {}, {}, 0.04, 5).Unit(7), 0.5, 1e-9);
  EXPECT_EQ(MakeAxis({}, false, {}, {}, 0, 5).hi, 1);
  EXPECT_TRUE(std::isnan(MakeAxis({1, 10}, true, {}, {}, 0, 5).Unit(-1)));
}

Chart TwoCurves() {
  Chart c;
  c.title = "Loss";
  c.x_label = "step";
  c.y_label = "loss";
  c.series = {{"train", {{0, 4}, {1, 2}, {2, 1}}}, {"validation", {{0, 4}, {2, 2}}, SeriesStyle::kLineAndPoints}};
  return c;
}

TEST(ChartSvg, HasTitleLabelsLegendAndALineForEachSeries) {
  const std::string svg = ToSvg(TwoCurves());
  ExpectWellFormed(svg);
  EXPECT_THAT(svg, HasSubstr("width=\"720\""));
  EXPECT_THAT(svg, HasSubstr(">Loss</text>"));
  EXPECT_THAT(svg, HasSubstr(">step</text>"));
  EXPECT_THAT(svg, HasSubstr(">train</text>"));
  EXPECT_THAT(svg, HasSubstr(">validation</text>"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(svg, Not(HasSubstr("http://www.w3.org/1999")));  // nothing from elsewhere
  EXPECT_EQ(Count(svg, "<path d=\"M"), 4);                     // two in the legend
  EXPECT_EQ(Count(svg, "<circle"), 3);                         // one of them in the legend
  EXPECT_EQ(ToSvg(TwoCurves()), svg);
}

TEST(ChartSvg, TextIsEscaped) {
  Chart c = TwoCurves();
  c.title = "a < b & \"c\"\n\x01";
  c.series[0].name = "</svg><script>alert(1)</script>";
  c.x_label = "it's \xff";
  const std::string svg = ToSvg(c);
  ExpectWellFormed(svg);
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot;??"));
}

TEST(ChartSvg, WhatIsNotFiniteMakesAGap) {
  Chart c;
  c.series = {{"", {{0, 1}, {1, kNaN}, {2, 2}, {3, 3}, {4, kInf}, {kNaN, 4}, {6, 5}, {7, 6}}}};
  const std::string svg = ToSvg(c);
  ExpectWellFormed(svg);
  const size_t path = svg.find("<path d=\"");
  EXPECT_EQ(Count(svg.substr(path, svg.find("class", path) - path), "M"), 3);
}

TEST(ChartSvg, OnALogarithmicAxisWhatIsNotPositiveMakesAGap) {
  Chart c;
  c.log_y = true;
  c.series = {{"", {{0, 1}, {1, 0}, {2, 10}, {3, -5}, {4, 100}}}};
  const std::string svg = ToSvg(c);
  ExpectWellFormed(svg);
  const size_t path = svg.find("<path d=\"");
  EXPECT_EQ(Count(svg.substr(path, svg.find("class", path) - path), "M"), 3);
}

TEST(ChartSvg, EmptyChartsAndEqualValuesAreDrawn) {
  ExpectWellFormed(ToSvg(Chart()));
  Chart c;
  c.series = {{"none", {}}, {"one", {{3, 3}}}, {"equal", {{1, 3}, {2, 3}}}, {"nothing finite", {{kNaN, kNaN}}}};
  ExpectWellFormed(ToSvg(c));
  c.log_x = c.log_y = true;
  ExpectWellFormed(ToSvg(c));
}

TEST(ChartSvg, ALongSeriesIsThinnedButKeepsItsExtremes) {
  Chart c;
  c.series.resize(1);
  for (int i = 0; i < 200000; ++i)
    c.series[0].points.push_back({static_cast<double>(i), i == 123456 ? 100.0 : std::sin(i)});
  const std::string svg = ToSvg(c);
  EXPECT_LT(svg.size(), 100000u);
  Chart spike = c;
  spike.series[0].points = {{0, 0}, {123456, 100}, {199999, 0}};
  // The highest place of the plot is the same.
  const std::string top = ToSvg(spike).substr(ToSvg(spike).find("<path d=\"M"));
  const size_t at = top.find('L');
  EXPECT_THAT(svg, HasSubstr(top.substr(top.find(' ', at), top.find('L', at + 1) - top.find(' ', at))));
}

TEST(ChartSvg, ContoursOfABowlAreCirclesAroundItsCentre) {
  const ChartSurface bowl = SampleSurface(
      -1, 1, -1, 1, [](double x, double y) { return x * x + y * y; }, 41);
  const auto pieces = chart_internal::ContourLines(bowl);
  ASSERT_GT(pieces.size(), 100u);
  std::map<double, std::pair<double, double>> radii;  // level -> least and largest distance from the centre
  for (const auto& p : pieces) {
    auto [it, fresh] = radii.try_emplace(p.level, std::pair(9.0, 0.0));
    const double r = std::hypot(p.from.x, p.from.y);
    it->second = {std::min(it->second.first, r), std::max(it->second.second, r)};
  }
  EXPECT_EQ(radii.size(), 14u);
  for (const auto& [level, range] : radii) EXPECT_LT(range.second - range.first, 0.01) << level;
  Chart c;
  c.surface = bowl;
  c.series = {{"SGD", {{-0.9, 0.9}, {0.5, 0.1}, {5, 5}}, SeriesStyle::kPath}};
  const std::string svg = ToSvg(c);
  ExpectWellFormed(svg);
  EXPECT_EQ(Count(svg, "class=\"c\""), 14);
}

TEST(ChartSvg, ContoursOfASaddleCrossNoWhere) {
  const ChartSurface saddle = SampleSurface(
      -1, 1, -1, 1, [](double x, double y) { return x * x - y * y; }, 20);
  for (const auto& p : chart_internal::ContourLines(saddle)) {
    // Both ends of a piece lie on the same level of the function, to the accuracy of the grid.
    const double a = p.from.x * p.from.x - p.from.y * p.from.y, b = p.to.x * p.to.x - p.to.y * p.to.y;
    EXPECT_NEAR(a, b, 0.01);
  }
}

TEST(ChartSvg, BarsAndHistograms) {
  BarChart bars{"Accuracy", "percent", {"SGD & friends", "Adam", "none"}, {{"a", {90, 95.5, kNaN}}, {"b", {-10, 96}}}};
  const std::string svg = ToSvg(bars);
  ExpectWellFormed(svg);
  EXPECT_EQ(Count(svg, "<rect"), 1 + 2 + 4);  // background, legend, values
  EXPECT_THAT(svg, HasSubstr(">95.5</text>"));
  ExpectWellFormed(ToSvg(BarChart()));
  const Histogram h = MakeHistogram({0, 0.1, 0.9, 1, kNaN, kInf, 0.5}, 2);
  EXPECT_THAT(h.edges, ElementsAre(0, 0.5, 1));
  EXPECT_THAT(h.counts, ElementsAre(2, 3));
  ExpectWellFormed(ToSvg(h));
  ExpectWellFormed(ToSvg(MakeHistogram({}, 3)));
  EXPECT_THAT(MakeHistogram({7, 7, 7}, 3).counts, ElementsAre(0, 3, 0));
}

TEST(ChartAscii, ShowsTheCurvesBetweenTheirAxes) {
  Chart c = TwoCurves();
  c.series[1].style = SeriesStyle::kPoints;
  EXPECT_EQ(ToAscii(c, 40, 7),
            "                  Loss\n"
            "loss\n"
            "4 + +*\n"
            "  |   ****\n"
            "  |       *****\n"
            "  |            ****\n"
            "2 +                ********           +\n"
            "  |                        *********\n"
            "  |                                 ***\n"
            "  +-+----------------+----------------+-\n"
            "    0                1                2\n"
            "                  step\n"
            "  * train   + validation\n");
}

TEST(ChartAscii, FitsTheWidthWhateverTheTexts) {
  Chart c = TwoCurves();
  c.title = c.x_label = c.y_label = std::string(300, 't');
  c.series[0].name = std::string(300, 'n');
  c.series[0].points.push_back({3e9, -1234567.875});
  c.marks = {{1, std::string(300, 'm')}};
  for (int width : {40, 80, 200}) {
    for (const std::string& line : LinesOf(ToAscii(c, width, 10)))
      EXPECT_LE(line.size(), static_cast<size_t>(width)) << line;
  }
}

TEST(ChartAscii, SurvivesEverything) {
  Chart c;
  EXPECT_THAT(ToAscii(c), HasSubstr("+--"));
  c.log_x = c.log_y = true;
  c.series = {{"x\n\x1b[31m", {{0, 0}, {1e-300, 1e300}, {kNaN, 1}, {kInf, kInf}, {1, 1e-300}}}};
  const std::string text = ToAscii(c);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("* x??[31m"));
}

TEST(ChartAscii, Bars) {
  EXPECT_EQ(ToAscii(BarChart{"Accuracy", "percent", {"SGD", "Adam"}, {{"", {50, 100}}}}, 40),
            "Accuracy\n"
            "SGD  |########### 50\n"
            "Adam |###################### 100\n"
            "(percent)\n");
  EXPECT_THAT(ToAscii(MakeHistogram({0, 1, 1, 1}, 2), 60), HasSubstr("0.5 .. 1 |####"));
}

}  // namespace
}  // namespace athanor
