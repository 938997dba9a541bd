#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::algorithm;

// Operators that are one oneDNN eltwise algorithm; alpha and beta by attribute name ("" = the constant beside it).
struct EltwiseRow {
  const char* op;
  algorithm alg;
  const char* alpha_attr;
  float alpha;
  const char* beta_attr;
  float beta;
};
constexpr EltwiseRow kEltwise[] = {
    {"ReLU", algorithm::eltwise_relu, "", 0, "", 0},
    {"Sigmoid", algorithm::eltwise_logistic, "", 0, "", 0},
    {"Tanh", algorithm::eltwise_tanh, "", 0, "", 0},
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

}  // namespace

absl::StatusOr<algorithm> EltwiseAlgorithm(const std::string& op, const Attributes& attrs, float* alpha, float* beta) {
  for (const EltwiseRow& row : kEltwise) {
    if (op != row.op) continue;
    *alpha = static_cast<float>(*row.alpha_attr ? attrs.Float(row.alpha_attr, row.alpha) : row.alpha);
    *beta = static_cast<float>(*row.beta_attr ? attrs.Float(row.beta_attr, row.beta) : row.beta);
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
