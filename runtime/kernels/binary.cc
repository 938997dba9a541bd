// oneDNN's binary primitive with NumPy's broadcasting.
//   binary  (a, b) -> y    attrs: algorithm ("add", "sub", "mul", "div"); takes post-ops
// Operands of equal dims run in the layout of the first; others row-major. oneDNN is fast only if the first operand has
// the result's dims and the others repeat along few dimensions. So adjacent dimensions are merged where they can be,
// and if that does not help, operands that repeat are first written out: a into y, the others into scratch.
#include <algorithm>
#include <map>
#include <optional>

#include "runtime/core/checked.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/strided_copy.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using PrimitiveDesc = dnnl::binary::primitive_desc;

absl::StatusOr<dnnl::algorithm> FindAlgorithm(const CallSpec& spec) {
  static const auto* table = new std::map<std::string, dnnl::algorithm>{{"add", dnnl::algorithm::binary_add},
                                                                        {"sub", dnnl::algorithm::binary_sub},
                                                                        {"mul", dnnl::algorithm::binary_mul},
                                                                        {"div", dnnl::algorithm::binary_div}};
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &name));
  auto it = table->find(name);
  if (it == table->end()) return CallError(spec, "unknown algorithm \"%s\"", name);
  return it->second;
}

absl::Status CheckShapes(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, 2, 1));
  for (int i : {0, 1}) ATH_RETURN_IF_ERROR(CheckOperand(spec, "an operand", spec.inputs[i], spec.inputs[i].dims));
  auto shape = BroadcastShapes(spec.inputs[0].dims, spec.inputs[1].dims);
  if (!shape.ok()) {
    return CallError(spec, "%s and %s do not broadcast", spec.inputs[0].ToString(), spec.inputs[1].ToString());
  }
  return CheckOperand(spec, "y", spec.outputs[0], *shape);
}

// `spec` with all layouts decided.
absl::StatusOr<CallSpec> Settle(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckShapes(spec));
  CallSpec settled = spec;
  MemoryDesc &a = settled.inputs[0], &b = settled.inputs[1], &y = settled.outputs[0];
  if (a.dims == b.dims) {
    if (a.any()) a.layout = b.any() ? y.layout : b.layout;
    if (a.any()) a.layout = MemoryDesc::PlainLayout(a.dims.size());
    b = y = a;
  } else {
    for (MemoryDesc* d : {&a, &b, &y}) *d = MemoryDesc::Plain(d->dtype, d->dims);
  }
  ATH_RETURN_IF_ERROR(SettlePostOpOperands(2, y, &settled));
  return settled;
}

// Row-major operands under the fewest dimensions: those of 1 in the result dropped, neighbours merged.
struct Shapes {
  std::vector<Shape> inputs;
  Shape result;

  explicit Shapes(const CallSpec& spec) : result(spec.outputs[0].dims) {
    for (const MemoryDesc& d : spec.inputs) {
      inputs.emplace_back(result.size() - d.dims.size(), 1);
      inputs.back().insert(inputs.back().end(), d.dims.begin(), d.dims.end());
    }
    for (size_t d = result.size(); d-- > 0;) {
      if (result[d] == 1) Erase(d);
    }
    for (size_t d = result.size(); d-- > 1;) {
      if (MayMerge(d)) Merge(d);
    }
    if (!result.empty()) return;
    result = {1};
    inputs.assign(inputs.size(), {1});
  }

 private:
  void Erase(size_t d) {
    result.erase(result.begin() + d);
    for (Shape& s : inputs) s.erase(s.begin() + d);
  }
  // Whether every operand has both dimensions d - 1 and d, or repeats along both.
  bool MayMerge(size_t d) const {
    return std::all_of(inputs.begin(), inputs.end(), [d](const Shape& s) { return (s[d] == 1) == (s[d - 1] == 1); });
  }
  void Merge(size_t d) {
    result[d - 1] *= result[d];
    for (Shape& s : inputs) s[d - 1] *= s[d];
    Erase(d);
  }
};

// One way to compute the call.
struct Way {
  std::vector<MemoryDesc> inputs;  // as oneDNN reads them
  MemoryDesc result;
  bool swapped = false;       // b is oneDNN's first operand
  std::vector<bool> written;  // which inputs are written out first
  PrimitiveDesc pd;
  std::vector<PrimitiveArg> args;
};

absl::StatusOr<Way> Prepare(const CallSpec& spec, Way way) {
  ATH_ASSIGN_OR_RETURN(dnnl::algorithm algorithm, FindAlgorithm(spec));
  CallSpec seen = spec;
  seen.inputs = way.inputs;
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr,
                       MakeAttr(seen, std::max<size_t>(way.result.dims.size(), 1), &way.args));
  const int first = way.swapped ? 1 : 0;
  const auto a = ToDnnl(way.inputs[first]), b = ToDnnl(way.inputs[1 - first]), y = ToDnnl(way.result);
  way.pd = PrimitiveDesc(CpuEngine(), algorithm, a, b, y, attr);
  way.args.push_back({DNNL_ARG_SRC_0, PrimitiveArg::kInput, first, a});
  way.args.push_back({DNNL_ARG_SRC_1, PrimitiveArg::kInput, 1 - first, b});
  way.args.push_back({DNNL_ARG_DST, PrimitiveArg::kOutput, 0, y});
  way.args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, way.pd.scratchpad_desc()});
  return way;
}

