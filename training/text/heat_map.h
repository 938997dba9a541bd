// A matrix of shares drawn as a heat map: an SVG file, and text for the terminal.
#ifndef ATHANOR_TRAINING_TEXT_HEAT_MAP_H_
#define ATHANOR_TRAINING_TEXT_HEAT_MAP_H_

#include <string>
#include <vector>

namespace athanor {

struct HeatMap {
  std::string title = "";
  std::string row_title = "", column_title = "";     // of the two axes
  std::vector<std::string> rows = {}, columns = {};  // labels, short; UTF-8
  std::vector<float> values = {};          // rows.size() * columns.size(), row by row: from 0 (white) to 1 (dark)
};

// A whole SVG document; the values are in the cells' tool tips. Values outside of [0, 1] are drawn as the nearer end,
// NaN as 0. CHECKs the number of values.
std::string HeatMapSvg(const HeatMap& map);

// A line a row, a character a cell: " .:-=+*#%@" from 0 to 1.
std::string HeatMapText(const HeatMap& map);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TEXT_HEAT_MAP_H_
