#include "cli/tables.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace athanor {
namespace {

bool IsNumber(const std::string& cell) { return !cell.empty() && cell[0] >= '0' && cell[0] <= '9'; }

// Columns and bytes differ for text outside ASCII; tables hold ASCII only.
std::string Pad(const std::string& cell, size_t width, bool right) {
  std::string space(width - std::min(width, cell.size()), ' ');
  return right ? space + cell : cell + space;
}

// The nodes that the entry's outputs depend on.
std::vector<char> NodesOf(const Graph& model, const GraphEntry& entry) {
  std::vector<int> producers = model.Producers();
  std::vector<char> needed(model.nodes.size(), 0);
  auto mark = [&](ValueId v) {
    if (v != kNoValue && producers[v] >= 0) needed[producers[v]] = 1;
  };
  for (const NamedValue& out : entry.outputs) mark(out.value);
  mark(entry.loss);
  for (const auto& [variable, value] : entry.updates) mark(value);
  for (int n = static_cast<int>(model.nodes.size()) - 1; n >= 0; --n) {
    if (needed[n]) std::for_each(model.nodes[n].inputs.begin(), model.nodes[n].inputs.end(), mark);
  }
  return needed;
}

int64_t Elements(const TensorType& type) {
  absl::StatusOr<int64_t> n = type.concrete() ? NumElements(type.shape()) : absl::StatusOr<int64_t>(int64_t{0});
  return n.ok() ? *n : 0;
}

}  // namespace

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  std::vector<char> numeric;
  for (size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()), 0);
    numeric.resize(widths.size(), 1);
    for (size_t c = 0; c < rows[r].size(); ++c) {
      widths[c] = std::max(widths[c], rows[r][c].size());
      if (r > 0 && !rows[r][c].empty() && !IsNumber(rows[r][c])) numeric[c] = 0;
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) absl::StrAppend(&line, c > 0 ? "  " : "", Pad(row[c], widths[c], numeric[c]));
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string WithCommas(int64_t n) {
  std::string s = std::to_string(n);
  for (int i = static_cast<int>(s.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3) s.insert(i, ",");
  return s;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double value = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.2f %s (%s bytes)", value, unit, WithCommas(bytes));
}

int64_t CountParameters(const Graph& model) {
  int64_t total = 0;
  for (const Value& v : model.values) {
    if (v.kind == ValueKind::kParameter) total += Elements(v.type);
  }
  return total;
}

std::string LayerTable(const Graph& model, const std::string& entry_name, const std::map<std::string, double>& flops) {
  const GraphEntry* entry = model.FindEntry(entry_name);
  if (entry == nullptr) return "";
  std::vector<char> needed = NodesOf(model, *entry);
  std::set<ValueId> counted;  // a shared parameter counts where it is first used
  std::vector<std::vector<std::string>> rows = {{"layer", "operator", "output", "parameters"}};
  if (!flops.empty()) rows[0].push_back("FLOP/sample");
  for (const NamedValue& in : entry->inputs) rows.push_back({in.name, "input", model.type(in.value).ToString(), "0"});
  int64_t total = 0;
  double total_flops = 0;
  for (size_t n = 0; n < model.nodes.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = model.nodes[n];
    int64_t parameters = 0;
    for (ValueId v : node.inputs) {
      if (v != kNoValue && model.value(v).kind == ValueKind::kParameter && counted.insert(v).second) {
        parameters += Elements(model.type(v));
      }
    }
    total += parameters;
    std::string output = node.outputs.empty() || node.outputs[0] == kNoValue ? "" : model.type(node.outputs[0]).ToString();
    rows.push_back({node.name, node.op, output, WithCommas(parameters)});
    if (auto it = flops.find(node.name); it != flops.end()) {
      rows.back().push_back(WithCommas(static_cast<int64_t>(it->second)));
      total_flops += it->second;
    }
  }
  rows.push_back({"total", "", "", WithCommas(total)});
  if (!flops.empty()) rows.back().push_back(WithCommas(static_cast<int64_t>(total_flops)));
  return FormatTable(rows);
}

std::string MemorySummary(const Plan& plan) {
  return absl::StrCat("peak memory ", FormatBytes(plan.peak_bytes()), ": weights and optimizer state ",
                      FormatBytes(plan.weight_bytes), ", activations, gradients and scratch ",
                      FormatBytes(plan.activation_bytes), "\n");
}

}  // namespace athanor
