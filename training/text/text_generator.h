// Text from a language model, character by character.
#ifndef ATHANOR_TRAINING_TEXT_TEXT_GENERATOR_H_
#define ATHANOR_TRAINING_TEXT_TEXT_GENERATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/vocabulary.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

struct GenerateOptions {
  std::string prompt = "";   // what the text goes on from; empty: a line feed, or the first character if there is none
  int64_t length = 500;      // characters to add
  double temperature = 0.8;  // divides the logits, at least 0; 0: always the most probable character
  int64_t top_k = 0;         // chooses among the k most probable; 0: among all
  uint64_t seed = 1;
};
// REQ error that names the option.
absl::Status CheckGenerateOptions(const GenerateOptions& options);

// The character that the uniform number in [0, 1) chooses by the softmax of logits / temperature over the top_k greatest
// (of equal ones the first). DATA error for logits that are not numbers.
absl::StatusOr<int64_t> SampleCharacter(absl::Span<const float> logits, double temperature, int64_t top_k,
                                        float uniform);

// Not thread-safe.
class TextGenerator {
 public:
  // A plan with the entry "step", or "infer" whose logits at a place depend on no later one: its window moves over the
  // text, and a text that is longer than it is seen by its end only. Rows of the batch but the first are not used. REQ
  // error for a plan that is not one of a language model (see text_model.h).
  static absl::StatusOr<std::unique_ptr<TextGenerator>> Create(std::shared_ptr<const Plan> plan);

  // Gives each new character to `sink` as soon as it is known, until that returns false. The text is the same for the
  // same options. REQ errors of the options, DATA error for a prompt with a character that the model does not know.
  absl::Status Generate(const GenerateOptions& options, const std::function<bool(absl::string_view)>& sink);

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  TextGenerator() = default;
  absl::Status BindStep();
  // The logits behind a text whose last character is new; `text` is not empty.
  absl::StatusOr<absl::Span<const float>> Logits(const std::vector<int32_t>& text);
  absl::StatusOr<absl::Span<const float>> Step(int32_t character);

  Vocabulary vocabulary_;
  std::unique_ptr<Session> session_;
  int entry_ = 0;
  bool steps_ = false;
  TensorView x_, logits_;
  std::vector<TensorView> states_in_, states_out_;  // of "step"
  size_t fed_ = 0;                                  // characters of the text that the states have seen
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TEXT_TEXT_GENERATOR_H_
