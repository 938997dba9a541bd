// oneDNN's convolutions, and the choice of their layouts.
//   convolution                   (x, w[, bias], post-op operands...) -> y
//   convolution_backward_data     (dy, w[, bias]) -> dx
//   convolution_backward_weights  (x, dy) -> (dw[, dbias])
// attrs: strides, pads (all begins, then all ends), dilations (1: dense), groups, bias (an input of the first two, an
// output of the last; the second may leave it out). x is [N,I,spatial..] of one to three spatial dimensions, w is
// [O,I/groups,k..]. f32. The second is also the transposed convolution of dy; its bias, which oneDNN does not add, is
// added to dx in a second pass over it.
//
// Layouts: every candidate is made, and the one that convolution_cost.h estimates fastest is taken, the reorders from
// what is given included. Layouts already decided therefore stay wherever that costs little: the plain input of the
// first layer, which oneDNN reads as it is, and the weights, which forward, the gradient of the weights and the
// optimizer mostly share, while the gradient of the data reads a reordered copy.
#include <algorithm>
#include <array>
#include <map>

#include "absl/strings/match.h"
#include "runtime/kernels/convolution_bias.h"
#include "runtime/kernels/convolution_call.h"
#include "runtime/kernels/convolution_depthwise.h"
#include "runtime/kernels/convolution_lift.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::convolution_backward_data;
using dnnl::convolution_backward_weights;
using dnnl::convolution_forward;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

bool AddsBiasLast(const ConvolutionCall& c) { return c.has_bias && c.pass == ConvPass::kBackwardData; }

dnnl::memory::desc BiasDesc(const ConvolutionCall& c) {
  return c.has_bias && !AddsBiasLast(c) ? ToDnnl(c.bias) : dnnl::memory::desc();
}

convolution_forward::primitive_desc MakeForward(const ConvolutionCall& c, const dnnl::primitive_attr& attr) {
  return convolution_forward::primitive_desc(CpuEngine(), dnnl::prop_kind::forward_training, kDirect, ToDnnl(c.x),
                                             ToDnnl(c.w), BiasDesc(c), ToDnnl(c.y), c.strides, c.dilations,
                                             c.pads_begin, c.pads_end, attr, /*allow_empty=*/true);
}

// The three kinds in one type, which a primitive can be made of. Empty where oneDNN has no implementation.
struct Made {
  dnnl::primitive_desc_base pd;
  dnnl::memory::desc x, w, y, scratchpad;
  bool empty() const { return pd.get(/*allow_empty=*/true) == nullptr; }
};

// The layouts of x, w and y; "" lets oneDNN choose.
using Layouts = std::array<std::string, 3>;

// Makes primitive descriptors of a call in various layouts, each once: some take oneDNN milliseconds.
class Maker {
 public:
  Maker(const ConvolutionCall& c, dnnl::primitive_attr attr) : call_(c), attr_(std::move(attr)) {
    if (c.pass == ConvPass::kForward) return;
    // oneDNN wants a forward descriptor beside a backward one; only its shapes matter.
    SetLayouts({"", "", ""});
    hint_ = MakeForward(call_, dnnl::primitive_attr());
  }

  const Made& Make(const Layouts& layouts) {
    auto [it, is_new] = made_.try_emplace(layouts);
    if (!is_new) return it->second;
    SetLayouts(layouts);
    return it->second = MakeCall(call_);
  }

 private:
  void SetLayouts(const Layouts& layouts) {
    call_.x.layout = layouts[0];
    call_.w.layout = layouts[1];
    call_.y.layout = layouts[2];
  }

  Made MakeCall(const ConvolutionCall& c) const {
    switch (c.pass) {
      case ConvPass::kForward:
        return Of(MakeForward(c, attr_), dnnl::query::src_md, dnnl::query::weights_md, dnnl::query::dst_md);
      case ConvPass::kBackwardData:
        return Of(convolution_backward_data::primitive_desc(CpuEngine(), kDirect, ToDnnl(c.x), ToDnnl(c.w), ToDnnl(c.y),
                                                            c.strides, c.dilations, c.pads_begin, c.pads_end, hint_,
                                                            attr_, /*allow_empty=*/true),
                  dnnl::query::diff_src_md, dnnl::query::weights_md, dnnl::query::diff_dst_md);
      case ConvPass::kBackwardWeights:
        return Of(convolution_backward_weights::primitive_desc(
                      CpuEngine(), kDirect, ToDnnl(c.x), ToDnnl(c.w), BiasDesc(c), ToDnnl(c.y), c.strides, c.dilations,
                      c.pads_begin, c.pads_end, hint_, attr_, /*allow_empty=*/true),
                  dnnl::query::src_md, dnnl::query::diff_weights_md, dnnl::query::diff_dst_md);
    }
    return {};
  }

