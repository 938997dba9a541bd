// oneDNN's matmul: c = a b + bias over the last two dimensions, the leading ones broadcast as NumPy does.
//   matmul  (a, b[, bias[N]]) -> c    attrs: transpose_a, transpose_b (the last two dimensions), bias; takes post-ops
// Everything is row-major; a transposed operand is a view of it with other strides. Leading dimensions are merged as
// far as they can be, into the rows of c if b has none, since oneDNN is fast for few dimensions only.
#include <utility>

#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

// An operand with as many dimensions as the result has; dimensions of 1 broadcast.
struct View {
  Shape dims, strides;
  void Erase(size_t d) {
    dims.erase(dims.begin() + d);
    strides.erase(strides.begin() + d);
  }
  // A matrix of one row or column is its own transpose in memory: it becomes row-major. oneDNN 3.2 takes the other
  // strides when it makes the primitive, and refuses them when it runs it.
  void StraightenVector() {
    const size_t row = dims.size() - 2, column = dims.size() - 1;
    if (dims[row] != 1 && dims[column] != 1) return;
    strides[column] = 1;
    strides[row] = dims[column];
  }
};

// Row-major, with dimensions of 1 in front.
View Padded(const Shape& dims, size_t rank) {
  View v{Shape(rank - dims.size(), 1), std::vector<int64_t>(rank - dims.size(), 1)};
  v.dims.insert(v.dims.end(), dims.begin(), dims.end());
  std::vector<int64_t> strides = RowMajorStrides(dims);
  v.strides.insert(v.strides.end(), strides.begin(), strides.end());
  return v;
}

struct Call {
  bool transpose_a = false, transpose_b = false, bias = false;
  size_t own = 2;            // inputs before the operands of post-ops
  std::vector<View> inputs;  // a as [..,M,K], b as [..,K,N], bias as [..,1,N], then the operands of post-ops
  View result;               // [..,M,N]
  int64_t k = 0;

  static absl::StatusOr<Call> Read(const CallSpec& spec);
  void Merge();

 private:
  absl::Status CheckShapes(const CallSpec& spec) const;
  size_t RowDim() const { return result.dims.size() - 2; }
  bool MayMerge(size_t d) const;
  void MergeInto(size_t d);
  void Erase(size_t d);
};

absl::StatusOr<Call> Call::Read(const CallSpec& spec) {
  Call c;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "transpose_a", &c.transpose_a));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "transpose_b", &c.transpose_b));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "bias", &c.bias));
  c.own = c.bias ? 3 : 2;
  ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, c.own, 1));
  const size_t rank = spec.outputs[0].dims.size();
  for (int i : {0, 1}) {
    const Shape& dims = spec.inputs[i].dims;
    ATH_RETURN_IF_ERROR(CheckOperand(spec, i == 0 ? "a" : "b", spec.inputs[i], dims));
    if (dims.size() < 2 || dims.size() > rank) {
      return CallError(spec, "%s has a rank not in [2, %d]", spec.inputs[i].ToString(), rank);
    }
    View v = Padded(dims, rank);
    if (i == 0 ? c.transpose_a : c.transpose_b) {
      std::swap(v.dims[rank - 2], v.dims[rank - 1]);
      std::swap(v.strides[rank - 2], v.strides[rank - 1]);
      v.StraightenVector();
    }
    c.inputs.push_back(std::move(v));
  }
  c.result = Padded(spec.outputs[0].dims, rank);
  c.k = c.inputs[0].dims[rank - 1];
  ATH_RETURN_IF_ERROR(c.CheckShapes(spec));
  for (size_t i = 2; i < spec.inputs.size(); ++i) c.inputs.push_back(Padded(spec.inputs[i].dims, rank));
  return c;
}

