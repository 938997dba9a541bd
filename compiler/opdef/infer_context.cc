#include <algorithm>

#include "compiler/opdef/contexts.h"

namespace athanor {

int NumOwnInputs(const Node& node) {
  int own = static_cast<int>(node.inputs.size());
  for (const PostOp& post : node.post_ops) {
    if (post.operand >= 0) own = std::min(own, post.operand);
  }
  return own;
}

absl::Status InferContext::CheckRank(int i, absl::string_view what, int min, int max) const {
  int rank = Input(i).rank();
  if (rank >= min && rank <= max) return absl::OkStatus();
  std::string expected = min == max ? absl::StrFormat("%d", min) : absl::StrFormat("%d to %d", min, max);
  return Error(ErrorClass::kShape, "input \"%s\" is %s of rank %d, expected rank %s", what, Input(i).ToString(), rank,
               expected);
}

absl::Status InferContext::CheckFloating(int i, absl::string_view what) const {
  DType dtype = Input(i).dtype;
  if (dtype == DType::kF32 || dtype == DType::kF64) return absl::OkStatus();
  return Error(ErrorClass::kDtype, "input \"%s\" is %s, expected a floating-point type (f32)", what,
               Input(i).ToString());
}

absl::Status InferContext::CheckDtype(int i, absl::string_view what, DType dtype) const {
  if (Input(i).dtype == dtype) return absl::OkStatus();
  return Error(ErrorClass::kDtype, "input \"%s\" is %s, expected element type %s", what, Input(i).ToString(),
               DTypeName(dtype));
}

absl::StatusOr<int64_t> InferContext::Known(int i, int dim, absl::string_view what) const {
  const Dim& d = Input(i).dims[dim];
  if (d.symbolic()) {
    return Error(ErrorClass::kShape, "input \"%s\" is %s: dimension %d must be a number here", what,
                 Input(i).ToString(), dim);
  }
  if (d.size < 0) {
    return Error(ErrorClass::kShape, "input \"%s\" is %s: dimension %d is negative", what, Input(i).ToString(), dim);
  }
  return d.size;
}

absl::StatusOr<int> InferContext::Axis(int64_t axis, int rank) const {
  if (axis < -rank || axis >= rank) {
    return Error(ErrorClass::kAttr, "axis %d is not in [%d, %d], the axes of rank %d", axis, -rank, rank - 1, rank);
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

absl::StatusOr<std::vector<Dim>> InferContext::Broadcast(const TensorType& a, const TensorType& b) const {
  auto is_one = [](const Dim& d) { return !d.symbolic() && d.size == 1; };
  size_t rank = std::max(a.dims.size(), b.dims.size());
  std::vector<Dim> out(rank);
  for (size_t k = 1; k <= rank; ++k) {  // k-th from the right
    Dim da = k <= a.dims.size() ? a.dims[a.dims.size() - k] : Dim(1);
    Dim db = k <= b.dims.size() ? b.dims[b.dims.size() - k] : Dim(1);
    if (!(da == db) && !is_one(da) && !is_one(db)) {
      return Error(ErrorClass::kShape, "%s and %s do not broadcast: dimension %d from the right is %s against %s",
                   a.ToString(), b.ToString(), k, da.ToString(), db.ToString());
    }
    out[rank - k] = is_one(da) ? db : da;
  }
  return out;
}

}  // namespace athanor
