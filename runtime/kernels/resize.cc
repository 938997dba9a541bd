// Images of another size, by the nearest pixel or bilinear; row-major f32 [N,C,H,W].
//   resize           (x) -> y     attrs: mode ("nearest", "bilinear"), coordinate_transformation_mode ("half_pixel",
//                                 "align_corners", "asymmetric"), nearest_mode ("round_prefer_floor",
//                                 "round_prefer_ceil", "floor", "ceil"), scales (floats: height, width)
//   resize_backward  (dy) -> dx   the same attributes
// Images that lie otherwise than row-major keep their layout where oneDNN's resampling does the same: bilinear, by half
// pixels, scales that are the ratio of the sizes. A pixel of dx is added up in the order of its places in dy: nothing
// depends on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/resize.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "runtime/kernels/indices.h"
#include "runtime/kernels/simd.h"
#include "runtime/onednn/dnnl.h"

#ifndef ATHANOR_RUNTIME_KERNELS_RESIZE_ARGS_
#define ATHANOR_RUNTIME_KERNELS_RESIZE_ARGS_
namespace athanor {
namespace resize {

// Where the pixels of y along one axis come from: y[i] = x[low[i]] + weight[i] (x[high[i]] - x[low[i]]).
struct Taps {
  std::vector<int32_t> low, high;
  std::vector<float> weight;
  int64_t size() const { return static_cast<int64_t>(low.size()); }
};

}  // namespace resize
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_RESIZE_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One row of y from two rows of x.
void BilinearRow(const float* upper, const float* lower, float weight, const resize::Taps& taps, float* y) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), n = taps.size();
  const auto down = hn::Set(d, weight);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto low = hn::LoadU(di, taps.low.data() + i), high = hn::LoadU(di, taps.high.data() + i);
    const auto right = hn::LoadU(d, taps.weight.data() + i);
    auto across = [&](const float* row) {
      const auto left = hn::GatherIndex(d, row, low);
      return hn::MulAdd(right, hn::Sub(hn::GatherIndex(d, row, high), left), left);
    };
    const auto top = across(upper);
    hn::StoreU(weight == 0 ? top : hn::MulAdd(down, hn::Sub(across(lower), top), top), d, y + i);
  }
  for (; i < n; ++i) {
    auto across = [&](const float* row) {
      const float left = row[taps.low[i]];
      return left + taps.weight[i] * (row[taps.high[i]] - left);
    };
    const float top = across(upper);
    y[i] = top + weight * (across(lower) - top);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

using resize::Taps;

HWY_EXPORT(BilinearRow);

bool IsBackward(const CallSpec& spec) { return spec.kernel == "resize_backward"; }

struct Modes {
  std::string mode, coordinate, nearest;
  Floats scales;
};

absl::StatusOr<Modes> ReadModes(const CallSpec& spec) {
  Modes m;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "mode", &m.mode));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "coordinate_transformation_mode", &m.coordinate));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "nearest_mode", &m.nearest));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "scales", &m.scales));
  auto is = [](const std::string& value, std::initializer_list<const char*> choices) {
    return std::find(choices.begin(), choices.end(), value) != choices.end();
  };
  if (!is(m.mode, {"nearest", "bilinear"}) || !is(m.coordinate, {"half_pixel", "align_corners", "asymmetric"}) ||
      !is(m.nearest, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})) {
    return CallError(spec, "cannot have modes \"%s\", \"%s\" and \"%s\"", m.mode, m.coordinate, m.nearest);
  }
  if (m.scales.size() != 2 || !(m.scales[0] > 0) || !(m.scales[1] > 0)) {
    return CallError(spec, "needs two scales above 0, not %s", AttrToString(m.scales));
  }
  return m;
}

// Of the pixel i of `out`, in x.
double Coordinate(const Modes& m, int64_t i, int64_t in, int64_t out, double scale) {
  const double at = static_cast<double>(i);
  if (m.coordinate == "asymmetric") return at / scale;
  if (m.coordinate == "half_pixel") return (at + 0.5) / scale - 0.5;
  return out == 1 ? 0 : at * static_cast<double>(in - 1) / static_cast<double>(out - 1);
}

double Nearest(const Modes& m, double x) {
  if (m.nearest == "floor") return std::floor(x);
  if (m.nearest == "ceil") return std::ceil(x);
  return m.nearest == "round_prefer_floor" ? std::ceil(x - 0.5) : std::floor(x + 0.5);
}

