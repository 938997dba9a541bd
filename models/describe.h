// The zoo in words and numbers: what `athanor models` and docs/models.md show.
#ifndef ATHANOR_MODELS_DESCRIBE_H_
#define ATHANOR_MODELS_DESCRIBE_H_

#include <string>

#include "models/models.h"

namespace athanor {

// "3,504,872".
std::string FormatCount(int64_t n);
// "82.0 MFLOP", with three digits.
std::string FormatFlops(double flops);

struct ModelNumbers {
  int64_t parameters = 0;
  double flops = 0;   // of one sample's inference (flops.h)
  std::string input;  // type of the first input of the infer entry: "f32[N,3,224,224]"
};
// Of a network that has been built.
ModelNumbers NumbersOf(const Graph& graph);

// A card for each network in its default form: the part of docs/models.md that is written by
// `athanor models --markdown`. Errors of BuildModel.
absl::StatusOr<std::string> ModelsMarkdown();

}  // namespace athanor

#endif  // ATHANOR_MODELS_DESCRIBE_H_
