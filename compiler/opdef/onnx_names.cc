#include "compiler/opdef/onnx_names.h"

#include <algorithm>

namespace athanor {
namespace {

constexpr std::pair<absl::string_view, absl::string_view> kNames[] = {
    {"Abs", "Abs"}, {"Add", "Add"}, {"And", "And"}, {"ArgMax", "ArgMax"}, {"ArgMin", "ArgMin"},
    {"AvgPool", "AveragePool"}, {"BatchNorm", "BatchNormalization"}, {"CELU", "Celu"}, {"Cast", "Cast"},
    {"Ceil", "Ceil"}, {"Clip", "Clip"}, {"Concat", "Concat"}, {"Conv1d", "Conv"}, {"Conv2d", "Conv"},
    {"Conv3d", "Conv"}, {"ConvTranspose1d", "ConvTranspose"}, {"ConvTranspose2d", "ConvTranspose"},
    {"ConvTranspose3d", "ConvTranspose"}, {"Cos", "Cos"}, {"CumSum", "CumSum"}, {"Div", "Div"},
    {"Dropout", "Dropout"}, {"ELU", "Elu"}, {"Embedding", "Gather"}, {"Equal", "Equal"}, {"Erf", "Erf"},
    {"Exp", "Exp"}, {"Expand", "Expand"}, {"Flatten", "Flatten"}, {"Floor", "Floor"}, {"FullyConnected", "Gemm"},
    {"GELU", "Gelu"}, {"GRU", "GRU"}, {"Gather", "Gather"}, {"GatherElements", "GatherElements"},
    {"GlobalAvgPool", "GlobalAveragePool"}, {"GlobalMaxPool", "GlobalMaxPool"}, {"Greater", "Greater"},
    {"GreaterOrEqual", "GreaterOrEqual"}, {"GroupNorm", "GroupNormalization"}, {"HardSigmoid", "HardSigmoid"},
    {"HardSwish", "HardSwish"}, {"Identity", "Identity"}, {"InstanceNorm", "InstanceNormalization"},
    {"IsInf", "IsInf"}, {"IsNaN", "IsNaN"}, {"LSTM", "LSTM"}, {"LayerNorm", "LayerNormalization"},
    {"LeakyReLU", "LeakyRelu"}, {"Less", "Less"}, {"LessOrEqual", "LessOrEqual"}, {"LocalResponseNorm", "LRN"},
    {"Log", "Log"}, {"LogSoftmax", "LogSoftmax"}, {"LpPool", "LpPool"}, {"MatMul", "MatMul"}, {"Max", "Max"},
    {"MaxPool", "MaxPool"}, {"Min", "Min"}, {"Mish", "Mish"}, {"Mul", "Mul"},
    {"NLLLoss", "NegativeLogLikelihoodLoss"}, {"Neg", "Neg"}, {"Not", "Not"}, {"OneHot", "OneHot"}, {"Or", "Or"},
    {"PReLU", "PRelu"}, {"Pad", "Pad"}, {"Pow", "Pow"}, {"RMSNorm", "RMSNormalization"}, {"RNN", "RNN"},
    {"ReLU", "Relu"}, {"Reciprocal", "Reciprocal"}, {"ReduceL1", "ReduceL1"}, {"ReduceL2", "ReduceL2"},
    {"ReduceLogSumExp", "ReduceLogSumExp"}, {"ReduceMax", "ReduceMax"}, {"ReduceMean", "ReduceMean"},
    {"ReduceMin", "ReduceMin"}, {"ReduceProd", "ReduceProd"}, {"ReduceSum", "ReduceSum"},
    {"ReduceSumSquare", "ReduceSumSquare"}, {"Reshape", "Reshape"}, {"Resize", "Resize"},
    {"Round", "Round"}, {"SELU", "Selu"},
    {"ScaledDotProductAttention", "Attention"}, {"ScatterElementsAdd", "ScatterElements"}, {"Sigmoid", "Sigmoid"},
    {"Sign", "Sign"}, {"Sin", "Sin"}, {"Slice", "Slice"}, {"Softmax", "Softmax"},
    {"SoftmaxCrossEntropy", "SoftmaxCrossEntropyLoss"}, {"Softplus", "Softplus"}, {"Softsign", "Softsign"},
    {"Split", "Split"}, {"Sqrt", "Sqrt"}, {"Squeeze", "Squeeze"}, {"Sub", "Sub"}, {"Tanh", "Tanh"},
    {"ThresholdedReLU", "ThresholdedRelu"}, {"Tile", "Tile"}, {"TopK", "TopK"}, {"Transpose", "Transpose"},
    {"Unsqueeze", "Unsqueeze"}, {"Where", "Where"}, {"Xor", "Xor"},
};

}  // namespace

absl::Span<const std::pair<absl::string_view, absl::string_view>> OnnxNames() { return kNames; }

absl::string_view OnnxName(absl::string_view op) {
  const auto* found = std::lower_bound(std::begin(kNames), std::end(kNames), op,
                                       [](const auto& row, absl::string_view name) { return row.first < name; });
  return found != std::end(kNames) && found->first == op ? found->second : "";
}

}  // namespace athanor
