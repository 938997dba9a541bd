#include "training/text/translator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "training/text/text_model.h"

namespace athanor {

absl::StatusOr<std::unique_ptr<Translator>> Translator::Create(std::shared_ptr<const Plan> plan) {
  std::unique_ptr<Translator> t(new Translator);
  ATH_ASSIGN_OR_RETURN(t->vocabulary_, VocabularyOf(*plan, "sequence"));
  for (const auto& [number, symbol] :
       {std::pair(&t->pad_, "<pad>"), std::pair(&t->start_, "<s>"), std::pair(&t->end_, "</s>")}) {
    *number = t->vocabulary_.Find(symbol);
    if (*number < 0) {
      return MakeError(ErrorClass::kReq, "the vocabulary of model \"%s\" has no symbol \"%s\"", plan->model_name,
                       symbol);
    }
  }
  const Entry* entry = plan->FindEntry("infer");
  if (entry == nullptr) {
    return MakeError(ErrorClass::kReq, "the plan of model \"%s\" has no entry \"infer\" of its own", plan->model_name);
  }
  ATH_ASSIGN_OR_RETURN(t->session_, Session::Create(plan, {.entries = {entry->name}}));
  ATH_ASSIGN_OR_RETURN(t->entry_, t->session_->FindEntry(entry->name));
  ATH_RETURN_IF_ERROR(t->Bind());
  return t;
}

absl::Status Translator::Bind() {
  ATH_ASSIGN_OR_RETURN(source_, TextInput(*session_, entry_, "source", DType::kS32, 2));
  ATH_ASSIGN_OR_RETURN(x_, TextInput(*session_, entry_, "x", DType::kS32, 2));
  ATH_ASSIGN_OR_RETURN(logits_, TextOutput(*session_, entry_, "logits", 3));
  const int64_t rows = x_.shape[0];
  if (source_.shape[0] != rows || logits_.shape != Shape{rows, target_length(), vocabulary_.size()}) {
    return MakeError(ErrorClass::kReq, "source %s, x %s and logits %s do not fit a vocabulary of %d",
                     ShapeToString(source_.shape), ShapeToString(x_.shape), ShapeToString(logits_.shape),
                     vocabulary_.size());
  }
  if (!session_->Output(entry_, "attention").ok()) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(attention_, TextOutput(*session_, entry_, "attention", 3));
  if (attention_.shape == Shape{rows, target_length(), source_length()}) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "\"attention\" is %s for source %s and x %s", ShapeToString(attention_.shape),
                   ShapeToString(source_.shape), ShapeToString(x_.shape));
}

absl::StatusOr<std::vector<Translation>> Translator::Translate(absl::Span<const std::string> sources) {
  std::vector<Translation> results;
  const size_t rows = x_.shape[0];
  for (size_t at = 0; at < sources.size(); at += rows) {
    ATH_RETURN_IF_ERROR(TranslateBatch(sources.subspan(at, rows), &results));
  }
  return results;
}

absl::Status Translator::TranslateBatch(absl::Span<const std::string> sources, std::vector<Translation>* results) {
  absl::Span<int32_t> in = source_.as<int32_t>(), x = x_.as<int32_t>();
  std::fill(in.begin(), in.end(), pad_);
  std::fill(x.begin(), x.end(), pad_);
  std::vector<Translation> batch(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    absl::StatusOr<std::vector<int32_t>> ids = vocabulary_.Encode(sources[i]);
    if (!ids.ok()) return AddContext(ids.status(), absl::StrCat("source \"", sources[i], "\""));
    if (ids->empty() || static_cast<int64_t>(ids->size()) > source_length()) {
      return MakeError(ErrorClass::kData, "source \"%s\" has %d characters, expected 1 to %d", sources[i], ids->size(),
                       source_length());
    }
    std::copy(ids->begin(), ids->end(), in.begin() + i * source_length());
    for (int32_t id : *ids) batch[i].source.push_back(vocabulary_.symbols()[id]);
    x[i * target_length()] = start_;
  }
  std::vector<bool> done(sources.size(), false);
  for (int64_t t = 0; t < target_length() && std::find(done.begin(), done.end(), false) != done.end(); ++t) {
    ATH_RETURN_IF_ERROR(session_->Run(entry_));
    for (size_t i = 0; i < sources.size(); ++i) {
      if (done[i]) continue;
      const int64_t at = i * target_length() + t;
      const auto logits = logits_.as<float>().subspan(at * vocabulary_.size(), vocabulary_.size());
      ATH_ASSIGN_OR_RETURN(int64_t next, MostProbable(logits));
      const std::string& symbol = vocabulary_.symbols()[next];
      batch[i].target.push_back(symbol);
      done[i] = next == end_;
      if (next != end_ && next != pad_ && next != start_) batch[i].text += symbol;
      if (t + 1 < target_length()) x[at + 1] = static_cast<int32_t>(next);
    }
  }
  // Each row of the last run's attention is that of the run that wrote the symbol: later symbols do not change it.
  for (size_t i = 0; i < sources.size(); ++i) Attend(static_cast<int64_t>(i), &batch[i]);
  results->insert(results->end(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
  return absl::OkStatus();
}

void Translator::Attend(int64_t row, Translation* translation) const {
  if (attention_.data == nullptr) return;
  for (size_t t = 0; t < translation->target.size(); ++t) {
    const auto all = attention_.as<float>().subspan((row * target_length() + t) * source_length(),
                                                    translation->source.size());
    translation->attention.insert(translation->attention.end(), all.begin(), all.end());
  }
}

}  // namespace athanor
