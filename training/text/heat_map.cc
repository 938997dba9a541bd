#include "training/text/heat_map.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/core/status.h"

namespace athanor {
namespace {

constexpr int kCell = 24, kMargin = 12, kTitle = 28, kLine = 18, kLetter = 8;  // pixels
constexpr char kShades[] = " .:-=+*#%@";
constexpr int kDark[] = {8, 48, 107};  // the colour of 1

std::string Escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

// What cannot be seen gets a sign.
std::string Shown(const std::string& label) {
  if (label == " ") return "\xE2\x90\xA3";   // open box
  if (label == "\n") return "\xE2\x8F\x8E";  // return
  return label;
}

// Characters, not bytes.
size_t Length(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

size_t LongestLabel(const std::vector<std::string>& labels) {
  size_t longest = 0;
  for (const std::string& label : labels) longest = std::max(longest, Length(Shown(label)));
  return longest;
}

float Share(float value) { return value > 0 ? std::min(value, 1.0f) : 0; }

float ValueAt(const HeatMap& map, size_t row, size_t column) {
  return Share(map.values[row * map.columns.size() + column]);
}

std::string Colour(float value) {
  std::string colour = "#";
  for (int dark : kDark) {
    absl::StrAppendFormat(&colour, "%02x", static_cast<int>(std::lround(255 - value * (255 - dark))));
  }
  return colour;
}

std::string Text(int x, int y, const char* anchor, const std::string& text, const char* more = "") {
  return absl::StrFormat("<text x=\"%d\" y=\"%d\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, more, Escaped(text));
}

}  // namespace

std::string HeatMapSvg(const HeatMap& map) {
  ATH_CHECK(map.values.size() == map.rows.size() * map.columns.size());
  const int left = kMargin + kLine + kLetter * static_cast<int>(LongestLabel(map.rows)) + 6,
            top = kMargin + kTitle + 2 * kLine;
  const int right = left + kCell * static_cast<int>(map.columns.size()),
            bottom = top + kCell * static_cast<int>(map.rows.size());
  // The title may be wider than the map.
  const int width = std::max(right, left + kLetter * static_cast<int>(Length(map.title))) + kMargin;
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
      "font-family=\"monospace\" font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      width, bottom + kMargin, width, bottom + kMargin);
  svg += Text(left, kMargin + 16, "start", map.title, " font-size=\"15\"");
  svg += Text((left + right) / 2, kMargin + kTitle + 10, "middle", map.column_title, " fill=\"#666\"");
  const int middle = (top + bottom) / 2;
  svg += Text(kMargin + 6, middle, "middle", map.row_title,
              absl::StrFormat(" fill=\"#666\" transform=\"rotate(-90 %d %d)\"", kMargin + 6, middle).c_str());
  for (size_t c = 0; c < map.columns.size(); ++c) {
    svg += Text(left + kCell * static_cast<int>(c) + kCell / 2, top - 6, "middle", Shown(map.columns[c]));
  }
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const int y = top + kCell * static_cast<int>(r);
    svg += Text(left - 6, y + kCell - 7, "end", Shown(map.rows[r]));
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const float value = ValueAt(map, r, c);
      absl::StrAppendFormat(&svg,
                            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\" stroke=\"#ddd\">"
                            "<title>%s, %s: %.3f</title></rect>\n",
                            left + kCell * static_cast<int>(c), y, kCell, kCell, Colour(value),
                            Escaped(Shown(map.rows[r])), Escaped(Shown(map.columns[c])), value);
    }
  }
  return svg + "</svg>\n";
}

std::string HeatMapText(const HeatMap& map) {
  ATH_CHECK(map.values.size() == map.rows.size() * map.columns.size());
  const size_t widest = LongestLabel(map.rows);
  std::string text(widest + 1, ' ');
  for (const std::string& column : map.columns) text += Length(Shown(column)) == 1 ? Shown(column) : "?";
  text += '\n';
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const std::string label = Shown(map.rows[r]);
    absl::StrAppend(&text, std::string(widest - Length(label), ' '), label, "|");
    for (size_t c = 0; c < map.columns.size(); ++c) {
      text += kShades[std::min<int>(static_cast<int>(ValueAt(map, r, c) * 10), 9)];
    }
    text += "|\n";
  }
  return text;
}

}  // namespace athanor
