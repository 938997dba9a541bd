// Confusion matrices as tables for people and as CSV.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "training/metrics.h"

namespace athanor {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string NameOf(const std::vector<std::string>& names, int64_t c) {
  return c < static_cast<int64_t>(names.size()) ? names[c] : absl::StrCat(c);
}

// Characters, not bytes: names may hold any UTF-8.
size_t Width(const std::string& cell) {
  return std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// The first column to the left, all others to the right.
std::string Aligned(const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - Width(row[c]), ' ');
      absl::StrAppend(&out, c > 0 ? "  " : "", c == 0 ? row[c] + space : space + row[c]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

std::string Csv(const Rows& rows) {
  std::string out;
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      const bool quoted = row[c].find_first_of(",\"\r\n") != std::string::npos;
      const std::string cell =
          quoted ? absl::StrCat("\"", absl::StrReplaceAll(row[c], {{"\"", "\"\""}}), "\"") : row[c];
      absl::StrAppend(&out, c > 0 ? "," : "", cell);
    }
    out += '\n';
  }
  return out;
}

Rows MatrixRows(const ConfusionMatrix& m, const std::vector<std::string>& names, const char* corner) {
  Rows rows = {{corner}};
  for (int64_t c = 0; c < m.classes(); ++c) rows[0].push_back(NameOf(names, c));
  for (int64_t t = 0; t < m.classes(); ++t) {
    rows.push_back({NameOf(names, t)});
    for (int64_t p = 0; p < m.classes(); ++p) rows.back().push_back(absl::StrCat(m.at(t, p)));
  }
  return rows;
}

std::vector<std::string> DisplayNames(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(DisplayName(name));
  return shown;
}

Rows ReportRows(const ConfusionMatrix& m, const std::vector<std::string>& names, const char* average, int digits) {
  Rows rows = {{"class", "precision", "recall", "f1", "support"}};
  auto add = [&](const std::string& name, const ConfusionMatrix::Scores& s, int64_t support) {
    rows.push_back({name, absl::StrFormat("%.*f", digits, s.precision), absl::StrFormat("%.*f", digits, s.recall),
                    absl::StrFormat("%.*f", digits, s.f1), absl::StrCat(support)});
  };
  for (int64_t c = 0; c < m.classes(); ++c) add(NameOf(names, c), m.of_class(c), m.support(c));
  add(absl::StrCat("macro", average), m.macro(), m.total());
  add(absl::StrCat("weighted", average), m.weighted(), m.total());
  add(absl::StrCat("micro", average), m.micro(), m.total());
  return rows;
}

}  // namespace

std::string DisplayName(absl::string_view name) {
  constexpr int64_t kMost = 40;
  std::string out;
  int64_t characters = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    const bool starts = (byte & 0xC0) != 0x80;  // a character, as UTF-8 has it
    if (starts && ++characters > kMost) return absl::StrCat(out, "...");
    if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out += name[i];
    }
  }
  return out;
}

std::string ConfusionMatrix::MatrixText(const std::vector<std::string>& names) const {
  return Aligned(MatrixRows(*this, DisplayNames(names), "truth \\ predicted"));
}

std::string ConfusionMatrix::ReportText(const std::vector<std::string>& names) const {
  return absl::StrCat(Aligned(ReportRows(*this, DisplayNames(names), " average", 4)), absl::StrFormat("accuracy %.4f\n", accuracy()));
}

std::string ConfusionMatrix::MatrixCsv(const std::vector<std::string>& names) const {
  return Csv(MatrixRows(*this, names, "truth"));
}

std::string ConfusionMatrix::ReportCsv(const std::vector<std::string>& names) const {
  return Csv(ReportRows(*this, names, "", 6));
}

}  // namespace athanor
