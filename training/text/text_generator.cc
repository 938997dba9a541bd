#include "training/text/text_generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/match.h"
#include "runtime/core/philox.h"
#include "training/text/text_model.h"

namespace athanor {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 32;

// "step" also stands for "step@N=1".
std::string EntryNamed(const Plan& plan, absl::string_view name) {
  for (const Entry& e : plan.entries) {
    if (e.name == name || absl::StartsWith(e.name, absl::StrCat(name, "@"))) return e.name;
  }
  return "";
}

}  // namespace

absl::Status CheckGenerateOptions(const GenerateOptions& o) {
  if (!(o.temperature >= 0) || std::isinf(o.temperature)) {
    return MakeError(ErrorClass::kReq, "temperature = %g is not a number of at least 0", o.temperature);
  }
  if (o.top_k < 0) return MakeError(ErrorClass::kReq, "top-k = %d is below 0", o.top_k);
  if (o.length < 1 || o.length > kMaxLength) {
    return MakeError(ErrorClass::kReq, "length = %d is not in [1, %d]", o.length, kMaxLength);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SampleCharacter(absl::Span<const float> logits, double temperature, int64_t top_k,
                                        float uniform) {
  ATH_ASSIGN_OR_RETURN(const int64_t best, MostProbable(logits));
  if (temperature == 0 || top_k == 1) return best;
  std::vector<int64_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return logits[a] > logits[b]; });
  if (top_k > 0 && top_k < static_cast<int64_t>(order.size())) order.resize(top_k);
  std::vector<double> sums;
  double sum = 0;
  for (int64_t i : order) {
    sum += std::exp((static_cast<double>(logits[i]) - logits[best]) / temperature);
    sums.push_back(sum);
  }
  if (!std::isfinite(sum)) return MakeError(ErrorClass::kData, "the logits are not finite");
  const auto it = std::upper_bound(sums.begin(), sums.end(), uniform * sum);
  return order[std::min<size_t>(it - sums.begin(), order.size() - 1)];
}

absl::StatusOr<std::unique_ptr<TextGenerator>> TextGenerator::Create(std::shared_ptr<const Plan> plan) {
  std::unique_ptr<TextGenerator> g(new TextGenerator);
  ATH_ASSIGN_OR_RETURN(g->vocabulary_, VocabularyOf(*plan, "language"));
  std::string entry = EntryNamed(*plan, "step");
  g->steps_ = !entry.empty();
  if (entry.empty()) entry = EntryNamed(*plan, "infer");
  if (entry.empty()) {
    return MakeError(ErrorClass::kReq, "the plan of model \"%s\" has no entry \"step\" or \"infer\"", plan->model_name);
  }
  ATH_ASSIGN_OR_RETURN(g->session_, Session::Create(plan, {.entries = {entry}}));
  ATH_ASSIGN_OR_RETURN(g->entry_, g->session_->FindEntry(entry));
  ATH_ASSIGN_OR_RETURN(g->x_, TextInput(*g->session_, g->entry_, "x", DType::kS32, 2));
  ATH_ASSIGN_OR_RETURN(g->logits_, TextOutput(*g->session_, g->entry_, "logits", 3));
  if (g->logits_.shape[2] != g->vocabulary_.size()) {
    return MakeError(ErrorClass::kReq, "model \"%s\" has logits of %d characters, but its vocabulary has %d",
                     plan->model_name, g->logits_.shape[2], g->vocabulary_.size());
  }
  if (g->steps_) ATH_RETURN_IF_ERROR(g->BindStep());
  return g;
}

absl::Status TextGenerator::BindStep() {
  for (const auto& [in, out] : {std::pair("h0", "h_n"), std::pair("c0", "c_n")}) {
    if (in[0] == 'c' && !session_->Input(entry_, in).ok()) break;
    ATH_ASSIGN_OR_RETURN(TensorView from, TextInput(*session_, entry_, in, DType::kF32, 3));
    ATH_ASSIGN_OR_RETURN(TensorView to, TextOutput(*session_, entry_, out, 3));
    if (from.shape != to.shape) {
      return MakeError(ErrorClass::kReq, "\"%s\" is %s, but \"%s\" is %s", in, ShapeToString(from.shape), out,
                       ShapeToString(to.shape));
    }
    states_in_.push_back(from);
    states_out_.push_back(to);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> TextGenerator::Step(int32_t character) {
  for (size_t i = 0; i < states_in_.size(); ++i) {
    if (fed_ == 0) {
      std::memset(states_in_[i].data, 0, states_in_[i].bytes);
    } else {
      std::memcpy(states_in_[i].data, states_out_[i].data, states_in_[i].bytes);
    }
  }
  std::memset(x_.data, 0, x_.bytes);
  x_.as<int32_t>()[0] = character;
  ATH_RETURN_IF_ERROR(session_->Run(entry_));
  ++fed_;
  return absl::Span<const float>(logits_.as<float>()).first(vocabulary_.size());
}

absl::StatusOr<absl::Span<const float>> TextGenerator::Logits(const std::vector<int32_t>& text) {
  if (steps_) {
    while (fed_ + 1 < text.size()) ATH_RETURN_IF_ERROR(Step(text[fed_]).status());
    return Step(text.back());
  }
  const size_t window = x_.shape[1], seen = std::min(window, text.size());
  std::memset(x_.data, 0, x_.bytes);
  std::copy(text.end() - seen, text.end(), x_.as<int32_t>().begin());
  ATH_RETURN_IF_ERROR(session_->Run(entry_));
  return absl::Span<const float>(logits_.as<float>()).subspan((seen - 1) * vocabulary_.size(), vocabulary_.size());
}

absl::Status TextGenerator::Generate(const GenerateOptions& options,
                                     const std::function<bool(absl::string_view)>& sink) {
  ATH_RETURN_IF_ERROR(CheckGenerateOptions(options));
  absl::StatusOr<std::vector<int32_t>> prompt = vocabulary_.Encode(options.prompt);
  if (!prompt.ok()) return AddContext(prompt.status(), "prompt");
  std::vector<int32_t> text = *std::move(prompt);
  if (text.empty()) text.push_back(std::max(vocabulary_.Find("\n"), 0));
  const Philox random(options.seed, 0);
  fed_ = 0;
  for (int64_t i = 0; i < options.length; ++i) {
    ATH_ASSIGN_OR_RETURN(absl::Span<const float> logits, Logits(text));
    ATH_ASSIGN_OR_RETURN(int64_t next, SampleCharacter(logits, options.temperature, options.top_k, random.Uniform(i)));
    text.push_back(static_cast<int32_t>(next));
    if (!sink(vocabulary_.symbols()[next])) break;
  }
  return absl::OkStatus();
}

}  // namespace athanor
