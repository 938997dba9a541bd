#include "cli/diagnose_steps.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "data/loader.h"
#include "training/soft_labels.h"

namespace athanor {
namespace {

// What the symbolic dimensions of the training's inputs are with this data: the batch, a sequence's length.
absl::StatusOr<std::map<std::string, int64_t>> SymbolsOf(const Graph& model, const std::vector<FieldSpec>& fields,
                                                         int64_t batch) {
  const GraphEntry* entry = model.FindEntry("train");
  if (entry == nullptr) return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"train\"", model.name);
  if (batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", batch);
  std::map<std::string, int64_t> symbols;
  for (const NamedValue& input : entry->inputs) {
    const int64_t field = FindField(fields, input.name);
    if (field < 0) continue;
    Shape shape = fields[field].shape;
    shape.insert(shape.begin(), batch);
    const std::vector<Dim>& dims = model.type(input.value).dims;
    for (size_t d = 0; d < std::min(dims.size(), shape.size()); ++d) {
      if (dims[d].symbolic()) symbols[dims[d].symbol] = shape[d];
    }
  }
  return symbols;
}

// Batch after batch of the training samples, each field to the input of its name.
absl::Status FillFrom(BatchLoader& loader, const std::map<std::string, TensorView>& inputs) {
  ATH_ASSIGN_OR_RETURN(const Batch* batch, loader.Next());
  ATH_CHECK(batch != nullptr);  // there are epochs enough
  for (const auto& [name, view] : inputs) {
    const int64_t field = FindField(loader.fields(), name);
    if (field < 0) return MakeError(ErrorClass::kData, "the data has no field for the network's input \"%s\"", name);
    const Tensor& from = batch->fields[field];
    if (from.dtype() != view.dtype || from.shape() != view.shape) {
      return MakeError(ErrorClass::kShape, "the data's field \"%s\" is %s%s, the network's input %s%s", name,
                       DTypeName(from.dtype()), ShapeToString(from.shape()), DTypeName(view.dtype),
                       ShapeToString(view.shape));
    }
    std::memcpy(view.data, from.data(), view.bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DiagnoseSteps(Graph model, std::shared_ptr<const SampleSource> samples, int64_t batch,
                           DiagnosisConfig config) {
  ATH_ASSIGN_OR_RETURN(model, WithLabelsOf(samples->fields(), std::move(model)));
  ATH_ASSIGN_OR_RETURN(config.symbols, SymbolsOf(model, samples->fields(), batch));
  LoaderOptions loading;
  loading.batch_size = batch;
  loading.seed = config.seed;
  loading.drop_last = true;
  loading.end_epoch = std::max<int64_t>(config.steps, 1) + 1;  // an epoch has one batch at least
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, BatchLoader::Create(std::move(samples), loading));
  auto fill = [&](int64_t, const std::map<std::string, TensorView>& inputs) { return FillFrom(*loader, inputs); };
  auto on_cost = [](const DiagnosisCost& cost) {
    std::printf("%s\n\n", CostText(cost).c_str());
    std::fflush(stdout);
  };
  ATH_ASSIGN_OR_RETURN(DiagnosisResult result, RunDiagnosis(model, config, fill, on_cost));
  std::printf("%s", result.report.c_str());
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace athanor
