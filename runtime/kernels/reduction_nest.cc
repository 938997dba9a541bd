#include "runtime/kernels/reduction_nest.h"

#include "absl/strings/str_join.h"
#include "runtime/kernels/post_op_operands.h"

namespace athanor {

ReductionNest MakeNest(const Shape& x, const Ints& axes) {
  // Neighbours of one kind become one dimension; those of 1 have no say.
  struct Group {
    int64_t size;
    bool reduced;
  };
  std::vector<Group> groups;
  size_t next_axis = 0;
  for (size_t d = 0; d < x.size(); ++d) {
    const bool reduced = next_axis < axes.size() && axes[next_axis] == static_cast<int64_t>(d);
    if (reduced) ++next_axis;
    if (x[d] == 1) continue;
    if (!groups.empty() && groups.back().reduced == reduced) {
      groups.back().size *= x[d];
    } else {
      groups.push_back({x[d], reduced});
    }
  }
  ReductionNest nest;
  if (groups.empty()) return nest;
  nest.inner = groups.back().size;
  nest.inner_reduced = groups.back().reduced;
  int64_t stride = 1;
  for (const Group& g : groups) stride *= g.size;
  for (size_t i = 0; i + 1 < groups.size(); ++i) {
    stride /= groups[i].size;
    (groups[i].reduced ? nest.reduced : nest.kept).Append(groups[i].size, stride);
  }
  return nest;
}

absl::Status ReadReduction(const CallSpec& spec, const MemoryDesc& x, const MemoryDesc& y, ReductionNest* nest,
                           DType dtype) {
  Ints axes;
  bool keepdims = false;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axes", &axes));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "keepdims", &keepdims));
  const int64_t rank = static_cast<int64_t>(x.dims.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < (i == 0 ? 0 : axes[i - 1] + 1) || axes[i] >= rank) {
      return CallError(spec, "axes = [%s] are not ascending numbers in [0, %d)", absl::StrJoin(axes, ","), rank);
    }
  }
  Shape result;
  size_t next_axis = 0;
  for (int64_t d = 0; d < rank; ++d) {
    const bool reduced = next_axis < axes.size() && axes[next_axis] == d;
    if (reduced) ++next_axis;
    if (!reduced || keepdims) result.push_back(reduced ? 1 : x.dims[d]);
  }
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", x, x.dims, dtype));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", y, result, dtype));
  *nest = MakeNest(x.dims, axes);
  return absl::OkStatus();
}

}  // namespace athanor
