// The networks that ship with Athanor: builder code only, one file a family of networks (families.h).
#ifndef ATHANOR_MODELS_MODELS_H_
#define ATHANOR_MODELS_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/builder/builder.h"
#include "compiler/graph/graph.h"

namespace athanor {

// What a network may be asked for. Those behind `input` are of the networks that name them in ModelInfo::options; BuildModel
// refuses them for the others.
struct ModelOptions {
  int64_t classes = 0;                   // 0: as many as class_names, or the network's own number
  std::vector<std::string> class_names;  // one a class, or none
  Shape input;                           // of one sample, {3, 32, 32}; empty: the network's own
  // Multiplies the channels and hidden units, in (0, 16]: rounded to a multiple of 8 from 16 on, else to a whole number.
  double width = 1;
  double dropout = -1;        // ratio in [0, 1); negative: the network's own
  Ints hidden;                // units of the hidden layers; empty: the network's own
  std::string activation;     // of the hidden layers: "relu", "sigmoid", "tanh"; empty: the network's own
  bool batch_norm = false;    // behind each convolution or hidden layer
  bool auxiliary = false;     // more classifiers on the way, whose losses train with the main one
};

// A classifier takes x f32 [N, input...] and labels s32 [N], and has three entries over the same parameters, which are named
// as torch.nn would name the layers ("conv1.weight"):
//   train     (x, labels) -> loss f32 [], logits f32 [N,classes]
//   evaluate  (x, labels) -> loss, logits
//   infer     (x)         -> logits, probabilities f32 [N,classes]
struct ModelInfo {
  std::string name;
  std::string doc;    // one line
  std::string paper;  // authors, title, year
  Shape input;        // of one sample, if the options do not say
  int64_t classes = 10;
  int64_t parameters = 0;      // trained ones of the default form
  std::string counted_by;      // whose count that is: "torchvision", "the paper"; a test holds the network to it
  std::vector<std::string> options = {};  // fields of ModelOptions that it takes: "width", "dropout", ...
  // Given options that BuildModel has checked and filled in; the graph has the name `info.name`.
  absl::StatusOr<Graph> (*build)(const ModelInfo& info, const ModelOptions& options) = nullptr;
  bool any_rank = false;                   // the input may have another rank than the default
  std::string task = "classification";     // or "language", "sequence": the graph's metadata "task"
};
const std::vector<ModelInfo>& AllModels();

// Null when there is none.
const ModelInfo* FindModel(const std::string& name);

// REQ error that lists the names, or that says which option does not fit; the builder's SHAPE error, which names network,
// input and layer, where the input is too small for the network.
absl::StatusOr<Graph> BuildModel(const std::string& name, const ModelOptions& options = {});

}  // namespace athanor

#endif  // ATHANOR_MODELS_MODELS_H_
