// Softmax and LogSoftmax along one dimension, with their gradients.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

absl::Status CheckAxis(const InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckRank(0, c.num_inputs() == 1 ? "x" : "dy", 1, kMaxRank));
  return c.Axis(c.attrs().Int("axis"), c.Input(0).rank()).status();
}

int64_t AxisOf(const OpContext& c, size_t rank) {
  int64_t axis = c.attrs().Int("axis");
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

// The elements first, first + stride, .. of a line along the axis.
struct Line {
  int64_t first, stride, n;
};

template <typename F>
void ForEachLine(const OpContext& c, const Shape& shape, F&& f) {
  const int64_t axis = AxisOf(c, shape.size());
  const int64_t stride = RowMajorStrides(shape)[axis], n = shape[axis], elements = *NumElements(shape);
  for (int64_t i = 0; i < elements; ++i) {
    if (i / stride % n == 0) f(Line{i, stride, n});
  }
}

absl::Status Reference(ReferenceContext& c, bool log) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  ForEachLine(c, x.shape, [&](const Line& line) {
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t k = 0; k < line.n; ++k) max = std::max(max, x[line.first + k * line.stride]);
    for (int64_t k = 0; k < line.n; ++k) sum += std::exp(x[line.first + k * line.stride] - max);
    for (int64_t k = 0; k < line.n; ++k) {
      const double v = x[line.first + k * line.stride] - max;
      y[line.first + k * line.stride] = log ? v - std::log(sum) : std::exp(v) / sum;
    }
  });
  return absl::OkStatus();
}

absl::Status BackwardReference(ReferenceContext& c, bool log) {
  const DoubleTensor &dy = c.Input(0), &y = c.Input(1);
  ForEachLine(c, y.shape, [&](const Line& line) {
    double sum = 0;
    for (int64_t k = 0; k < line.n; ++k) {
      const int64_t i = line.first + k * line.stride;
      sum += log ? dy[i] : dy[i] * y[i];
    }
    for (int64_t k = 0; k < line.n; ++k) {
      const int64_t i = line.first + k * line.stride;
      c.Output()[i] = log ? dy[i] - std::exp(y[i]) * sum : y[i] * (dy[i] - sum);
    }
  });
  return absl::OkStatus();
}

AttrDef AxisAttr() {
  return {.name = "axis", .type = AttrType::kInt, .doc = "negative: from the last", .default_value = int64_t{-1}};
}

// Kernel "softmax": inputs (x), outputs (y); "softmax_backward": inputs (dy, y), outputs (dx); attributes {axis, log}.
Attributes KernelAttrs(const LowerContext& c, bool log) {
  return {{"axis", AxisOf(c, c.InputShape(0).size())}, {"log", log}};
}

OpDef ForwardDef(const std::string& name, bool log) {
  OpDef def;
  def.name = name;
  def.doc = log ? "y = x - log(sum(e^x)) along the axis, computed after subtracting the maximum."
                : "y = e^x / sum(e^x) along the axis, computed after subtracting the maximum.";
  def.inputs = {{"x", "f32, rank at least 1"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {AxisAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "x"));
    ATH_RETURN_IF_ERROR(CheckAxis(c));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.gradient = [name](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(name + "Grad", {c.OutputGrad(), c.Output()}, c.attrs()));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  def.kernels = "softmax";
  def.lower = [log](LowerContext& c) {
    c.Emit("softmax", {c.Input(0)}, {c.Output()}, KernelAttrs(c, log));
    return absl::OkStatus();
  };
  def.reference = [log](ReferenceContext& c) { return Reference(c, log); };
  def.traits.in_place = {{0, 0}};
  return def;
}

OpDef BackwardDef(const std::string& name, bool log) {
  OpDef def;
  def.name = name + "Grad";
  def.doc = std::string(log ? "dx = dy - e^y sum(dy)" : "dx = y (dy - sum(dy y))") +
            " along the axis: the gradient of " + name + " by its output y.";
  def.inputs = {{"dy", "f32, rank at least 1"}, {"y", "like dy: the forward operator's output"}};
  def.outputs = {{"dx", "like dy"}};
  def.attributes = {AxisAttr()};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "dy"));
    ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "y", c.Input(0), "dy"));
    ATH_RETURN_IF_ERROR(CheckAxis(c));
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.kernels = "softmax_backward";
  def.lower = [log](LowerContext& c) {
    c.Emit("softmax_backward", {c.Input(0), c.Input(1)}, {c.Output()}, KernelAttrs(c, log));
    return absl::OkStatus();
  };
  def.reference = [log](ReferenceContext& c) { return BackwardReference(c, log); };
  def.traits.in_place = {{0, 0}, {0, 1}};
  return def;
}

[[maybe_unused]] const bool kRegistered = [] {
  for (bool log : {false, true}) {
    const std::string name = log ? "LogSoftmax" : "Softmax";
    OpRegistry::Get().Register(ForwardDef(name, log));
    OpRegistry::Get().Register(BackwardDef(name, log));
  }
  return true;
}();

}  // namespace
}  // namespace athanor
