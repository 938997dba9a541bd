#include "runtime/kernels/elementwise_operands.h"

#include <algorithm>
#include <optional>

#include "runtime/kernels/elementwise_loops.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

bool IsResultShaped(const CallSpec& spec, const MemoryDesc& d) { return d.dims == spec.outputs[0].dims; }

// One element, whatever the rank: it is read everywhere, in any layout.
bool IsOneElement(const MemoryDesc& d) {
  return std::all_of(d.dims.begin(), d.dims.end(), [](int64_t n) { return n == 1; });
}

absl::Status CheckOperand(const CallSpec& spec, const MemoryDesc& d) {
  if (FindLoadLoop(d.dtype) == nullptr) {
    return CallError(spec, "%s is of none of the types f32, s32, s64, u8 and bool", d.ToString());
  }
  if (d.dims.size() > kMaxRank) return CallError(spec, "%s has more than %d dimensions", d.ToString(), kMaxRank);
  absl::Status size = NumBytes(d.dtype, d.dims).status();
  return size.ok() ? size : CallError(spec, "%s: %s", d.ToString(), size.message());
}

// A dimension of a layout, as it is stored: `size` steps, each so many elements further along dimension `dim`.
struct StoredDim {
  size_t dim;
  int64_t size, step;
};

// The dimensions of a layout from the outermost on; nullopt for a tag that is no sequence of letters and blocks like
// "aBcd16b", or that has padding for these dims.
std::optional<std::vector<StoredDim>> StoredDims(const MemoryDesc& d) {
  const size_t rank = std::max<size_t>(d.dims.size(), 1);
  std::vector<StoredDim> stored;
  for (size_t at = 0; at < d.layout.size();) {
    int64_t block = 0;
    while (at < d.layout.size() && d.layout[at] >= '0' && d.layout[at] <= '9' && block < 1000) {
      block = block * 10 + (d.layout[at++] - '0');
    }
    if (at == d.layout.size()) return std::nullopt;
    const char c = d.layout[at++], letter = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const size_t dim = static_cast<size_t>(letter - 'a');
    if (letter < 'a' || dim >= rank || (block == 0) != (stored.size() < rank)) return std::nullopt;
    stored.push_back({dim, block, 1});
  }
  std::vector<int64_t> inside(rank, 1);  // product of the blocks of a dimension met so far, from the innermost on
  for (size_t i = stored.size(); i-- > 0;) {
    StoredDim& s = stored[i];
    s.step = inside[s.dim];
    if (s.size > 0) {
      inside[s.dim] *= s.size;
      continue;
    }
    const int64_t n = d.dims.empty() ? 1 : d.dims[s.dim];
    if (inside[s.dim] == 0 || n % inside[s.dim] != 0) return std::nullopt;
    s.size = n / inside[s.dim];
    inside[s.dim] = 0;  // another outer dimension of that letter: no layout
    if (s.size == 0) return std::nullopt;
  }
  if (stored.size() < rank) return std::nullopt;
  return stored;
}

bool IsPermutation(const MemoryDesc& d) {
  auto stored = d.any() ? std::nullopt : StoredDims(d);
  return stored && stored->size() == std::max<size_t>(d.dims.size(), 1);
}

// Whether the results may lie so.
bool MayLieAs(const CallSpec& spec, const ElementwiseProgram& program, const std::string& layout) {
  MemoryDesc result = spec.outputs[0];
  result.layout = layout;
  if (result.plain()) return true;
  auto is_f32 = [](const MemoryDesc& d) { return d.dtype == DType::kF32; };
  bool repeats = false, all_one = true;
  for (const MemoryDesc& d : spec.inputs) {
    if (IsResultShaped(spec, d)) {
      if (!is_f32(d)) return false;
    } else {
      repeats = true;
      all_one &= IsOneElement(d);
    }
  }
  if (!std::all_of(spec.outputs.begin(), spec.outputs.end(), is_f32)) return false;
  auto stored = LayoutBytes(result), plain = NumBytes(result.dtype, result.dims);
  if (!stored.ok() || *plain == 0) return false;
  if (*stored != *plain) return !repeats && program.MapsZerosToZeros();
  return !repeats || all_one || StoredDims(result).has_value();
}

