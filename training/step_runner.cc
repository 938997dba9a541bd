#include "training/step_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/compile.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

constexpr const char* kScalars[] = {"lr", "step", "seed", "batch_share"};

void AddRequests(const EntryRequest& entry, const std::vector<int64_t>& rows, std::vector<EntryRequest>* requests) {
  std::vector<int64_t> done = {0};
  for (int64_t n : rows) {
    if (std::find(done.begin(), done.end(), n) != done.end()) continue;
    done.push_back(n);
    EntryRequest request = entry;
    request.symbols["N"] = n;
    requests->push_back(std::move(request));
  }
}

// "train", "train@N=8"; not "train.accumulate".
bool IsEntry(const Entry& entry, absl::string_view name) {
  return entry.name == name || absl::StartsWith(entry.name, absl::StrCat(name, "@"));
}

std::vector<EntryRequest> Requests(const Graph& model, const StepRunnerOptions& options) {
  std::vector<EntryRequest> requests;
  EntryRequest train{"train", options.symbols}, evaluate{"evaluate", options.symbols}, infer{"infer", options.symbols};
  AddRequests(train, options.train_rows, &requests);
  train.gradients = GradientUse::kAccumulate;
  if (options.compile.accumulate_gradients) AddRequests(train, options.train_rows, &requests);
  evaluate.use_ema = options.compile.ema_decay > 0;
  AddRequests(evaluate, options.evaluate_rows, &requests);
  if (options.infer && model.FindEntry("infer") != nullptr) AddRequests(infer, {1}, &requests);
  return requests;
}

// An entry must take the fields of the batch, and nothing besides but what a step sets itself.
absl::Status CheckInputs(const Entry& entry, const std::vector<std::string>& fields) {
  std::set<std::string> taken;
  for (const NamedBuffer& input : entry.inputs) {
    if (std::find(std::begin(kScalars), std::end(kScalars), input.name) != std::end(kScalars)) continue;
    if (std::find(fields.begin(), fields.end(), input.name) == fields.end()) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" takes the input \"%s\"; the data has: %s", entry.name, input.name,
                       absl::StrJoin(fields, ", "));
    }
    taken.insert(input.name);
  }
  for (const std::string& field : fields) {
    if (taken.count(field) == 0) {
      return MakeError(ErrorClass::kReq, "the data has the field \"%s\", which entry \"%s\" does not take; it takes: %s",
                       field, entry.name, absl::StrJoin(taken, ", "));
    }
  }
  return absl::OkStatus();
}

// The tensor's first rows into an input.
absl::Status CopyRows(const Tensor& from, const TensorView& to, const std::string& name) {
  if (from.dtype() != to.dtype) {
    return MakeError(ErrorClass::kDtype, "field \"%s\" is %s, the model takes %s", name, DTypeName(from.dtype()),
                     DTypeName(to.dtype));
  }
  const Shape &a = from.shape(), &b = to.shape;
  const bool fits = a.size() == b.size() && !a.empty() && a[0] >= b[0] && std::equal(a.begin() + 1, a.end(), b.begin() + 1);
  if (!fits) {
    return MakeError(ErrorClass::kShape, "field \"%s\" has shape %s, the model takes %s", name, ShapeToString(a),
                     ShapeToString(b));
  }
  std::memcpy(to.data, from.data(), to.bytes);
  return absl::OkStatus();
}

template <typename T>
void SetScalar(const TensorView& view, T value) {
  if (view.data != nullptr) *static_cast<T*>(view.data) = value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepRunner>> StepRunner::Create(const Graph& model, const StepRunnerOptions& options) {
  auto runner = std::make_unique<StepRunner>();
  runner->field_names_ = options.fields;
  CompileOptions compile = options.compile;
  compile.entries = Requests(model, options);
  ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model, compile));
  runner->plan_ = std::make_shared<const Plan>(std::move(plan));
  ATH_ASSIGN_OR_RETURN(runner->session_, Session::Create(runner->plan_));
  for (const Entry& entry : runner->plan_->entries) {
    if (IsEntry(entry, "infer")) continue;
    ATH_RETURN_IF_ERROR(CheckInputs(entry, options.fields));
    ATH_RETURN_IF_ERROR(runner->Bind(entry));
  }
  return runner;
}

absl::Status StepRunner::Bind(const Entry& entry) {
  Views v;
  ATH_ASSIGN_OR_RETURN(v.entry, session_->FindEntry(entry.name));
  v.rows = entry.symbols.at("N");
  for (const std::string& field : field_names_) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session_->Input(v.entry, field));
    v.fields.push_back(std::move(view));
  }
  for (auto [name, view] : {std::pair("lr", &v.lr), {"step", &v.step}, {"seed", &v.seed}, {"batch_share", &v.share}}) {
    absl::StatusOr<TensorView> found = session_->Input(v.entry, name);
    if (found.ok()) *view = *found;
  }
  ATH_ASSIGN_OR_RETURN(v.loss, session_->Output(v.entry, "loss"));
  for (auto [name, view] : {std::pair("logits", &v.logits), {"grad_norm", &v.grad_norm}}) {
    absl::StatusOr<TensorView> found = session_->Output(v.entry, name);
    if (found.ok()) *view = *found;
  }
  const bool accumulates = absl::StartsWith(entry.name, "train.accumulate");
  (accumulates ? accumulate_ : IsEntry(entry, "train") ? train_ : evaluate_).push_back(std::move(v));
  return absl::OkStatus();
}

