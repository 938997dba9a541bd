#include "training/evaluation.h"

#include <algorithm>

#include "data/loader.h"

namespace athanor {

std::vector<int64_t> BatchRows(int64_t samples, int64_t batch) {
  std::vector<int64_t> rows;
  if (samples >= batch) rows.push_back(batch);
  if (samples % batch != 0) rows.push_back(samples % batch);
  return rows;
}

absl::StatusOr<std::map<std::string, int64_t>> MatchFields(const Graph& model, const std::string& entry_name,
                                                           absl::Span<const FieldSpec> fields,
                                                           const std::string& data_name) {
  const GraphEntry* entry = model.FindEntry(entry_name);
  if (entry == nullptr) {
    return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"%s\"", model.name, entry_name);
  }
  std::map<std::string, int64_t> symbols;
  for (const NamedValue& input : entry->inputs) {
    const int64_t i = FindField(fields, input.name);
    if (i < 0) continue;  // the runner says which inputs are missing
    const TensorType& type = model.type(input.value);
    const FieldSpec& field = fields[i];
    bool fits = type.rank() == static_cast<int>(field.shape.size()) + 1;
    for (size_t d = 0; fits && d < field.shape.size(); ++d) {
      const Dim& dim = type.dims[d + 1];
      if (dim.symbolic()) {
        fits = dim.symbol != "N" && symbols.emplace(dim.symbol, field.shape[d]).first->second == field.shape[d];
      } else {
        fits = dim.size == field.shape[d];
      }
    }
    if (!fits) {
      return MakeError(ErrorClass::kShape, "data set \"%s\" has samples of shape %s, model \"%s\" takes %s as \"%s\"",
                       data_name, ShapeToString(field.shape), model.name, type.ToString(), input.name);
    }
    if (type.dtype != field.dtype) {
      return MakeError(ErrorClass::kDtype, "data set \"%s\" has \"%s\" as %s, model \"%s\" takes %s", data_name, field.name,
                       DTypeName(field.dtype), model.name, type.ToString());
    }
  }
  return symbols;
}

std::vector<std::string> FieldNames(absl::Span<const FieldSpec> fields) {
  std::vector<std::string> names;
  for (const FieldSpec& field : fields) names.push_back(field.name);
  return names;
}

absl::Status AddBatch(const StepOutput& output, absl::Span<const FieldSpec> fields, absl::Span<const Tensor> batch,
                      int64_t rows, ClassificationMetrics* metrics) {
  const int64_t field = FindField(fields, "labels");
  if (output.logits.data == nullptr || field < 0) {
    metrics->AddLoss(output.loss, rows);
    return absl::OkStatus();
  }
  const Tensor& labels = batch[field];
  const int64_t classes = output.logits.shape.back();
  const absl::Span<const float> logits = output.logits.as<float>();
  const int64_t each = labels.num_elements() / labels.shape()[0];  // labels a row
  if (labels.dtype() == DType::kF32) {
    metrics->AddSoft(logits, classes, labels.as<float>().subspan(0, rows * each));
    return absl::OkStatus();
  }
  const absl::Span<const int32_t> used = labels.as<int32_t>().subspan(0, rows * each);
  for (int32_t label : used) {
    if (label >= classes) {
      return MakeError(ErrorClass::kIndex, "label %d is not below the model's %d classes", label, classes);
    }
  }
  if (static_cast<int64_t>(used.size()) * classes > static_cast<int64_t>(logits.size())) {
    return MakeError(ErrorClass::kShape, "%d labels for logits %s", used.size(), ShapeToString(output.logits.shape));
  }
  metrics->Add(logits, classes, used);
  return absl::OkStatus();
}

absl::StatusOr<ClassificationMetrics> EvaluateAll(std::shared_ptr<const SampleSource> source,
                                                  const EvaluationOptions& options, StepRunner* runner) {
  LoaderOptions loading;
  loading.batch_size = std::min(options.batch, std::max<int64_t>(1, source->size()));
  loading.shuffle = false;
  loading.threads = options.loader_threads;
  const std::vector<FieldSpec> fields = source->fields();
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, BatchLoader::Create(std::move(source), loading));
  ClassificationMetrics metrics(options.metrics);
  for (;;) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    if (batch == nullptr) return metrics;
    ATH_ASSIGN_OR_RETURN(StepOutput output, runner->Evaluate(batch->fields, batch->size));
    ATH_RETURN_IF_ERROR(AddBatch(output, fields, batch->fields, batch->size, &metrics));
  }
}

}  // namespace athanor
