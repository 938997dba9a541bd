// oneDNN's pooling.
//   pooling           (x) -> (y[, workspace])       workspace: with training and algorithm "max"
//   pooling_backward  (dy[, workspace]) -> dx       workspace: with algorithm "max"
// attrs: algorithm ("max", "avg_include_padding", "avg_exclude_padding"), kernel, strides, pads (all begins, then all
// ends), dilations (1: dense; may be left out), training (of the first). x is f32 [N,C,spatial..] of one to three
// spatial dimensions. The workspace holds the position of each maximum in its window: u8, or s32 for windows of 256
// elements and more. Of equal maxima the first counts. A NaN is skipped: an average carries it on, a maximum does not.
//
// Layouts: as x lies (backward: as the workspace, or dy) wherever oneDNN is optimised for that, else in blocks of
// channels. For AVX2 row-major is not optimised: LeNet's first pool at batch 64 takes 1100 us forward and 350 backward
// so, and 47 and 52 in blocks, with 45 to reorder; for AVX-512 137 and 165 row-major, 50 and 55 in blocks. Of a dilated
// window oneDNN has its reference only.
#include <algorithm>
#include <utility>

#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::algorithm;
using dnnl::pooling_backward;
using dnnl::pooling_forward;

struct Pooling {
  bool backward = false;
  bool has_workspace = false;
  algorithm alg = algorithm::pooling_max;
  dnnl::memory::dims kernel, strides, dilations, pads_begin, pads_end;  // a dense window's dilation is 0
  MemoryDesc x, y;       // or their gradients
  MemoryDesc workspace;  // undefined without one
};

// oneDNN computes with them in 32 bits.
bool AllIn(const Ints& values, int64_t least) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v >= least && v <= int64_t{1} << 30; });
}

absl::Status ReadAttributes(const CallSpec& spec, Pooling* p) {
  std::string name;
  Ints kernel, strides, pads, dilations;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &name));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "kernel", &kernel));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "strides", &strides));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "pads", &pads));
  if (name == "avg_include_padding") {
    p->alg = algorithm::pooling_avg_include_padding;
  } else if (name == "avg_exclude_padding") {
    p->alg = algorithm::pooling_avg_exclude_padding;
  } else if (name != "max") {
    return CallError(spec, "unknown algorithm \"%s\"", name);
  }
  const size_t spatial = kernel.size();
  dilations.assign(spatial, 1);
  if (spec.attrs.Has("dilations")) ATH_RETURN_IF_ERROR(ReadAttr(spec, "dilations", &dilations));
  if (spatial < 1 || spatial > 3 || strides.size() != spatial || pads.size() != 2 * spatial ||
      dilations.size() != spatial || !AllIn(kernel, 1) || !AllIn(strides, 1) || !AllIn(pads, 0) ||
      !AllIn(dilations, 1)) {
    return CallError(spec, "kernel %s, strides %s, pads %s and dilations %s are not those of a pool",
                     AttrToString(kernel), AttrToString(strides), AttrToString(pads), AttrToString(dilations));
  }
  p->kernel = kernel;
  p->strides = strides;
  for (int64_t d : dilations) p->dilations.push_back(d - 1);
  p->pads_begin.assign(pads.begin(), pads.begin() + spatial);
  p->pads_end.assign(pads.begin() + spatial, pads.end());
  for (size_t i = 0; i < spatial; ++i) {
    // Else a window may hold nothing but padding, and has no maximum.
    const int64_t reach = (kernel[i] - 1) * dilations[i];  // at most 2^60
    if (p->pads_begin[i] > reach || p->pads_end[i] > reach) {
      return CallError(spec, "pads %s are not smaller than the kernel %s", AttrToString(pads), AttrToString(kernel));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Pooling> Read(const CallSpec& spec) {
  Pooling p;
  p.backward = spec.kernel == "pooling_backward";
  ATH_RETURN_IF_ERROR(ReadAttributes(spec, &p));
  bool training = p.backward;
  if (!p.backward) ATH_RETURN_IF_ERROR(ReadAttr(spec, "training", &training));
  p.has_workspace = training && p.alg == algorithm::pooling_max;
  const size_t many = p.has_workspace ? 2 : 1;
  ATH_RETURN_IF_ERROR(CheckOperands(spec, p.backward ? many : 1, p.backward ? 1 : many));
  p.x = p.backward ? spec.outputs[0] : spec.inputs[0];
  p.y = p.backward ? spec.inputs[0] : spec.outputs[0];
  if (p.has_workspace) p.workspace = p.backward ? spec.inputs[1] : spec.outputs[1];

  // The spatial sizes are oneDNN's to check.
  const size_t rank = p.kernel.size() + 2;
  if (p.x.dims.size() != rank || p.y.dims.size() != rank) {
    return CallError(spec, "%s and %s are not of rank %d", p.x.ToString(), p.y.ToString(), rank);
  }
  Shape y = p.y.dims;
  std::copy_n(p.x.dims.begin(), 2, y.begin());
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", p.x, p.x.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", p.y, y));
  if (p.has_workspace && p.workspace.dims != y) {
    return CallError(spec, "the workspace is %s, expected the shape %s", p.workspace.ToString(), ShapeToString(y));
  }
  return p;
}

pooling_forward::primitive_desc MakeForward(const Pooling& p, const dnnl::primitive_attr& attr) {
  const auto kind =
      p.has_workspace || p.backward ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  return pooling_forward::primitive_desc(CpuEngine(), kind, p.alg, ToDnnl(p.x), ToDnnl(p.y), p.strides, p.kernel,
                                         p.dilations, p.pads_begin, p.pads_end, attr, /*allow_empty=*/true);
}

