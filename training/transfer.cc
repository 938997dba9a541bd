#include "training/transfer.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/graph/model_io.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/container/container.h"
#include "training/checkpoints.h"

namespace athanor {
namespace {

constexpr absl::string_view kAverage = "/ema";

NamedTensors WeightsOf(Checkpoint checkpoint) {
  std::map<std::string, std::shared_ptr<const Tensor>> averages;
  NamedTensors weights;
  for (auto& [name, tensor] : checkpoint.tensors) {
    auto shared = std::make_shared<const Tensor>(std::move(tensor));
    if (absl::EndsWith(name, kAverage)) {
      averages[name.substr(0, name.size() - kAverage.size())] = std::move(shared);
    } else if (name.find('/') == std::string::npos) {  // the others are slots of the optimizer
      weights.emplace_back(name, std::move(shared));
    }
  }
  for (auto& [name, tensor] : weights) {
    if (auto it = averages.find(name); it != averages.end()) tensor = it->second;
  }
  return weights;
}

std::string FirstNames(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  const std::vector<std::string> first(names.begin(), names.begin() + std::min(kShown, names.size()));
  return absl::StrCat(absl::StrJoin(first, ", "), names.size() > kShown ? ", ..." : "");
}

}  // namespace

absl::StatusOr<NamedTensors> ReadWeights(const std::string& given) {
  const std::string path = CheckpointPathOf(given);
  ATH_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(path));
  if (kind == FileKind::kCheckpoint) {
    ATH_ASSIGN_OR_RETURN(Checkpoint checkpoint, ReadCheckpoint(path));
    return WeightsOf(std::move(checkpoint));
  }
  if (kind != FileKind::kModel) {
    return MakeError(ErrorClass::kFormat, "%s is a %s; a model (.ath) or a checkpoint (.ckpt) was expected", path,
                     FileKindName(kind));
  }
  ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(path));
  NamedTensors weights;
  for (const Value& v : model.values) {
    if (IsVariable(v.kind) && v.data != nullptr) weights.emplace_back(v.name, v.data);
  }
  return weights;
}

absl::StatusOr<TransferReport> TransferWeights(const std::string& path, const NamedTensors& source, Graph* model) {
  std::map<std::string, std::shared_ptr<const Tensor>> given(source.begin(), source.end());
  std::set<std::string> known;
  TransferReport report;
  for (Value& v : model->values) {
    if (!IsVariable(v.kind)) continue;
    known.insert(v.name);
    auto it = given.find(v.name);
    if (it == given.end()) {
      report.missing.push_back(v.name);
    } else if (it->second->shape() != v.type.shape() || it->second->dtype() != v.type.dtype) {
      report.other_shape.push_back({v.name, it->second->shape(), v.type.shape()});
    } else {
      v.data = it->second;
      report.matched.push_back(v.name);
    }
  }
  for (const auto& [name, tensor] : source) {
    if (known.count(name) == 0) report.unused.push_back(name);
  }
  if (!report.matched.empty()) return report;
  return MakeError(ErrorClass::kReq, "%s has no tensor with the name and shape of one of model \"%s\": it has %s, the model %s",
                   path, model->name, report.unused.empty() ? "other shapes" : FirstNames(report.unused),
                   report.missing.empty() ? "those of other shapes" : FirstNames(report.missing));
}

std::string TransferText(const std::string& path, const TransferReport& report) {
  const size_t all = report.matched.size() + report.missing.size() + report.other_shape.size();
  std::string text = absl::StrCat("weights from ", path, ": ", report.matched.size(), " of ", all, " tensors\n");
  auto line = [&](absl::string_view what, absl::string_view name, absl::string_view detail) {
    absl::StrAppendFormat(&text, "  %-12s %s%s\n", what, name, detail);
  };
  for (const auto& o : report.other_shape) {
    const std::string shapes = absl::StrCat(ShapeToString(o.source), " there, ", ShapeToString(o.model), " here");
    line("other shape", o.name, absl::StrCat(": ", shapes, "; starts anew"));
  }
  for (const std::string& name : report.missing) line("missing", name, ": starts anew");
  for (const std::string& name : report.unused) line("not used", name, "");
  return text;
}

}  // namespace athanor
