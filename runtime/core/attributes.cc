#include "runtime/core/attributes.h"

#include <charconv>
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace athanor {
namespace {

std::string FloatToString(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  char buffer[40];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof(buffer), v);  // shortest form that reads back the same
  std::string s(buffer, end);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

std::string Quote(const std::string& s) { return absl::StrCat("\"", absl::CHexEscape(s), "\""); }

struct Printer {
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(int64_t v) const { return absl::StrCat(v); }
  std::string operator()(double v) const { return FloatToString(v); }
  std::string operator()(const std::string& v) const { return Quote(v); }
  std::string operator()(const Ints& v) const {
    return v.empty() ? "ints[]" : absl::StrCat("[", absl::StrJoin(v, ","), "]");
  }
  std::string operator()(const Floats& v) const {
    if (v.empty()) return "floats[]";
    auto each = [](std::string* out, double x) { out->append(FloatToString(x)); };
    return absl::StrCat("[", absl::StrJoin(v, ",", each), "]");
  }
  std::string operator()(const Strings& v) const {
    if (v.empty()) return "strings[]";
    auto each = [](std::string* out, const std::string& x) { out->append(Quote(x)); };
    return absl::StrCat("[", absl::StrJoin(v, ",", each), "]");
  }
};

}  // namespace

absl::string_view AttrTypeName(AttrType t) {
  constexpr absl::string_view kNames[] = {"bool", "int", "float", "string", "ints", "floats", "strings"};
  return kNames[static_cast<int>(t)];
}

std::string AttrToString(const AttrValue& v) { return std::visit(Printer{}, v); }

const AttrValue* Attributes::Find(absl::string_view name) const {
  auto it = map_.find(std::string(name));
  return it == map_.end() ? nullptr : &it->second;
}

std::string Attributes::ToString() const {
  if (map_.empty()) return "";
  auto each = [](std::string* out, const auto& item) { absl::StrAppend(out, item.first, "=", AttrToString(item.second)); };
  return absl::StrCat("{", absl::StrJoin(map_, ", ", each), "}");
}

}  // namespace athanor