// Forward or backward, in a type that a primitive can be made of. Empty where oneDNN has no implementation.
struct Made {
  dnnl::primitive_desc_base pd;
  dnnl::memory::desc workspace, scratchpad;
  bool empty() const { return pd.get(/*allow_empty=*/true) == nullptr; }
};

Made Make(const Pooling& p, const dnnl::primitive_attr& attr) {
  Made made;
  auto forward = MakeForward(p, p.backward ? dnnl::primitive_attr() : attr);
  if (!forward) return made;
  made.pd = forward;
  if (p.backward) {
    made.pd = pooling_backward::primitive_desc(CpuEngine(), p.alg, ToDnnl(p.x), ToDnnl(p.y), p.strides, p.kernel,
                                               p.dilations, p.pads_begin, p.pads_end, forward, attr,
                                               /*allow_empty=*/true);
    if (made.empty()) return made;
  }
  if (p.has_workspace) made.workspace = made.pd.query_md(dnnl::query::workspace_md);
  made.scratchpad = made.pd.query_md(dnnl::query::scratchpad_md);
  return made;
}

std::vector<std::string> LayoutsToTry(const Pooling& p) {
  const size_t rank = p.x.dims.size();
  const std::string plain = MemoryDesc::PlainLayout(rank);
  std::string first = !p.backward            ? p.x.layout
                      : !p.workspace.any()   ? p.workspace.layout
                      : !p.y.any()           ? p.y.layout
                                             : p.x.layout;
  if (first.empty()) first = plain;
  std::string blocked = plain;
  blocked[1] = 'B';
  return {first, plain.substr(0, 1) + plain.substr(2) + "b", plain, blocked + "16b", blocked + "8b"};
}

struct Option {
  Pooling call;  // with the layouts decided
  Made made;
  bool reference = false;
  bool reorders = false;  // what is given lies otherwise
};

// The name of a layout: the one given if it means the same bytes (dimensions of 1 have several names). Some
// implementations know their layout under one of them only, so the primitive is made under each.
absl::StatusOr<MemoryDesc> NameLayout(const dnnl::memory::desc& desc, const MemoryDesc& given, bool* reorders) {
  if (!given.any()) {
    if (ToDnnl(given) == desc) return given;
    *reorders = true;
  }
  return FromDnnl(desc);
}

// The best first.
std::vector<Option> Options(const Pooling& given, const dnnl::primitive_attr& attr) {
  std::vector<Option> options;
  for (const std::string& layout : LayoutsToTry(given)) {
    Option o{given, {}, false, false};
    o.call.x.layout = o.call.y.layout = layout;
    o.made = Make(o.call, attr);
    if (o.made.empty()) continue;
    auto x = NameLayout(ToDnnl(o.call.x), given.x, &o.reorders), y = NameLayout(ToDnnl(o.call.y), given.y, &o.reorders);
    if (!x.ok() || !y.ok()) continue;
    o.call.x = *std::move(x);
    o.call.y = *std::move(y);
    if (given.has_workspace) {
      auto workspace = NameLayout(o.made.workspace, given.workspace, &o.reorders);
      if (!workspace.ok()) continue;
      o.call.workspace = *std::move(workspace);
    }
    o.reference = IsReferenceImpl(o.made.pd.impl_info_str());
    options.push_back(std::move(o));
  }
  std::stable_sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
    return std::make_pair(a.reference, a.reorders) < std::make_pair(b.reference, b.reorders);
  });
  return options;
}

absl::Status NoImplementation(const CallSpec& spec, const Pooling& p) {
  return CallError(spec, "oneDNN has no pooling of %s to %s", p.x.ToString(), p.y.ToString());
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Pooling given, Read(spec));
  KernelInfo info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, given.y.dims.size(), nullptr));
    std::vector<Option> options = Options(given, attr);
    if (options.empty()) return NoImplementation(spec, given);
    const Pooling& p = options[0].call;
    const Made& made = options[0].made;
    info.inputs = {p.backward ? p.y : p.x};
    info.outputs = {p.backward ? p.x : p.y};
    if (p.has_workspace) (p.backward ? info.inputs : info.outputs).push_back(p.workspace);
    info.impl = made.pd.impl_info_str();
    info.scratch_bytes = static_cast<int64_t>(made.scratchpad.get_size());
    ATH_ASSIGN_OR_RETURN(int64_t windows, NumElements(p.y.dims));
    ATH_ASSIGN_OR_RETURN(int64_t window, NumElements(p.kernel));
    info.flops = static_cast<double>(windows) * static_cast<double>(window);
    info.bytes = OperandBytes(info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Pooling p, Read(spec));
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    if (p.x.any() || p.y.any() || (p.has_workspace && p.workspace.any())) {
      return CallError(spec, "its operands have no layout");
    }
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, p.y.dims.size(), nullptr));
    std::vector<Option> options = Options(p, attr);
    auto settled = std::find_if(options.begin(), options.end(), [](const Option& o) { return !o.reorders; });
    if (settled == options.end()) return NoImplementation(spec, p);
    const Made& made = settled->made;
    const auto x_source = p.backward ? PrimitiveArg::kOutput : PrimitiveArg::kInput;
    const auto y_source = p.backward ? PrimitiveArg::kInput : PrimitiveArg::kOutput;
    std::vector<PrimitiveArg> args = {{p.backward ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, x_source, 0, ToDnnl(p.x)},
                                      {p.backward ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, y_source, 0, ToDnnl(p.y)},
                                      {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, made.scratchpad}};
    if (p.has_workspace) args.push_back({DNNL_ARG_WORKSPACE, y_source, 1, made.workspace});
    kernel = std::make_unique<PrimitiveKernel>(dnnl::primitive(made.pd.get()), std::move(args));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"pooling", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"pooling_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
