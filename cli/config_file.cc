#include "cli/config_file.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 16;  // deep nesting costs the parser stack: so much is harmless

// "--batch" and the positional "model" by their names without dashes.
std::string KeyOf(const CLI::Option& option) {
  absl::string_view name = option.get_single_name();
  while (!name.empty() && name[0] == '-') name.remove_prefix(1);
  return std::string(name);
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
bool IsList(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

// "UINT" of "UINT:INT in [0 - 5]", which is what a type with a check is called.
std::string TypeName(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  return name.substr(0, name.find(':'));
}

// What an option takes, by the name that the parser gives to its type; options with a name of their own take all.
enum class ValueType { kFlag, kInt, kFloat, kText, kAny };
ValueType TypeOf(const CLI::Option& option) {
  if (IsFlag(option)) return ValueType::kFlag;
  const std::string type = TypeName(option);
  if (type == "INT" || type == "UINT") return ValueType::kInt;
  if (type == "FLOAT") return ValueType::kFloat;
  if (type == "TEXT") return ValueType::kText;
  return ValueType::kAny;
}

const char* NameOf(ValueType type) {
  switch (type) {
    case ValueType::kFlag: return "true or false";
    case ValueType::kInt: return "a whole number";
    case ValueType::kFloat: return "a number";
    case ValueType::kText: return "a text in quotes";
    case ValueType::kAny: return "a value";
  }
  return "";
}

// The shortest text that reads back as the same number.
std::string ShortestText(double value) {
  std::string text;
  for (int digits = 1; digits <= 17; ++digits) {
    text = absl::StrFormat("%.*g", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value) break;
  }
  return text;
}

std::string TextOf(const toml::node& node) {
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return absl::StrCat(v->get());
  if (const auto* v = node.as_floating_point()) return ShortestText(v->get());
  if (const auto* v = node.as_boolean()) return v->get() ? "true" : "false";
  return "";
}

bool Fits(const toml::node& node, ValueType type) {
  switch (type) {
    case ValueType::kFlag: return node.is_boolean();
    case ValueType::kInt: return node.is_integer();
    case ValueType::kFloat: return node.is_integer() || node.is_floating_point();
    case ValueType::kText: return node.is_string();
    case ValueType::kAny: return node.is_string() || node.is_integer() || node.is_floating_point();
  }
  return false;
}

class ConfigReader {
 public:
  ConfigReader(const std::string& path, CLI::App* sub) : path_(path) {
    for (CLI::Option* option : sub->get_options()) {
      const std::string key = KeyOf(*option);
      if (key == "help" || key == "h" || key == "config") continue;
      options_.emplace_back(key, option);
      names_.push_back(key);
    }
  }

  absl::Status Take(const std::string& key, const toml::node& node, int64_t line) {
    auto it = std::find_if(options_.begin(), options_.end(), [&](const auto& o) { return o.first == key; });
    if (it == options_.end()) {
      const std::string nearest = NearestName(key, names_);
      return Error(line, absl::StrCat("there is no key \"", key, "\"",
                                      nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
    }
    CLI::Option* option = it->second;
    std::vector<std::string> values;
    if (const toml::array* list = node.as_array(); list != nullptr && IsList(*option)) {
      for (const toml::node& item : *list) ATH_RETURN_IF_ERROR(Add(key, item, *option, line, &values));
    } else {
      ATH_RETURN_IF_ERROR(Add(key, node, *option, line, &values));
    }
    if (option->count() > 0 || values.empty()) return absl::OkStatus();  // the command line wins
    if (IsFlag(*option) && values[0] == "false") return absl::OkStatus();
    return Set(key, option, values, line);
  }

 private:
  absl::Status Error(int64_t line, const std::string& text) const {
    return MakeError(ErrorClass::kReq, "%s:%d: %s", path_, line, text);
  }

  absl::Status Add(const std::string& key, const toml::node& node, const CLI::Option& option, int64_t line,
                   std::vector<std::string>* values) const {
    const ValueType type = TypeOf(option);
    const bool unsigned_only = TypeName(option) == "UINT";
    const bool negative = unsigned_only && node.is_integer() && node.as_integer()->get() < 0;
    if (negative || !Fits(node, type)) {
      return Error(line, absl::StrCat("\"", key, "\" takes ", NameOf(type), negative ? " from 0" : ""));
    }
    values->push_back(TextOf(node));
    return absl::OkStatus();
  }

  absl::Status Set(const std::string& key, CLI::Option* option, const std::vector<std::string>& values,
                   int64_t line) const {
    try {
      option->clear();
      for (const std::string& value : values) option->add_result(value);
      option->run_callback();
    } catch (const CLI::Error&) {
      return Error(line, absl::StrCat("\"", key, "\" cannot be ", absl::StrJoin(values, ", ")));
    }
    return absl::OkStatus();
  }

  const std::string path_;
  std::vector<std::pair<std::string, CLI::Option*>> options_;
  std::vector<std::string> names_;
};

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppend(&out, absl::StrFormat("\\u%04X", static_cast<unsigned>(static_cast<unsigned char>(c))));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// The value as TOML. A float must not look like an integer only where TOML would mind: it does not.
std::string ValueText(const std::string& text, ValueType type) {
  double number = 0;
  const bool is_number = absl::SimpleAtod(text, &number);
  if ((type == ValueType::kInt || type == ValueType::kFloat) && is_number) {
    // TOML wants digits on both sides of a point, which C does not.
    return type == ValueType::kFloat ? ShortestText(number) : text;
  }
  return Quoted(text);
}

}  // namespace

std::string NearestName(absl::string_view name, const std::vector<std::string>& names) {
  std::string nearest;
  size_t fewest = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& other : names) {
    std::vector<size_t> row(other.size() + 1);  // edits from name's first i letters to other's first j
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = std::exchange(row[0], i);
      for (size_t j = 1; j <= other.size(); ++j) {
        const size_t change = diagonal + (name[i - 1] != other[j - 1]);
        diagonal = row[j];
        row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < fewest) fewest = row.back(), nearest = other;
  }
  return nearest;
}

absl::Status ReadConfigFile(const std::string& path, CLI::App* sub) {
  ATH_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxFileBytes));
  toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    return MakeError(ErrorClass::kFormat, "%s:%d: %s", path, static_cast<int64_t>(parsed.error().source().begin.line),
                     std::string(parsed.error().description()));
  }
  // In the order of the file, so that the first of several faults is told.
  std::vector<std::pair<std::string, const toml::node*>> items;
  for (auto&& [key, node] : parsed.table()) items.emplace_back(std::string(key.str()), &node);
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.second->source().begin.line < b.second->source().begin.line;
  });
  ConfigReader reader(path, sub);
  for (const auto& [key, node] : items) {
    ATH_RETURN_IF_ERROR(reader.Take(key, *node, static_cast<int64_t>(node->source().begin.line)));
  }
  return absl::OkStatus();
}

std::string EffectiveConfig(const CLI::App& sub, const std::vector<std::string>& leave_out) {
  std::string text;
  for (const CLI::Option* option : sub.get_options()) {
    const std::string key = KeyOf(*option);
    const bool skip = key == "help" || key == "h" || key == "config" ||
                      std::find(leave_out.begin(), leave_out.end(), key) != leave_out.end();
    if (skip) continue;
    const ValueType type = TypeOf(*option);
    if (type == ValueType::kFlag) {
      if (option->count() > 0 && option->as<bool>()) absl::StrAppend(&text, key, " = true\n");
      continue;
    }
    std::vector<std::string> values = option->results();
    if (values.empty()) {
      if (option->get_default_str().empty()) continue;
      values = {option->get_default_str()};
    }
    if (!IsList(*option)) {
      absl::StrAppend(&text, key, " = ", ValueText(values.back(), type), "\n");
      continue;
    }
    auto each = [&](std::string* out, const std::string& value) { absl::StrAppend(out, ValueText(value, type)); };
    absl::StrAppend(&text, key, " = [", absl::StrJoin(values, ", ", each), "]\n");
  }
  return text;
}

}  // namespace athanor
