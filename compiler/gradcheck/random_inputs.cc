#include "compiler/gradcheck/random_inputs.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/philox.h"

namespace athanor {
namespace {

constexpr double kMaxExact = 1 << 24;  // the whole numbers that every type of element holds, s8 and u8 apart

// The numbers of labels and indices that a node takes, where its other inputs tell: the classes (dimension 1) of an
// input with one dimension more, else the rows of a parameter.
std::optional<int64_t> Limit(const Graph& graph, const Node& node, ValueId input) {
  const int rank = graph.type(input).rank();
  std::optional<int64_t> rows;
  for (ValueId v : node.inputs) {
    if (v == kNoValue || v == input || !IsFloating(graph.type(v).dtype)) continue;
    const TensorType& type = graph.type(v);
    if (!IsVariable(graph.value(v).kind) && type.rank() == rank + 1 && type.rank() >= 2) return type.dims[1].size;
    if (IsVariable(graph.value(v).kind) && type.rank() >= 2 && !rows) rows = type.dims[0].size;
  }
  return rows;
}

// The smallest limit of the input's readers; 2 values where none tells.
std::pair<double, double> GuessIntegers(const Graph& graph, ValueId input) {
  std::optional<int64_t> limit;
  for (const Node& node : graph.nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), input) == node.inputs.end()) continue;
    const std::optional<int64_t> one = Limit(graph, node, input);
    if (one) limit = std::min(limit.value_or(*one), *one);
  }
  const double top = static_cast<double>(std::max<int64_t>(limit.value_or(2), 1)) - 1;
  return {0, graph.type(input).dtype == DType::kS8 ? std::min(top, 127.0)
             : graph.type(input).dtype == DType::kU8 ? std::min(top, 255.0)
                                                     : std::min(top, kMaxExact)};
}

absl::Status CheckRange(const NamedValue& input, const TensorType& type, std::pair<double, double> range) {
  const bool whole = !IsFloating(type.dtype);
  const double low = whole ? std::ceil(range.first) : range.first,
               high = whole ? std::floor(range.second) : range.second;
  if (std::isfinite(low) && std::isfinite(high) && low <= high && (!whole || std::max(-low, high) <= kMaxExact)) {
    return absl::OkStatus();
  }
  return MakeError(ErrorClass::kReq, "input \"%s\" %s: the range %g:%g holds no value for it", input.name,
                   type.ToString(), range.first, range.second);
}

bool Has(const GraphEntry& entry, const std::string& name) {
  return std::any_of(entry.inputs.begin(), entry.inputs.end(), [&](const NamedValue& v) { return v.name == name; });
}

}  // namespace

absl::StatusOr<InputRanges> ChooseRanges(const Graph& graph, const GraphEntry& own, const InputRanges& given) {
  const GraphEntry& entry = graph.entries[0];
  InputRanges ranges;
  for (const NamedValue& input : entry.inputs) {
    const TensorType& type = graph.type(input.value);
    auto it = given.find(input.name);
    if (it != given.end()) {
      ATH_RETURN_IF_ERROR(CheckRange(input, type, it->second));
      ranges[input.name] = it->second;
    } else if (!Has(own, input.name)) {
      ranges[input.name] = {1, 1};
    } else if (IsFloating(type.dtype)) {
      ranges[input.name] = {-1, 1};
    } else {
      ranges[input.name] = type.dtype == DType::kBool ? std::pair<double, double>{0, 1}
                                                      : GuessIntegers(graph, input.value);
    }
  }
  for (const auto& [name, range] : given) {
    if (ranges.contains(name)) continue;
    std::string names;
    for (const NamedValue& input : entry.inputs) names += (names.empty() ? "" : ", ") + input.name;
    return MakeError(ErrorClass::kReq, "entry \"%s\" has no input \"%s\" for the range %g:%g; it has: %s", entry.name,
                     name, range.first, range.second, names);
  }
  return ranges;
}

std::map<std::string, DoubleTensor> RandomInputs(const Graph& graph, const InputRanges& ranges, uint64_t seed) {
  std::map<std::string, DoubleTensor> inputs;
  uint64_t stream = 0;
  for (const NamedValue& input : graph.entries[0].inputs) {
    const TensorType& type = graph.type(input.value);
    const auto [low, high] = ranges.at(input.name);
    const Philox random(seed, stream++);
    DoubleTensor& data = inputs[input.name] = DoubleTensor(type.shape());
    for (int64_t i = 0; i < data.size(); ++i) {
      const double u = random.Uniform(i);
      if (IsFloating(type.dtype)) {
        data[i] = static_cast<float>(low + u * (high - low));
      } else {
        const double first = std::ceil(low), count = std::floor(high) - first + 1;
        data[i] = first + std::min(std::floor(u * count), count - 1);
      }
    }
  }
  return inputs;
}

}  // namespace athanor