Taps MakeTaps(const Modes& m, int64_t in, int64_t out, double scale) {
  Taps taps;
  const double end = static_cast<double>(in - 1);
  for (int64_t i = 0; i < out; ++i) {
    double x = Coordinate(m, i, in, out, scale);
    if (m.mode == "nearest") x = Nearest(m, x);
    x = std::min(std::max(x, 0.0), end);
    const double low = std::floor(x);
    taps.low.push_back(static_cast<int32_t>(low));
    taps.high.push_back(static_cast<int32_t>(std::min(low + 1, end)));
    taps.weight.push_back(static_cast<float>(x - low));
  }
  return taps;
}

struct Call {
  int64_t planes = 0, height = 0, width = 0;  // of x
  Taps rows, columns;
  bool nearest = false;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_ASSIGN_OR_RETURN(Modes modes, ReadModes(spec));
  const MemoryDesc &x = IsBackward(spec) ? spec.outputs[0] : spec.inputs[0],
                   &y = IsBackward(spec) ? spec.inputs[0] : spec.outputs[0];
  for (const MemoryDesc* d : {&x, &y}) {
    ATH_RETURN_IF_ERROR(CheckDesc(spec, "an operand", *d, d->dims, DType::kF32));
    if (d->dims.size() != 4 || *NumElements(d->dims) == 0 || d->dims[2] > INT32_MAX || d->dims[3] > INT32_MAX) {
      return CallError(spec, "%s is not [N,C,H,W], or is empty or too large", d->ToString());
    }
  }
  if (x.dims[0] != y.dims[0] || x.dims[1] != y.dims[1]) {
    return CallError(spec, "%s is no image of another size than %s", y.ToString(), x.ToString());
  }
  Call call;
  call.planes = x.dims[0] * x.dims[1];
  call.height = x.dims[2];
  call.width = x.dims[3];
  call.rows = MakeTaps(modes, x.dims[2], y.dims[2], modes.scales[0]);
  call.columns = MakeTaps(modes, x.dims[3], y.dims[3], modes.scales[1]);
  call.nearest = modes.mode == "nearest";
  return call;
}

// oneDNN computes coordinates in float: on longer sides the weights would be off by more than 1e-5.
constexpr int64_t kMaxOneDnnSide = 512;

bool IsOneDnns(const CallSpec& spec) {
  const MemoryDesc &in = spec.inputs[0], &out = spec.outputs[0];
  auto modes = ReadModes(spec);
  if (!modes.ok() || in.any() || in.plain() || modes->mode != "bilinear" || modes->coordinate != "half_pixel") {
    return false;
  }
  for (int side : {0, 1}) {
    const auto x = static_cast<double>((IsBackward(spec) ? out : in).dims[2 + side]),
               y = static_cast<double>((IsBackward(spec) ? in : out).dims[2 + side]);
    if (modes->scales[side] != y / x || std::max(x, y) > kMaxOneDnnSide) return false;
  }
  return true;
}

// Of a call with both layouts decided.
struct Resampling {
  dnnl::resampling_forward::primitive_desc forward;
  dnnl::resampling_backward::primitive_desc backward;
};

Resampling MakeResampling(const CallSpec& spec) {
  const auto in = ToDnnl(spec.inputs[0]), out = ToDnnl(spec.outputs[0]);
  const bool back = IsBackward(spec);
  constexpr auto kAlgorithm = dnnl::algorithm::resampling_linear;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  Resampling r;
  r.forward = dnnl::resampling_forward::primitive_desc(CpuEngine(), dnnl::prop_kind::forward_training, kAlgorithm,
                                                       back ? out : in, back ? in : out, attr);
  if (back) r.backward = dnnl::resampling_backward::primitive_desc(CpuEngine(), kAlgorithm, out, in, r.forward, attr);
  return r;
}

