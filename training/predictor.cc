#include "training/predictor.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "data/sample_source.h"
#include "training/metrics.h"

namespace athanor {

absl::StatusOr<Normalization> NormalizationOf(const Attributes& metadata) {
  auto floats = [&](const char* name) {
    const AttrValue* v = metadata.Find(name);
    const Floats* f = v == nullptr ? nullptr : std::get_if<Floats>(v);
    return f == nullptr ? std::vector<float>() : std::vector<float>(f->begin(), f->end());
  };
  Normalization n;
  if (const AttrValue* v = metadata.Find("input_scale")) {
    if (const double* scale = std::get_if<double>(v)) n.scale = static_cast<float>(*scale);
  }
  n.mean = floats("input_mean");
  n.std = floats("input_std");
  return n;
}

absl::StatusOr<std::unique_ptr<Predictor>> Predictor::Create(std::shared_ptr<const Plan> plan,
                                                             std::shared_ptr<Weights> weights) {
  auto predictor = std::make_unique<Predictor>();
  SessionOptions options;
  for (const Entry& e : plan->entries) {
    if (e.name == "infer" || absl::StartsWith(e.name, "infer@")) options.entries.push_back(e.name);
  }
  if (options.entries.empty()) {
    return MakeError(ErrorClass::kReq, "the plan of model \"%s\" has no entry \"infer\"", plan->model_name);
  }
  if (weights == nullptr) {
    ATH_ASSIGN_OR_RETURN(predictor->session_, Session::Create(plan, options));
  } else {
    ATH_ASSIGN_OR_RETURN(predictor->session_, Session::Create(plan, std::move(weights), options));
  }
  for (const Entry& e : plan->entries) {
    bool infer = std::find(options.entries.begin(), options.entries.end(), e.name) != options.entries.end();
    if (infer) ATH_RETURN_IF_ERROR(predictor->AddBatch(e));
  }
  std::sort(predictor->batches_.begin(), predictor->batches_.end(),
            [](const Batch& a, const Batch& b) { return a.rows > b.rows; });
  return predictor;
}

absl::Status Predictor::AddBatch(const Entry& entry) {
  Batch batch;
  if (entry.inputs.size() != 1) {
    return MakeError(ErrorClass::kReq, "entry \"%s\" takes %d inputs; one was expected", entry.name,
                     entry.inputs.size());
  }
  ATH_ASSIGN_OR_RETURN(batch.entry, session_->FindEntry(entry.name));
  ATH_ASSIGN_OR_RETURN(batch.x, session_->Input(batch.entry, entry.inputs[0].name));
  if (batch.x.shape.empty() || batch.x.shape[0] < 1) {
    return MakeError(ErrorClass::kReq, "input \"%s\" of entry \"%s\" has no batch dimension", entry.inputs[0].name,
                     entry.name);
  }
  batch.rows = batch.x.shape[0];
  sample_shape_.assign(batch.x.shape.begin() + 1, batch.x.shape.end());
  outputs_.clear();
  for (const NamedBuffer& out : entry.outputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session_->Output(batch.entry, out.name));
    if (view.shape.empty() || view.shape[0] != batch.rows) {
      return MakeError(ErrorClass::kReq, "output \"%s\" of entry \"%s\" has shape %s: its first dimension is not the batch %d",
                       out.name, entry.name, ShapeToString(view.shape), batch.rows);
    }
    batch.outputs.push_back(std::move(view));
    outputs_.push_back(out.name);
  }
  batches_.push_back(std::move(batch));
  return absl::OkStatus();
}

