#include <limits>
#include <variant>

#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::algorithm;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Operators that are one oneDNN eltwise algorithm; alpha and beta by attribute name ("" = the constant beside it).
// oneDNN's max and min give the other operand where one is NaN, and its exp of NaN is infinity: as post-ops ReLU,
// ReLU6, Clip and HardSigmoid stop a NaN, which as kernels of ours they pass on.
struct EltwiseRow {
  const char* op;
  algorithm alg;
  const char* alpha_attr = "";
  float alpha = 0;
  const char* beta_attr = "";
  float beta = 0;
  const char* approximate = "";  // not empty: where the attribute of this name has this value
};
constexpr EltwiseRow kEltwise[] = {
    {"ReLU", algorithm::eltwise_relu},
    {"Sigmoid", algorithm::eltwise_logistic},
    {"Tanh", algorithm::eltwise_tanh},
    {"ELU", algorithm::eltwise_elu, "alpha", 1},
    {"GELU", algorithm::eltwise_gelu_erf, "", 0, "", 0, "none"},
    {"GELU", algorithm::eltwise_gelu_tanh, "", 0, "", 0, "tanh"},
    {"SiLU", algorithm::eltwise_swish, "beta", 1},
    {"Mish", algorithm::eltwise_mish},
    {"Softplus", algorithm::eltwise_soft_relu, "beta", 1},
    {"HardSigmoid", algorithm::eltwise_hardsigmoid, "alpha", 0.2f, "beta", 0.5f},
    {"HardSwish", algorithm::eltwise_hardswish, "", 1.0f / 6, "", 0.5f},
    {"ReLU6", algorithm::eltwise_clip, "", 0, "", 6},
    {"LeakyReLU", algorithm::eltwise_relu, "alpha", 0.01f},
    {"Clip", algorithm::eltwise_clip, "min", -kInfinity, "max", kInfinity},
    {"Neg", algorithm::eltwise_linear, "", -1},
    {"Abs", algorithm::eltwise_abs},
    {"Round", algorithm::eltwise_round},
    {"Sqrt", algorithm::eltwise_sqrt},
    {"Square", algorithm::eltwise_square},
    {"Exp", algorithm::eltwise_exp},
    {"Log", algorithm::eltwise_log},
};

struct BinaryRow {
  const char* op;
  algorithm alg;
};
constexpr BinaryRow kBinary[] = {
    {"Add", algorithm::binary_add},
    {"Sub", algorithm::binary_sub},
    {"Mul", algorithm::binary_mul},
    {"Div", algorithm::binary_div},
};

// The attribute of this name where it is there; `name` may be "". A damaged plan may hold another type.
template <typename T>
absl::Status ReadIfThere(const std::string& op, const Attributes& attrs, const char* name, T* value) {
  const AttrValue* given = *name ? attrs.Find(name) : nullptr;
  if (given == nullptr) return absl::OkStatus();
  const T* typed = std::get_if<T>(given);
  if (typed == nullptr) {
    return MakeError(ErrorClass::kPlan, "post-op %s: attribute \"%s\" = %s is of the wrong type", op, name,
                     AttrToString(*given));
  }
  *value = *typed;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<algorithm> EltwiseAlgorithm(const std::string& op, const Attributes& attrs, float* alpha, float* beta) {
  std::string approximate = "none";
  for (const EltwiseRow& row : kEltwise) {
    if (op != row.op) continue;
    if (*row.approximate) ATH_RETURN_IF_ERROR(ReadIfThere(op, attrs, "approximate", &approximate));
    if (*row.approximate && approximate != row.approximate) continue;
    double alpha_value = row.alpha, beta_value = row.beta;
    ATH_RETURN_IF_ERROR(ReadIfThere(op, attrs, row.alpha_attr, &alpha_value));
    ATH_RETURN_IF_ERROR(ReadIfThere(op, attrs, row.beta_attr, &beta_value));
    *alpha = static_cast<float>(alpha_value);
    *beta = static_cast<float>(beta_value);
    return row.alg;
  }
  return MakeError(ErrorClass::kAttr, "oneDNN has no eltwise post-op for %s", op);
}

absl::StatusOr<algorithm> BinaryAlgorithm(const std::string& op) {
  for (const BinaryRow& row : kBinary) {
    if (op == row.op) return row.alg;
  }
  return MakeError(ErrorClass::kAttr, "oneDNN has no binary post-op for %s", op);
}

absl::StatusOr<dnnl::primitive_attr> MakeAttr(const CallSpec& spec, size_t out_rank, std::vector<PrimitiveArg>* args) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  for (size_t i = 0; i < spec.post_ops.size(); ++i) {
    const PostOp& p = spec.post_ops[i];
    if (p.operand < 0) {
      float alpha, beta;
      ATH_ASSIGN_OR_RETURN(algorithm alg, EltwiseAlgorithm(p.op, p.attrs, &alpha, &beta));
      ops.append_eltwise(alg, alpha, beta);
      continue;
    }
    ATH_ASSIGN_OR_RETURN(algorithm alg, BinaryAlgorithm(p.op));
    if (p.operand >= static_cast<int>(spec.inputs.size())) {
      return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\": post-op %d reads input %d of %d", spec.kernel, spec.name,
                       i, p.operand, spec.inputs.size());
    }
    dnnl::memory::desc operand = BroadcastDnnl(spec.inputs[p.operand], out_rank);
    ops.append_binary(alg, operand);
    if (args != nullptr) {
      int arg = DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(i)) | DNNL_ARG_SRC_1;
      args->push_back({arg, PrimitiveArg::kInput, p.operand, operand});
    }
  }
  attr.set_post_ops(ops);
  return attr;
}

}  // namespace athanor