// With merged dimensions. `level`: which operands are written out; 0 none, 1 a, 2 a and b, 3 all that repeat.
std::optional<Way> MergedWay(const CallSpec& spec, const Shapes& shapes, int level) {
  Way way;
  way.result = MemoryDesc::Plain(DType::kF32, shapes.result);
  auto repeats = [&](size_t i) { return shapes.inputs[i] != shapes.result; };
  const std::string algorithm = spec.attrs.String("algorithm");
  way.swapped = level == 0 && repeats(0) && !repeats(1) && (algorithm == "add" || algorithm == "mul");
  for (size_t i = 0; i < shapes.inputs.size(); ++i) {
    const bool write = repeats(i) && level > static_cast<int>(std::min<size_t>(i, 2));
    way.written.push_back(write);
    way.inputs.push_back(MemoryDesc::Plain(DType::kF32, write ? shapes.result : shapes.inputs[i]));
  }
  if (!way.swapped && repeats(0) && level == 0) return std::nullopt;  // oneDNN's reference at best
  return way;
}

absl::StatusOr<Way> ChooseWay(const CallSpec& settled) {
  Way direct{settled.inputs, settled.outputs[0], false, std::vector<bool>(settled.inputs.size(), false), {}, {}};
  const bool equal = settled.inputs[0].dims == settled.inputs[1].dims;
  if (equal) {
    ATH_ASSIGN_OR_RETURN(direct, Prepare(settled, std::move(direct)));
    if (!IsReferenceImpl(direct.pd.impl_info_str()) || !settled.outputs[0].plain()) return direct;
  }
  const Shapes shapes(settled);
  for (int level = 0; level <= 3; ++level) {
    std::optional<Way> way = MergedWay(settled, shapes, level);
    if (!way) continue;
    ATH_ASSIGN_OR_RETURN(*way, Prepare(settled, *std::move(way)));
    if (level == 3 || !IsReferenceImpl(way->pd.impl_info_str())) return *std::move(way);
  }
  return CallError(settled, "cannot be computed");
}

// Where each input that is written out into scratch starts there; the primitive's own scratch comes last.
absl::StatusOr<std::vector<int64_t>> ScratchOffsets(const Way& way) {
  ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(DType::kF32, way.result.dims));
  std::vector<int64_t> offsets;
  std::optional<int64_t> end = 0;
  for (size_t i = 0; i < way.inputs.size(); ++i) {
    offsets.push_back(*end);
    if (i == 0 || !way.written[i]) continue;
    end = CheckedAdd(*end, bytes);
    if (end) end = CheckedAlignUp(*end, 64);
    if (!end) return MakeError(ErrorClass::kLimit, "scratch of a binary call overflows 64 bits");
  }
  offsets.push_back(*end);
  return offsets;
}

class BinaryKernel final : public Kernel {
 public:
  BinaryKernel(const CallSpec& spec, const Shapes& shapes, Way way, std::vector<int64_t> offsets)
      : primitive_(dnnl::binary(way.pd), std::move(way.args)), offsets_(std::move(offsets)), threads_(spec.threads) {
    for (size_t i = 0; i < way.written.size(); ++i) {
      if (!way.written[i]) continue;
      std::vector<int64_t> strides = RowMajorStrides(shapes.inputs[i]);
      for (size_t d = 0; d < strides.size(); ++d) {
        if (shapes.inputs[i][d] != shapes.result[d]) strides[d] = 0;
      }
      copies_.push_back({i, StridedCopy(sizeof(float), shapes.result, strides, 0, RowMajorStrides(shapes.result), 0)});
    }
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    std::vector<void*> operands(inputs.begin(), inputs.end());
    for (Copy& c : copies_) {
      c.from = inputs[c.input];
      c.to = c.input == 0 ? outputs[0] : static_cast<std::byte*>(scratch) + offsets_[c.input];
      operands[c.input] = c.to;
    }
    void* rest = scratch == nullptr ? nullptr : static_cast<std::byte*>(scratch) + offsets_.back();
    return primitive_.Bind(operands, outputs, rest);
  }

  absl::Status Run() override {
    for (const Copy& c : copies_) c.copy.Run(c.from, c.to, threads_);
    return primitive_.Run();
  }

 private:
  struct Copy {
    size_t input;
    StridedCopy copy;
    const void* from = nullptr;
    void* to = nullptr;
  };
  PrimitiveKernel primitive_;
  std::vector<Copy> copies_;
  const std::vector<int64_t> offsets_;  // in scratch, by input; then the primitive's
  const int threads_;
};

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(FindAlgorithm(spec).status());
  ATH_ASSIGN_OR_RETURN(CallSpec settled, Settle(spec));
  KernelInfo info;
  info.inputs = settled.inputs;
  info.outputs = settled.outputs;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(Way way, ChooseWay(settled));
    ATH_ASSIGN_OR_RETURN(std::vector<int64_t> offsets, ScratchOffsets(way));
    DescribePrimitive(way.pd, &info);
    info.scratch_bytes += offsets.back();
    ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(settled.outputs[0].dims));
    info.flops = static_cast<double>(elements);
    ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(Way way, ChooseWay(spec));
    ATH_ASSIGN_OR_RETURN(std::vector<int64_t> offsets, ScratchOffsets(way));
    kernel = std::make_unique<BinaryKernel>(spec, Shapes(spec), std::move(way), std::move(offsets));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"binary", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
