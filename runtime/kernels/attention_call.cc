// The checks that both attention kernels share.
#include "runtime/core/checked.h"
#include "runtime/kernels/attention.h"
#include "runtime/kernels/post_op_operands.h"

namespace athanor {
namespace {

struct Flags {
  bool causal = false, interleaved = false, mask = false, bias = false, extra = false;  // extra: stats, or dscores
  double scale = 1;
};

absl::StatusOr<Flags> ReadFlags(const CallSpec& spec, bool backward) {
  Flags f;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "causal", &f.causal));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "interleaved", &f.interleaved));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "mask", &f.mask));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "bias", &f.bias));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, backward ? "dscores" : "stats", &f.extra));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "scale", &f.scale));
  if (!(f.scale >= 0 && f.scale <= std::numeric_limits<float>::max())) {
    return CallError(spec, "scale = %g is not a number of at least 0", f.scale);
  }
  return f;
}

// Strides of mask or bias along the dimensions of the scores.
absl::Status ReadScoresOperand(const CallSpec& spec, absl::string_view what, const MemoryDesc& desc, DType dtype,
                               const Shape& scores, ScoresOperand* operand) {
  ATH_RETURN_IF_ERROR(CheckOperand(spec, what, desc, desc.dims, dtype));
  std::vector<int64_t> strides(scores.size(), 0);
  const std::vector<int64_t> own = RowMajorStrides(desc.dims);
  const size_t rank = desc.dims.size();
  bool fits = rank <= scores.size();
  for (size_t k = 1; fits && k <= rank; ++k) {
    if (desc.dims[rank - k] == 1) continue;
    fits = desc.dims[rank - k] == scores[scores.size() - k];
    strides[scores.size() - k] = own[rank - k];
  }
  if (!fits) {
    return CallError(spec, "%s is %s, which does not broadcast to %s", what, desc.ToString(), ShapeToString(scores));
  }
  operand->present = true;
  operand->key_stride = strides.back();
  operand->query_stride = strides[strides.size() - 2];
  operand->group_strides.assign(strides.begin(), strides.end() - 2);
  return absl::OkStatus();
}

Shape WithLast(Shape dims, int64_t last) {
  dims.back() = last;
  return dims;
}

}  // namespace

absl::StatusOr<AttentionCall> ReadAttentionCall(const CallSpec& spec, bool backward) {
  ATH_ASSIGN_OR_RETURN(Flags f, ReadFlags(spec, backward));
  ATH_RETURN_IF_ERROR(CheckOperands(spec, (backward ? 6 : 3) + f.mask + f.bias, (backward ? 3 : 1) + f.extra));
  const MemoryDesc* in = spec.inputs.data() + (backward ? 1 : 0);
  const MemoryDesc &q = in[0], &k = in[1], &v = in[2];
  const size_t rank = q.dims.size(), row = f.interleaved ? 3 : 2;  // rows are the row-th last dimension
  if (rank < row || rank > kMaxRank || k.dims.size() != rank || v.dims.size() != rank) {
    return CallError(spec, "q, k and v are %s, %s and %s: their ranks are not equal and from %d to %d", q.ToString(),
                     k.ToString(), v.ToString(), row, kMaxRank);
  }
  AttentionCall call;
  call.queries = q.dims[rank - row];
  call.keys = k.dims[rank - row];
  call.size = q.dims.back();
  call.value_size = v.dims.back();
  call.heads = f.interleaved ? q.dims[rank - 2] : 1;
  call.causal = f.causal;
  call.scale = static_cast<float>(f.scale);
  call.threads = std::max(spec.threads, 1);

  Shape key_dims = q.dims, scores(q.dims.begin(), q.dims.end() - static_cast<int64_t>(row));
  key_dims[rank - row] = call.keys;
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "q", q, q.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "k", k, key_dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "v", v, WithLast(key_dims, call.value_size)));
  ATH_ASSIGN_OR_RETURN(call.batch, NumElements(scores));
  if (f.interleaved) scores.push_back(call.heads);
  scores.push_back(call.queries);
  scores.push_back(2);
  const Shape y = WithLast(q.dims, call.value_size), stats = scores;
  scores.back() = call.keys;
  if (backward) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dy", spec.inputs[0], y));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", in[3], y));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "stats", in[4], stats));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dq", spec.outputs[0], q.dims));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dk", spec.outputs[1], k.dims));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dv", spec.outputs[2], v.dims));
    if (f.extra) ATH_RETURN_IF_ERROR(CheckOperand(spec, "dscores", spec.outputs[3], scores));
  } else {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", spec.outputs[0], y));
    if (f.extra) ATH_RETURN_IF_ERROR(CheckOperand(spec, "stats", spec.outputs[1], stats));
  }
  call.group_dims.assign(scores.begin(), scores.end() - 2);
  const MemoryDesc* extra = in + (backward ? 5 : 3);
  if (f.mask) ATH_RETURN_IF_ERROR(ReadScoresOperand(spec, "mask", *extra++, DType::kBool, scores, &call.mask));
  if (f.bias) ATH_RETURN_IF_ERROR(ReadScoresOperand(spec, "bias", *extra, DType::kF32, scores, &call.bias));
  call.query_block = std::min(kQueryBlock, (call.queries + 15) / 16 * 16);
  return call;
}

absl::StatusOr<int64_t> AttentionScratch(const CallSpec& spec, const AttentionCall& call, bool backward) {
  // Forward: queries transposed, scores; maxima, sums, factors. Backward: dy transposed and a second block besides.
  std::optional<int64_t> rows = CheckedAdd(call.size, backward ? call.value_size : 0);
  if (rows) rows = CheckedAdd(*rows, kKeyBlock * (backward ? 2 : 1) + 3);
  const std::optional<int64_t> floats = rows ? CheckedMul(*rows, call.query_block) : std::nullopt;
  if (!floats) return MakeError(ErrorClass::kLimit, "\"%s\": the size of its scratch memory overflows", spec.name);
  return *floats;
}

absl::StatusOr<KernelInfo> AttentionInfo(const CallSpec& spec, const AttentionCall& call, int64_t floats_per_thread,
                                         int products) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:blocked"));
  ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF32, {floats_per_thread, int64_t{call.threads}}));
  double pairs = static_cast<double>(call.queries) * static_cast<double>(call.keys);
  if (call.causal) {
    const double seen = static_cast<double>(std::min(call.queries, call.keys));
    pairs -= seen * (static_cast<double>(call.keys) - (seen + 1) / 2);
  }
  info.flops = pairs * static_cast<double>(call.groups()) * products * static_cast<double>(call.size + call.value_size);
  return info;
}

}  // namespace athanor
