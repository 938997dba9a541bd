// One text from another, by a model from sequence to sequence.
#ifndef ATHANOR_TRAINING_TEXT_TRANSLATOR_H_
#define ATHANOR_TRAINING_TEXT_TRANSLATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "data/vocabulary.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

struct Translation {
  std::string text;
  std::vector<std::string> source;  // the characters that were read
  std::vector<std::string> target;  // the symbols that were written, "</s>" too if it came
  std::vector<float> attention;     // of each symbol of the target to each of the source; empty if the model has none
};

// Not thread-safe.
class Translator {
 public:
  // A plan with an entry "infer": (source s32 [N,S], x s32 [N,T]) -> logits f32 [N,T,V][, attention f32 [N,T,S]], whose
  // logits at a place depend on no later one, and a vocabulary with "<pad>", "<s>" and "</s>". REQ error otherwise.
  static absl::StatusOr<std::unique_ptr<Translator>> Create(std::shared_ptr<const Plan> plan);

  // Greedily: at each place the most probable symbol, until "</s>" or T symbols. As many texts at a time as the plan's
  // batch. DATA error for a text that is empty or too long, or has a character that the model does not know.
  absl::StatusOr<std::vector<Translation>> Translate(absl::Span<const std::string> sources);

  int64_t source_length() const { return source_.shape[1]; }
  int64_t target_length() const { return x_.shape[1]; }

 private:
  Translator() = default;
  absl::Status Bind();
  absl::Status TranslateBatch(absl::Span<const std::string> sources, std::vector<Translation>* results);
  void Attend(int64_t row, Translation* translation) const;

  Vocabulary vocabulary_;
  int32_t pad_ = 0, start_ = 0, end_ = 0;
  std::unique_ptr<Session> session_;
  int entry_ = 0;
  TensorView source_, x_, logits_, attention_;  // attention_.data == nullptr: none
};

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TEXT_TRANSLATOR_H_
