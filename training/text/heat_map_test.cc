#include "training/text/heat_map.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

HeatMap Map() {
  return {.title = "a < b & c",
          .row_title = "output",
          .column_title = "source",
          .rows = {"2", "</s>"},
          .columns = {"x", " ", "\xC3\xA9"},
          .values = {0, 0.5f, 1, 2, -1, std::nanf("")}};
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(HeatMap, SvgHasACellForEachValueAndEscapesWhatItSays) {
  const std::string svg = HeatMapSvg(Map());
  EXPECT_EQ(svg.find("<svg xmlns=\"http://www.w3.org/2000/svg\""), 0u);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_EQ(Count(svg, "<rect x="), 6);
  EXPECT_EQ(Count(svg, "<text"), Count(svg, "</text>"));
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; c"));
  EXPECT_THAT(svg, HasSubstr(">&lt;/s&gt;</text>"));
  EXPECT_THAT(svg, HasSubstr("<title>2, \xE2\x90\xA3: 0.500</title>"));
  EXPECT_THAT(svg, HasSubstr("fill=\"#ffffff\" stroke=\"#ddd\"><title>2, x: 0.000"));
  EXPECT_THAT(svg, HasSubstr("fill=\"#08306b\" stroke=\"#ddd\"><title>&lt;/s&gt;, x: 1.000"));
  EXPECT_THAT(svg, HasSubstr("<title>&lt;/s&gt;, \xC3\xA9: 0.000"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(HeatMap, TextHasALineForEachRow) {
  EXPECT_EQ(HeatMapText(Map()),
            "     x\xE2\x90\xA3\xC3\xA9\n"
            "   2| +@|\n"
            "</s>|@  |\n");
}

TEST(HeatMap, NothingIsAMapToo) {
  EXPECT_EQ(HeatMapText({}), " \n");
  EXPECT_THAT(HeatMapSvg({}), HasSubstr("</svg>"));
}

TEST(HeatMapDeathTest, ValuesMustFillIt) {
  HeatMap map = Map();
  map.values.pop_back();
  EXPECT_DEATH(HeatMapSvg(map), "values.size");
}

}  // namespace
}  // namespace athanor