  static Made Of(dnnl::primitive_desc_base pd, dnnl::query x, dnnl::query w, dnnl::query y) {
    Made made;
    made.pd = std::move(pd);
    if (made.empty()) return made;
    made.x = made.pd.query_md(x);
    made.w = made.pd.query_md(w);
    made.y = made.pd.query_md(y);
    made.scratchpad = made.pd.query_md(dnnl::query::scratchpad_md);
    return made;
  }

  ConvolutionCall call_;
  dnnl::primitive_attr attr_;
  convolution_forward::primitive_desc hint_;
  std::map<Layouts, Made> made_;
};

// "acdb" for rank 4.
std::string ChannelsLast(size_t rank) {
  std::string plain = MemoryDesc::PlainLayout(rank);
  return plain.substr(0, 1) + plain.substr(2) + "b";
}

int64_t Elements(absl::Span<const int64_t> dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

double EstimateRun(const ConvolutionCall& call, const Made& made) {
  const size_t rank = call.x.dims.size(), grouped = call.groups > 1 ? 1 : 0;
  MemoryDesc last = call.y;
  last.layout = ChannelsLast(rank);
  const absl::Span<const int64_t> y = call.y.dims;
  ConvWork work;
  work.pass = call.pass;
  work.impl = made.pd.impl_info_str();
  work.channels_last = made.y == ToDnnl(last);
  work.groups = call.groups;
  work.positions = y[0] * Elements(y.subspan(2));
  work.kernel_size = Elements(absl::MakeConstSpan(call.w.dims).subspan(2 + grouped));
  work.out_channels = y[1];
  work.padded_in = made.x.get_padded_dims()[1];
  work.padded_out = made.y.get_padded_dims()[1];
  work.padded_weights = Elements(made.w.get_padded_dims());
  return EstimateConvolution(work);
}

// From what is given to what was made, or back.
double EstimateReorders(const ConvolutionCall& given, const Made& made) {
  double cost = 0;
  auto add = [&](const MemoryDesc& from, const dnnl::memory::desc& to) {
    if (from.any() || ToDnnl(from) == to) return;
    cost += EstimateReorder(static_cast<int64_t>(ToDnnl(from).get_size()), static_cast<int64_t>(to.get_size()));
  };
  add(given.x, made.x);
  add(given.w, made.w);
  add(given.y, made.y);
  return cost;
}

struct Candidate {
  double run, reorders;  // nanoseconds
  Made made;
};

// Combinations of what is given, what oneDNN likes best, channels-last and row-major: the fastest first.
std::vector<Candidate> Candidates(const ConvolutionCall& given, Maker& maker) {
  const std::string last = ChannelsLast(given.x.dims.size()), plain = MemoryDesc::PlainLayout(given.x.dims.size());
  const std::array<std::string, 2> sides[] = {{given.x.layout, given.y.layout}, {given.x.layout, ""},
                                              {"", given.y.layout}, {"", ""}, {last, last}, {plain, plain}};
  std::vector<Candidate> candidates;
  for (const std::string& w : {given.w.layout, std::string()}) {
    for (const auto& [x, y] : sides) {
      const Made& made = maker.Make({x, w, y});
      if (!made.empty()) candidates.push_back({EstimateRun(given, made), EstimateReorders(given, made), made});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.run + a.reorders < b.run + b.reorders;
  });
  return candidates;
}

// The name of a layout: the one given if it means the same bytes (dimensions of 1 have several names).
absl::StatusOr<MemoryDesc> NameLayout(const dnnl::memory::desc& desc, const MemoryDesc& given) {
  if (!given.any() && ToDnnl(given) == desc) return given;
  return FromDnnl(desc, given);
}

absl::Status NoImplementation(const CallSpec& spec, const ConvolutionCall& c) {
  return CallError(spec, "oneDNN has no convolution of %s by %s to %s", c.x.ToString(), c.w.ToString(), c.y.ToString());
}

// Whether the layouts have names in the call too, and its bias can be added.
bool CanSay(const ConvolutionCall& c) {
  auto unlifted = [&](const std::string& layout, bool one_b = false) {
    return !c.lifted || UnliftedLayout(layout, 3, one_b).has_value();
  };
  std::optional<std::string> w = WeightLayout(c);
  const bool one_input = c.w.dims[c.groups > 1 ? 2 : 1] == 1;
  if (!w || !unlifted(*w, one_input) || !unlifted(c.x.layout) || !unlifted(c.y.layout)) return false;
  return !AddsBiasLast(c) || ChannelBias::Of(c.x).has_value();
}

absl::StatusOr<ConvolutionCall> FastestLayouts(const CallSpec& spec, const ConvolutionCall& given, Maker& maker) {
  for (const Candidate& candidate : Candidates(given, maker)) {
    auto x = NameLayout(candidate.made.x, given.x), w = NameLayout(candidate.made.w, given.w),
         y = NameLayout(candidate.made.y, given.y);
    if (!x.ok() || !w.ok() || !y.ok()) continue;  // a layout without a name
    ConvolutionCall chosen = given;
    chosen.x = *std::move(x);
    chosen.w = *std::move(w);
    chosen.y = *std::move(y);
    if (CanSay(chosen)) return chosen;
  }
  return NoImplementation(spec, given);
}

// Asked again with its answer, query must give the same answer. The estimate nearly ensures that (a reorder is never
// shorter by a detour), but with layouts given there are more candidates.
absl::StatusOr<ConvolutionCall> ChooseLayouts(const CallSpec& spec, ConvolutionCall given, Maker& maker) {
  for (int round = 0; round < 8; ++round) {
    ATH_ASSIGN_OR_RETURN(ConvolutionCall chosen, FastestLayouts(spec, given, maker));
    if (chosen.x == given.x && chosen.w == given.w && chosen.y == given.y) break;
    given = std::move(chosen);
  }
  return given;
}

// The fastest implementation in the layouts that `c` has. They are not simply asked for: where a dimension is 1, some
// implementations know their layout only under one of its names, or as "any".
absl::StatusOr<Made> MakeSettled(const CallSpec& spec, const ConvolutionCall& c, Maker& maker) {
  for (const Candidate& candidate : Candidates(c, maker)) {
    if (candidate.reorders == 0) return candidate.made;
  }
  return NoImplementation(spec, c);
}

// `spec` with the layouts in which its post-ops' operands are read beside a y that lies so ("": undecided).
absl::StatusOr<CallSpec> SettleOperands(CallSpec spec, const ConvolutionCall& c, const std::string& y_layout) {
  MemoryDesc y = c.y;
  y.layout = y_layout;
  ATH_RETURN_IF_ERROR(SettlePostOpOperands(c.has_bias ? 3 : 2, y, &spec));
  return spec;
}

// Whether the call runs in convolution_depthwise.cc: oneDNN would make a matrix product of each channel. Then gives `c`
// the layouts for it.
bool TakeOver(const CallSpec& spec, Maker& maker, ConvolutionCall* c) {
  if (!IsDepthwise(*c) || !spec.post_ops.empty()) return false;
  ConvolutionCall ours = *c;
  SetDepthwiseLayouts(&ours);
  if (!CanSay(ours)) return false;
  for (const Layouts& layouts : {Layouts{ours.x.layout, "", ours.y.layout}, Layouts{"", "", ""}}) {
    const Made& made = maker.Make(layouts);
    if (made.empty()) return false;  // not a convolution at all
    const std::string impl = made.pd.impl_info_str();
    if (!absl::StrContains(impl, "gemm:") && !IsReferenceImpl(impl)) return false;
  }
  *c = std::move(ours);
  return true;
}

absl::StatusOr<KernelInfo> Describe(const CallSpec& settled, const ConvolutionCall& c) {
  KernelInfo info;
  info.inputs = settled.inputs;
  info.outputs = settled.outputs;
  WriteConvolution(c, &info.inputs, &info.outputs);
  ATH_ASSIGN_OR_RETURN(int64_t outputs, NumElements(c.y.dims));
  ATH_ASSIGN_OR_RETURN(int64_t weights, NumElements(c.w.dims));
  info.flops = 2.0 * static_cast<double>(outputs) * static_cast<double>(weights) / static_cast<double>(c.y.dims[1]);
  info.bytes = OperandBytes(info);
  return info;
}

absl::StatusOr<KernelInfo> QueryImages(const CallSpec& spec, bool lifted) {
  ATH_ASSIGN_OR_RETURN(ConvolutionCall given, ReadConvolution(spec));
  given.lifted = lifted;
  KernelInfo info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    const size_t rank = given.y.dims.size();
    ATH_ASSIGN_OR_RETURN(CallSpec undecided, SettleOperands(spec, given, ""));
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(undecided, rank, nullptr));
    Maker maker(given, attr);
    if (TakeOver(spec, maker, &given)) {
      ATH_ASSIGN_OR_RETURN(info, Describe(spec, given));
      info.impl = "ours:depthwise";
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(ConvolutionCall c, ChooseLayouts(spec, given, maker));

    ATH_ASSIGN_OR_RETURN(CallSpec settled, SettleOperands(spec, c, c.y.layout));
    Made made;
    if (settled.inputs == undecided.inputs) {
      ATH_ASSIGN_OR_RETURN(made, MakeSettled(spec, c, maker));
    } else {
      ATH_ASSIGN_OR_RETURN(attr, MakeAttr(settled, rank, nullptr));
      Maker settled_maker(c, attr);
      ATH_ASSIGN_OR_RETURN(made, MakeSettled(spec, c, settled_maker));
    }
    ATH_ASSIGN_OR_RETURN(info, Describe(settled, c));
    info.impl = made.pd.impl_info_str();
    info.scratch_bytes = static_cast<int64_t>(made.scratchpad.get_size());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  if (!IsOneDimensional(spec)) return QueryImages(spec, /*lifted=*/false);
  ATH_ASSIGN_OR_RETURN(KernelInfo info, QueryImages(Lifted(spec), /*lifted=*/true));
  Unlift(spec, &info);
  return info;
}

// A kernel, and behind it the bias added to its result.
class BiasedKernel final : public Kernel {
 public:
  BiasedKernel(std::unique_ptr<Kernel> kernel, ChannelBias bias, int threads)
      : kernel_(std::move(kernel)), channel_bias_(bias), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    bias_ = static_cast<const float*>(inputs[2]);
    images_ = static_cast<float*>(outputs[0]);
    return kernel_->Bind(inputs, outputs, scratch);
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(kernel_->Run());
    channel_bias_.Run(bias_, images_, threads_);
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<Kernel> kernel_;
  const ChannelBias channel_bias_;
  const int threads_;
  const float* bias_ = nullptr;
  float* images_ = nullptr;
};

absl::Status WithBias(const CallSpec& spec, const ConvolutionCall& c, std::unique_ptr<Kernel>* kernel) {
  if (!AddsBiasLast(c)) return absl::OkStatus();
  std::optional<ChannelBias> bias = ChannelBias::Of(c.x);
  if (!bias) return CallError(spec, "it adds no bias to %s", c.x.ToString());
  *kernel = std::make_unique<BiasedKernel>(std::move(*kernel), *bias, spec.threads);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Kernel>> CreateImages(const CallSpec& spec, bool lifted) {
  ATH_ASSIGN_OR_RETURN(ConvolutionCall c, ReadConvolution(spec));
  c.lifted = lifted;
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(CallSpec settled, SettleOperands(spec, c, c.y.layout));
    if (c.x.any() || c.w.any() || c.y.any() || settled.inputs != spec.inputs) {
      return CallError(spec, "its operands are not in the layouts that it runs with");
    }
    std::vector<PrimitiveArg> args;
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, c.y.dims.size(), &args));
    Maker maker(c, attr);
    if (ConvolutionCall ours = c; TakeOver(spec, maker, &ours)) {
      if (ours.x != c.x || ours.w != c.w || ours.y != c.y) {
        return CallError(spec, "its operands are not in the layouts that it runs with");
      }
      kernel = MakeDepthwise(c, spec.threads);
      return WithBias(spec, c, &kernel);
    }
    ATH_ASSIGN_OR_RETURN(Made made, MakeSettled(spec, c, maker));
    const ConvolutionPlaces p = PlacesOf(c.pass);
    args.push_back({p.x_arg, p.x_source, p.x, made.x});
    args.push_back({p.w_arg, p.w_source, p.w, made.w});
    args.push_back({p.y_arg, p.y_source, p.y, made.y});
    if (c.has_bias && !AddsBiasLast(c)) args.push_back({p.bias_arg, p.bias_source, p.bias, ToDnnl(c.bias)});
    args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, made.scratchpad});
    kernel = std::make_unique<PrimitiveKernel>(dnnl::primitive(made.pd.get()), std::move(args));
    return WithBias(spec, c, &kernel);
  });
  if (!status.ok()) return status;
  return kernel;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  const bool lifted = IsOneDimensional(spec);
  return CreateImages(lifted ? Lifted(spec) : spec, lifted);
}

ATH_REGISTER_KERNEL((KernelDef{"convolution", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"convolution_backward_data", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"convolution_backward_weights", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