// Gives `info` the input's layout for both, unless oneDNN has but its reference for it.
void TryOneDnn(const CallSpec& spec, KernelInfo* info) {
  KernelInfo kept = *info;
  CallSpec call = spec;
  call.outputs[0].layout = spec.inputs[0].layout;
  kept.inputs = call.inputs;
  kept.outputs = call.outputs;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    const Resampling r = MakeResampling(call);
    IsBackward(spec) ? DescribePrimitive(r.backward, &kept) : DescribePrimitive(r.forward, &kept);
    return absl::OkStatus();
  });
  auto bytes = TrafficBytes(kept);
  if (!status.ok() || kept.impl.starts_with("ref") || !bytes.ok()) return;
  kept.bytes = *bytes;
  *info = std::move(kept);
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(call.planes * call.rows.size()) * static_cast<double>(call.columns.size()) *
               (call.nearest ? 1 : 6);
  if (IsOneDnns(spec)) TryOneDnn(spec, &info);
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> CreateOneDnn(const CallSpec& spec) {
  std::unique_ptr<Kernel> kernel;
  ATH_RETURN_IF_ERROR(CatchDnnl(spec, [&]() -> absl::Status {
    const Resampling r = MakeResampling(spec);
    const bool back = IsBackward(spec);
    std::vector<PrimitiveArg> args = {
        {back ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, PrimitiveArg::kInput, 0, ToDnnl(spec.inputs[0])},
        {back ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, PrimitiveArg::kOutput, 0, ToDnnl(spec.outputs[0])},
        {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0,
         back ? r.backward.scratchpad_desc() : r.forward.scratchpad_desc()}};
    if (back) {
      kernel = std::make_unique<PrimitiveKernel>(dnnl::resampling_backward(r.backward), std::move(args));
    } else {
      kernel = std::make_unique<PrimitiveKernel>(dnnl::resampling_forward(r.forward), std::move(args));
    }
    return absl::OkStatus();
  }));
  return kernel;
}

class ResizeKernel final : public Kernel {
 public:
  ResizeKernel(Call call, int threads) : call_(std::move(call)), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const float*>(inputs[0]);
    y_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t rows = call_.rows.size(), width = call_.columns.size();
    ParallelRanges(call_.planes * rows, 1, 8 * width, threads_, [=, this](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* plane = x_ + r / rows * call_.height * call_.width;
        const float* upper = plane + call_.rows.low[r % rows] * call_.width;
        float* y = y_ + r * width;
        if (call_.nearest) {
          for (int64_t i = 0; i < width; ++i) y[i] = upper[call_.columns.low[i]];
        } else {
          HWY_DYNAMIC_DISPATCH(BilinearRow)
          (upper, plane + call_.rows.high[r % rows] * call_.width, call_.rows.weight[r % rows], call_.columns, y);
        }
      }
    });
    return absl::OkStatus();
  }

 private:
  const Call call_;
  const int threads_;
  const float* x_ = nullptr;
  float* y_ = nullptr;
};

class ResizeBackwardKernel final : public Kernel {
 public:
  ResizeBackwardKernel(Call call, int threads) : call_(std::move(call)), threads_(threads), first_(call_.height + 1) {
    const Taps& t = call_.rows;
    auto for_each = [&t](const auto& f) {
      for (int64_t i = 0; i < t.size(); ++i) {
        f(t.low[i], i, 1 - t.weight[i]);
        if (t.weight[i] != 0) f(t.high[i], i, t.weight[i]);
      }
    };
    for_each([this](int32_t row, int64_t, float) { ++first_[row + 1]; });
    for (int64_t i = 0; i < call_.height; ++i) first_[i + 1] += first_[i];
    places_.resize(first_.back());
    std::vector<int64_t> next = first_;
    for_each([&](int32_t row, int64_t i, float weight) { places_[next[row]++] = {i, weight}; });
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dy_ = static_cast<const float*>(inputs[0]);
    dx_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t height = call_.height, width = call_.width, rows = call_.rows.size(), columns = call_.columns.size();
    ParallelRanges(call_.planes * height, 1, 4 * (width + 2 * columns * rows / height), threads_,
                   [=, this](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) {
                       const float* plane = dy_ + r / height * rows * columns;
                       float* dx = dx_ + r * width;
                       std::fill_n(dx, width, 0.0f);
                       for (int64_t p = first_[r % height]; p < first_[r % height + 1]; ++p) {
                         AddRow(plane + places_[p].row * columns, places_[p].weight, dx);
                       }
                     }
                   });
    return absl::OkStatus();
  }

 private:
  struct Place {
    int64_t row;
    float weight;
  };

  void AddRow(const float* dy, float weight, float* dx) const {
    const Taps& t = call_.columns;
    for (int64_t i = 0; i < t.size(); ++i) {
      const float share = weight * dy[i], right = share * t.weight[i];
      dx[t.low[i]] += share - right;
      dx[t.high[i]] += right;
    }
  }

  const Call call_;
  const int threads_;
  std::vector<int64_t> first_;  // places_[first_[r] .. first_[r + 1]) are those of x's row r in y
  std::vector<Place> places_;
  const float* dy_ = nullptr;
  float* dx_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  if (info.impl != "ours:simd") return CreateOneDnn(spec);
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  if (IsBackward(spec)) return std::make_unique<ResizeBackwardKernel>(std::move(call), spec.threads);
  return std::make_unique<ResizeKernel>(std::move(call), spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"resize", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"resize_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