absl::Status Predictor::RunRows(const Batch& batch, const Tensor& x, int64_t row, int64_t count,
                                std::map<std::string, Tensor>* results) {
  int64_t row_bytes = batch.x.bytes / batch.rows;
  auto* input = static_cast<std::byte*>(batch.x.data);
  std::memcpy(input, static_cast<const std::byte*>(x.data()) + row * row_bytes, count * row_bytes);
  std::memset(input + count * row_bytes, 0, (batch.rows - count) * row_bytes);
  ATH_RETURN_IF_ERROR(session_->Run(batch.entry));
  for (size_t i = 0; i < outputs_.size(); ++i) {
    int64_t out_bytes = batch.outputs[i].bytes / batch.rows;
    std::memcpy(static_cast<std::byte*>((*results)[outputs_[i]].data()) + row * out_bytes, batch.outputs[i].data,
                count * out_bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, Tensor>> Predictor::Run(const Tensor& x) {
  const Batch& smallest = batches_.back();
  if (x.dtype() != smallest.x.dtype) {
    return MakeError(ErrorClass::kDtype, "the model takes %s, the input is %s", DTypeName(smallest.x.dtype),
                     DTypeName(x.dtype()));
  }
  if (x.shape().size() != sample_shape_.size() + 1 || x.shape()[0] < 1 ||
      !std::equal(sample_shape_.begin(), sample_shape_.end(), x.shape().begin() + 1)) {
    return MakeError(ErrorClass::kShape, "the model takes [rows,...] of samples %s, the input is %s",
                     ShapeToString(sample_shape_), ShapeToString(x.shape()));
  }
  const int64_t rows = x.shape()[0];
  std::map<std::string, Tensor> results;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    Shape shape = smallest.outputs[i].shape;
    shape[0] = rows;
    ATH_ASSIGN_OR_RETURN(results[outputs_[i]], Tensor::Create(smallest.outputs[i].dtype, shape));
  }
  for (int64_t row = 0; row < rows;) {
    auto fits = [&](const Batch& b) { return b.rows <= rows - row; };
    auto it = std::find_if(batches_.begin(), batches_.end(), fits);
    const Batch& batch = it == batches_.end() ? smallest : *it;
    int64_t count = std::min(batch.rows, rows - row);
    ATH_RETURN_IF_ERROR(RunRows(batch, x, row, count, &results));
    row += count;
  }
  return results;
}

absl::StatusOr<Tensor> PredictLogits(const SampleSource& source, Predictor* predictor) {
  const std::vector<FieldSpec>& fields = source.fields();
  const int64_t x_field = FindField(fields, "x");
  if (x_field < 0) return MakeError(ErrorClass::kReq, "the samples have no field \"x\"");
  if (fields[x_field].shape != predictor->sample_shape()) {
    return MakeError(ErrorClass::kShape, "the samples have the shape %s, the model takes %s",
                     ShapeToString(fields[x_field].shape), ShapeToString(predictor->sample_shape()));
  }
  std::vector<Tensor> sample(fields.size());
  std::vector<TensorView> views;
  for (size_t i = 0; i < fields.size(); ++i) {
    ATH_ASSIGN_OR_RETURN(sample[i], Tensor::Create(fields[i].dtype, fields[i].shape));
    views.push_back(sample[i].view());
  }
  Shape shape = fields[x_field].shape;
  shape.insert(shape.begin(), source.size());
  ATH_ASSIGN_OR_RETURN(Tensor x, Tensor::Create(fields[x_field].dtype, shape));
  const int64_t row_bytes = views[x_field].bytes;
  for (int64_t i = 0; i < source.size(); ++i) {
    views[x_field].data = static_cast<std::byte*>(x.data()) + i * row_bytes;
    ATH_RETURN_IF_ERROR(source.Read(i, /*epoch=*/0, views));
  }
  ATH_ASSIGN_OR_RETURN(auto results, predictor->Run(x));
  auto it = results.find("logits");
  if (it == results.end()) return MakeError(ErrorClass::kReq, "the model has no output \"logits\"");
  return std::move(it->second);
}

absl::StatusOr<TestSetResult> PredictTestSet(const Dataset& data, const Attributes& metadata, Predictor* predictor) {
  ATH_ASSIGN_OR_RETURN(Normalization normalization, NormalizationOf(metadata));
  if (data.sample_shape() != predictor->sample_shape()) {
    return MakeError(ErrorClass::kShape, "data set \"%s\" has samples of shape %s, the model takes %s", data.name,
                     ShapeToString(data.sample_shape()), ShapeToString(predictor->sample_shape()));
  }
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<SampleSource> source, MakeDatasetSource(data, normalization));
  ATH_ASSIGN_OR_RETURN(Tensor logits, PredictLogits(*source, predictor));
  if (logits.shape().size() != 2 || logits.shape()[1] < data.classes) {
    return MakeError(ErrorClass::kReq, "the model has no output \"logits\" for the %d classes of \"%s\"", data.classes,
                     data.name);
  }
  ClassificationMetrics metrics;
  metrics.Add(logits.as<float>(), logits.shape()[1], data.labels.as<int32_t>());
  return TestSetResult{metrics.loss(), metrics.accuracy(), std::move(logits)};
}

std::string Digest(const Tensor& t) {
  return absl::StrFormat("%016x", static_cast<uint64_t>(XXH3_64bits(t.data(), t.bytes())));
}

}  // namespace athanor
