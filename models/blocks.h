// What the networks are made of.
#ifndef ATHANOR_MODELS_BLOCKS_H_
#define ATHANOR_MODELS_BLOCKS_H_

#include <string>

#include "models/models.h"

namespace athanor {

// channels * width, rounded as ModelOptions::width says; at least 1.
int64_t Scaled(int64_t channels, double width);

// How torchvision starts the convolutions of its ResNets, VGGs and MobileNets: normal, of variance 2 / (out * k * k).
Initializer KaimingFanOut();

// "relu" -> ReLU(x), and so on; an unknown name is a REQ error of the builder.
Var Activate(GraphBuilder& b, Var x, const std::string& activation,
             GraphBuilder::Location where = GraphBuilder::Location::current());

// Nothing for a ratio of 0.
Var MaybeDropout(GraphBuilder& b, Var x, double ratio);

// The ratio of the options, or the network's own.
double DropoutOr(const ModelOptions& options, double own);

struct ConvBlock {
  int64_t channels = 0;
  int64_t kernel = 3, stride = 1, groups = 1;
  int64_t pad = -1;               // negative: kernel / 2
  std::string conv = "", norm = "";  // names; without a norm the convolution has a bias
  std::string activation = "ReLU";  // an operator; empty: none
  Initializer init = KaimingFanOut();
};
// Convolution, batch normalisation if it has a name, activation.
Var AddConv(GraphBuilder& b, Var x, const ConvBlock& block,
            GraphBuilder::Location where = GraphBuilder::Location::current());

// Global average pooling to [N,C].
Var PoolToVector(GraphBuilder& b, Var x);

struct ClassifierInputs {
  Var x, labels;
};
ClassifierInputs AddClassifierInputs(GraphBuilder& b, const ModelOptions& options);

// Adds softmax, cross-entropy and the three entries of a classifier to a network that ends in `logits`. With
// `auxiliary_loss`, train gives the sum of both.
absl::StatusOr<Graph> FinishClassifier(GraphBuilder& b, ClassifierInputs in, Var logits, const ModelOptions& options,
                                       Var auxiliary_loss = {});

}  // namespace athanor

#endif  // ATHANOR_MODELS_BLOCKS_H_
