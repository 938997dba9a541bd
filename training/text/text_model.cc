#include "training/text/text_model.h"

#include <cmath>

#include "compiler/compile.h"

namespace athanor {
namespace {

std::string TextOf(const Attributes& metadata, absl::string_view key) {
  const AttrValue* value = metadata.Find(key);
  const std::string* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? "" : *text;
}

const Strings* SymbolsOf(const Attributes& metadata) {
  const AttrValue* value = metadata.Find("vocabulary");
  return value == nullptr ? nullptr : std::get_if<Strings>(value);
}

absl::Status CheckTask(const std::string& model, const Attributes& metadata, bool fits, const char* expected) {
  if (!fits) {
    const std::string task = TextOf(metadata, "task");
    return MakeError(ErrorClass::kReq, "model \"%s\" is no %s model: its task is \"%s\"", model, expected,
                     task.empty() ? "classification" : task);
  }
  if (SymbolsOf(metadata) == nullptr) {
    return MakeError(ErrorClass::kReq, "model \"%s\" has no vocabulary: it has not been trained on a text", model);
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorView> Checked(absl::StatusOr<TensorView> view, absl::string_view name, DType dtype, size_t rank) {
  if (!view.ok()) return view.status();
  if (view->dtype == dtype && view->shape.size() == rank && view->bytes > 0) return *view;
  return MakeError(ErrorClass::kReq, "\"%s\" is %s%s, expected %s of rank %d", name, DTypeName(view->dtype),
                   ShapeToString(view->shape), DTypeName(dtype), rank);
}

}  // namespace

absl::StatusOr<Plan> CompileTextModel(const Graph& model, int64_t batch, int threads) {
  const std::string task = TextOf(model.metadata, "task");
  ATH_RETURN_IF_ERROR(CheckTask(model.name, model.metadata, task == "language" || task == "sequence", "language"));
  const char* entry = model.FindEntry("step") != nullptr ? "step" : "infer";
  CompileOptions options;
  options.entries = {{entry, {{"N", batch}}}};
  options.threads = threads;
  options.freeze_parameters = true;
  return Compile(model, options);
}

absl::StatusOr<Vocabulary> VocabularyOf(const Plan& plan, absl::string_view task) {
  ATH_RETURN_IF_ERROR(CheckTask(plan.model_name, plan.metadata, TextOf(plan.metadata, "task") == task,
                                task == "language" ? "language" : "sequence-to-sequence"));
  absl::StatusOr<Vocabulary> vocabulary = Vocabulary::Create(*SymbolsOf(plan.metadata));
  if (!vocabulary.ok()) return AddContext(vocabulary.status(), "model \"" + plan.model_name + "\"");
  return vocabulary;
}

absl::StatusOr<TensorView> TextInput(const Session& session, int entry, absl::string_view name, DType dtype,
                                     size_t rank) {
  return Checked(session.Input(entry, name), name, dtype, rank);
}

absl::StatusOr<TensorView> TextOutput(const Session& session, int entry, absl::string_view name, size_t rank) {
  return Checked(session.Output(entry, name), name, DType::kF32, rank);
}

absl::StatusOr<int64_t> MostProbable(absl::Span<const float> values) {
  int64_t best = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return MakeError(ErrorClass::kData, "logit %d is not a number", i);
    if (values[i] > values[best]) best = static_cast<int64_t>(i);
  }
  return best;
}

}  // namespace athanor