absl::StatusOr<const StepRunner::Views*> StepRunner::Find(const std::vector<Views>& all, int64_t rows,
                                                          absl::string_view what) {
  for (const Views& v : all) {
    if (v.rows == rows) return &v;
  }
  auto each = [](std::string* out, const Views& v) { absl::StrAppend(out, v.rows); };
  return MakeError(ErrorClass::kReq, "no entry to %s %d rows; there are entries of: %s", what, rows,
                   absl::StrJoin(all, ", ", each));
}

absl::StatusOr<StepOutput> StepRunner::Train(absl::Span<const Tensor> fields, int64_t rows, const StepScalars& scalars) {
  ATH_ASSIGN_OR_RETURN(const Views* v, Find(scalars.last ? train_ : accumulate_, rows, "train"));
  SetScalar<float>(v->lr, static_cast<float>(scalars.lr));
  SetScalar<int64_t>(v->step, scalars.step);
  SetScalar<int64_t>(v->seed, static_cast<int64_t>(scalars.seed));
  SetScalar<float>(v->share, static_cast<float>(scalars.share));
  return Run(*v, fields);
}

absl::StatusOr<StepOutput> StepRunner::Evaluate(absl::Span<const Tensor> fields, int64_t rows) {
  ATH_ASSIGN_OR_RETURN(const Views* v, Find(evaluate_, rows, "evaluate"));
  return Run(*v, fields);
}

absl::StatusOr<StepOutput> StepRunner::Run(const Views& v, absl::Span<const Tensor> fields) {
  if (fields.size() != v.fields.size()) {
    return MakeError(ErrorClass::kReq, "a step takes the fields %s; given %d tensors", absl::StrJoin(field_names_, ", "),
                     fields.size());
  }
  for (size_t i = 0; i < fields.size(); ++i) ATH_RETURN_IF_ERROR(CopyRows(fields[i], v.fields[i], field_names_[i]));
  ATH_RETURN_IF_ERROR(session_->Run(v.entry));
  StepOutput out;
  out.loss = *static_cast<const float*>(v.loss.data);
  out.logits = v.logits;
  if (v.grad_norm.data != nullptr) out.grad_norm = *static_cast<const float*>(v.grad_norm.data);
  return out;
}

absl::StatusOr<Task> TaskOf(const Graph& model) {
  const AttrValue* value = model.metadata.Find("task");
  if (value == nullptr) {
    const GraphEntry* train = model.FindEntry("train");
    if (train == nullptr) return Task::kClassification;
    for (const NamedValue& output : train->outputs) {
      if (output.name == "logits") return Task::kClassification;
    }
    return Task::kRegression;
  }
  const std::string* task = std::get_if<std::string>(value);
  if (task != nullptr && *task == "classification") return Task::kClassification;
  if (task != nullptr && *task == "language") return Task::kLanguage;
  if (task != nullptr && *task == "sequence") return Task::kSequence;
  if (task != nullptr && *task == "regression") return Task::kRegression;
  return MakeError(ErrorClass::kGraph,
                   "model \"%s\" has the metadata task = %s; it is one of classification, language, sequence, regression",
                   model.name, AttrToString(*value));
}

absl::StatusOr<Graph> WithWeights(const Graph& model, const Weights& weights) {
  Graph result = model;
  for (Value& v : result.values) {
    if (!IsVariable(v.kind) || weights.plan().FindVariable(v.name) == nullptr) continue;
    ATH_ASSIGN_OR_RETURN(Tensor data, weights.Get(v.name));
    ATH_RETURN_IF_ERROR(data.Reshape(v.type.shape()));
    v.data = std::make_shared<const Tensor>(std::move(data));
  }
  return result;
}

std::string FirstNonFiniteVariable(const Weights& weights) {
  auto finite = [](float f) { return std::isfinite(f); };
  for (const Variable& v : weights.plan().variables) {
    if (v.desc.dtype != DType::kF32) continue;
    const float* data = reinterpret_cast<const float*>(weights.data() + v.offset);
    const absl::StatusOr<int64_t> bytes = LayoutBytes(v.desc);
    const int64_t n = bytes.ok() ? *bytes / static_cast<int64_t>(sizeof(float)) : 0;
    if (std::all_of(data, data + n, finite)) continue;
    // Unless it is the layout's padding.
    const absl::StatusOr<Tensor> value = weights.Get(v.name);
    if (value.ok() && !absl::c_all_of(value->as<float>(), finite)) return v.name;
  }
  return "";
}

}  // namespace athanor
