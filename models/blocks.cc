#include "models/blocks.h"

#include <algorithm>
#include <cmath>

namespace athanor {

int64_t Scaled(int64_t channels, double width) {
  if (width == 1) return channels;
  const double wanted = static_cast<double>(channels) * width;
  if (wanted < 16) return std::max<int64_t>(1, std::llround(wanted));
  return 8 * std::llround(wanted / 8);
}

Initializer KaimingFanOut() { return {"kaiming_normal", {{"fan", std::string("out")}}}; }

Var Activate(GraphBuilder& b, Var x, const std::string& activation, GraphBuilder::Location where) {
  if (activation == "relu") return b.Relu(x, "", where);
  if (activation == "sigmoid") return b.Sigmoid(x, "", where);
  if (activation == "tanh") return b.Tanh(x, "", where);
  b.Reject("Activation", b.LayerName("Activation", "", where),
           MakeError(ErrorClass::kReq, "activation = \"%s\" is none of relu, sigmoid, tanh", activation), where);
  return {};
}

Var MaybeDropout(GraphBuilder& b, Var x, double ratio) { return ratio > 0 ? b.Dropout(x, ratio) : x; }

double DropoutOr(const ModelOptions& options, double own) { return options.dropout >= 0 ? options.dropout : own; }

Var AddConv(GraphBuilder& b, Var x, const ConvBlock& c, GraphBuilder::Location where) {
  const int64_t pad = c.pad < 0 ? c.kernel / 2 : c.pad;
  Conv2dOptions o;
  o.out_channels = c.channels;
  o.kernel = {c.kernel, c.kernel};
  o.strides = {c.stride, c.stride};
  o.pads = {pad, pad, pad, pad};
  o.groups = c.groups;
  o.bias = c.norm.empty();
  o.name = c.conv;
  o.weight_init = c.init;
  if (!c.init.kind.empty()) o.bias_init = {"zeros", {}};
  Var h = b.Conv2d(x, o, where);
  if (!c.norm.empty()) h = b.BatchNorm(h, {.name = c.norm}, where);
  return c.activation.empty() ? h : b.Op(c.activation, {h}, {}, 1, "", where)[0];
}

Var PoolToVector(GraphBuilder& b, Var x) { return b.Flatten(b.GlobalAvgPool(x)); }

ClassifierInputs AddClassifierInputs(GraphBuilder& b, const ModelOptions& options) {
  std::vector<Dim> dims = {"N"};
  dims.insert(dims.end(), options.input.begin(), options.input.end());
  Var x = b.Input("x", DType::kF32, std::move(dims));
  return {x, b.Input("labels", DType::kS32, {"N"})};
}

absl::StatusOr<Graph> FinishClassifier(GraphBuilder& b, ClassifierInputs in, Var logits, const ModelOptions& options,
                                       Var auxiliary_loss) {
  Var loss = b.SoftmaxCrossEntropy(logits, in.labels);
  Var probabilities = b.Softmax(logits);
  Var train_loss = auxiliary_loss.id == kNoValue ? loss : b.Add(loss, auxiliary_loss);
  if (!options.class_names.empty()) b.Metadata("classes", options.class_names);
  b.Entry("train", {.training = true, .inputs = {in.x, in.labels}, .outputs = {{"logits", logits}}, .loss = train_loss});
  b.Entry("evaluate", {.inputs = {in.x, in.labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b.Entry("infer", {.inputs = {in.x}, .outputs = {{"logits", logits}, {"probabilities", probabilities}}});
  return b.Build();
}

}  // namespace athanor
