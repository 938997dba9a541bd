// Weights of one model for another one, as fine-tuning with a new head wants: by name and shape.
#ifndef ATHANOR_TRAINING_TRANSFER_H_
#define ATHANOR_TRAINING_TRANSFER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

using NamedTensors = std::vector<std::pair<std::string, std::shared_ptr<const Tensor>>>;

// The parameters and running statistics of a model (.ath), of a checkpoint (.ckpt), or of a run's folder (its best.ckpt or
// last.ckpt). Of a checkpoint with averaged parameters, the averages. FORMAT error for another kind of file; the readers'.
absl::StatusOr<NamedTensors> ReadWeights(const std::string& path);

struct TransferReport {
  std::vector<std::string> matched;
  std::vector<std::string> missing;  // of the model, not in the source: they start by their initialisers
  struct OtherShape {
    std::string name;
    Shape source, model;
  };
  std::vector<OtherShape> other_shape;  // they start by their initialisers too
  std::vector<std::string> unused;      // of the source, not in the model
};

// Gives the model's variables the source's tensors of the same name, type and shape. REQ error naming `path` and the first
// names of both sides if none matches.
absl::StatusOr<TransferReport> TransferWeights(const std::string& path, const NamedTensors& source, Graph* model);

// "weights from m.ath: 8 of 10 tensors", and a line for each difference.
std::string TransferText(const std::string& path, const TransferReport& report);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TRANSFER_H_