absl::Status Call::CheckShapes(const CallSpec& spec) const {
  const size_t rank = result.dims.size();
  const View &a = inputs[0], &b = inputs[1];
  auto batch = BroadcastShapes(absl::MakeSpan(a.dims).first(rank - 2), absl::MakeSpan(b.dims).first(rank - 2));
  if (!batch.ok() || k != b.dims[rank - 2]) {
    return CallError(spec, "%s and %s cannot be multiplied", ShapeToString(a.dims), ShapeToString(b.dims));
  }
  batch->push_back(a.dims[rank - 2]);
  batch->push_back(b.dims[rank - 1]);
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "c", spec.outputs[0], *batch));
  if (bias) ATH_RETURN_IF_ERROR(CheckOperand(spec, "bias", spec.inputs[2], {b.dims[rank - 1]}));
  CallSpec copy = spec;  // only the check counts here
  return SettlePostOpOperands(own, MemoryDesc::Plain(DType::kF32, result.dims), &copy);
}

void Call::Erase(size_t d) {
  for (View& v : inputs) v.Erase(d);
  result.Erase(d);
}

void Call::Merge() {
  for (size_t d = result.dims.size() - 2; d-- > 0;) {
    if (result.dims[d] == 1) Erase(d);
  }
  for (size_t d = result.dims.size() - 2; d-- > 1;) {
    if (MayMerge(d - 1)) MergeInto(d);
  }
  if (result.dims.size() > 2 && MayMerge(result.dims.size() - 3)) MergeInto(result.dims.size() - 2);
}

// Whether dimensions d and d + 1 can be one dimension of every operand. b has no rows.
bool Call::MayMerge(size_t d) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const View& v = inputs[i];
    const bool repeats = v.dims[d] != result.dims[d];
    if (i == 1 && d + 1 == RowDim()) {
      if (!repeats) return false;
    } else if (repeats) {
      if (v.dims[d + 1] != 1) return false;
    } else if (v.dims[d + 1] != result.dims[d + 1] || v.strides[d] != v.strides[d + 1] * v.dims[d + 1]) {
      return false;
    }
  }
  return true;
}

// Dimension d - 1 vanishes in d.
void Call::MergeInto(size_t d) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (i != 1 || d != RowDim()) inputs[i].dims[d] *= inputs[i].dims[d - 1];
  }
  result.dims[d] *= result.dims[d - 1];
  Erase(d - 1);
}

dnnl::memory::desc Desc(const View& v) { return {v.dims, dnnl::memory::data_type::f32, v.strides}; }

struct Prepared {
  dnnl::matmul::primitive_desc pd;
  std::vector<PrimitiveArg> args;
};

absl::StatusOr<Prepared> Prepare(const CallSpec& spec, const Call& call) {
  Prepared p;
  CallSpec merged = spec;
  for (size_t i = call.own; i < spec.inputs.size(); ++i) {
    merged.inputs[i] = MemoryDesc::Plain(DType::kF32, call.inputs[i].dims);
  }
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(merged, call.result.dims.size(), &p.args));
  const auto a = Desc(call.inputs[0]), b = Desc(call.inputs[1]), c = Desc(call.result);
  p.args.push_back({DNNL_ARG_SRC, PrimitiveArg::kInput, 0, a});
  p.args.push_back({DNNL_ARG_WEIGHTS, PrimitiveArg::kInput, 1, b});
  p.args.push_back({DNNL_ARG_DST, PrimitiveArg::kOutput, 0, c});
  if (call.bias) {
    const auto bias = Desc(call.inputs[2]);
    p.args.push_back({DNNL_ARG_BIAS, PrimitiveArg::kInput, 2, bias});
    p.pd = dnnl::matmul::primitive_desc(CpuEngine(), a, b, bias, c, attr);
  } else {
    p.pd = dnnl::matmul::primitive_desc(CpuEngine(), a, b, c, attr);
  }
  p.args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, p.pd.scratchpad_desc()});
  return p;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Call::Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, ""));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(call.result.dims));
  info.flops = 2.0 * static_cast<double>(elements) * static_cast<double>(call.k);
  call.Merge();
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(Prepared p, Prepare(spec, call));
    DescribePrimitive(p.pd, &info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Call::Read(spec));
  call.Merge();
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(Prepared p, Prepare(spec, call));
    kernel = std::make_unique<PrimitiveKernel>(dnnl::matmul(p.pd), std::move(p.args));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"matmul", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