// Strides of an operand along the dimensions of the result; 0 where it repeats.
std::vector<int64_t> ResultStrides(const MemoryDesc& d, size_t rank) {
  const std::vector<StoredDim> own = *StoredDims(d);
  std::vector<int64_t> strides(std::max<size_t>(rank, 1), 0);
  int64_t stride = 1;
  const size_t lead = strides.size() - std::max<size_t>(d.dims.size(), 1);
  for (size_t i = own.size(); i-- > 0;) {
    if (own[i].size != 1) strides[lead + own[i].dim] = stride;
    stride *= own[i].size;
  }
  return strides;
}

}  // namespace

absl::StatusOr<ElementwiseProgram> CheckElementwiseCall(const CallSpec& spec) {
  std::string text;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "program", &text));
  auto program = ElementwiseProgram::Parse(text);
  if (!program.ok()) return CallError(spec, "%s", program.status().message());
  ATH_RETURN_IF_ERROR(CheckOperands(spec, spec.inputs.size(), program->results.size()));
  absl::Status fits = program->Check(static_cast<int>(std::min<size_t>(spec.inputs.size(), 1000)));
  if (!fits.ok()) return CallError(spec, "%s", fits.message());
  const Shape& dims = spec.outputs[0].dims;
  for (const MemoryDesc& d : spec.outputs) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, d));
    if (d.dims != dims) {
      return CallError(spec, "the results %s and %s differ in shape", spec.outputs[0].ToString(), d.ToString());
    }
  }
  for (const MemoryDesc& d : spec.inputs) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, d));
    auto shape = BroadcastShapes(d.dims, dims);
    if (!shape.ok() || *shape != dims) {
      return CallError(spec, "%s does not broadcast to %s", d.ToString(), ShapeToString(dims));
    }
  }
  return program;
}

absl::StatusOr<CallSpec> SettleElementwise(const CallSpec& spec, const ElementwiseProgram& program) {
  std::string layout;
  auto take = [&](const std::vector<MemoryDesc>& operands) {
    for (const MemoryDesc& d : operands) {
      if (layout.empty() && IsResultShaped(spec, d)) layout = d.layout;
    }
  };
  take(spec.inputs);
  take(spec.outputs);
  if (layout.empty() || !MayLieAs(spec, program, layout)) {
    layout = MemoryDesc::PlainLayout(spec.outputs[0].dims.size());
  }
  CallSpec settled = spec;
  for (MemoryDesc& d : settled.outputs) d.layout = layout;
  for (MemoryDesc& d : settled.inputs) {
    if (IsResultShaped(spec, d)) {
      d.layout = layout;
    } else if (!IsPermutation(d)) {
      d.layout = MemoryDesc::PlainLayout(d.dims.size());
    }
  }
  return settled;
}

absl::StatusOr<int64_t> StoredElements(const CallSpec& spec) {
  const MemoryDesc& d = spec.outputs[0];
  ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(d));
  return bytes / static_cast<int64_t>(DTypeSize(d.dtype));
}

std::vector<Walk> OperandWalks(const CallSpec& spec, int64_t stored_elements) {
  std::vector<Walk> walks;
  for (const MemoryDesc& d : spec.inputs) {
    Walk& walk = walks.emplace_back();
    if (stored_elements == 0) continue;
    if (IsResultShaped(spec, d)) {
      walk = {{stored_elements, 1}};
      continue;
    }
    if (IsOneElement(d)) {
      walk = {{stored_elements, 0}};
      continue;
    }
    const std::vector<int64_t> strides = ResultStrides(d, spec.outputs[0].dims.size());
    const std::optional<std::vector<StoredDim>> result = StoredDims(spec.outputs[0]);
    for (const StoredDim& s : *result) {
      if (s.size == 1) continue;
      const WalkDim next{s.size, strides[s.dim] * s.step};
      if (!walk.empty() && walk.back().stride == next.stride * next.size) {
        walk.back() = {walk.back().size * next.size, next.stride};
      } else {
        walk.push_back(next);
      }
    }
  }
  return walks;
}

}  // namespace athanor
