// Operators for pass tests: each shows one property that a pass asks for.
#include <algorithm>
#include <cmath>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

absl::Status LikeFirstInput(InferContext& c) {
  c.SetOutput(0, c.Input(0));
  return absl::OkStatus();
}

OpDef Make(const std::string& name, std::vector<PortDef> inputs, std::vector<PortDef> outputs) {
  OpDef def;
  def.name = name;
  def.doc = "for tests";
  def.inputs = std::move(inputs);
  def.outputs = std::move(outputs);
  def.infer = LikeFirstInput;
  return def;
}

OpDef Unary(const std::string& name, double (*compute)(double), Elem (*formula)(Elem) = nullptr) {
  OpDef def = Make(name, {{"x", ""}}, {{"y", ""}});
  if (formula != nullptr) {
    def.elementwise = [formula](const Node&, absl::Span<const Elem> x) { return std::vector<Elem>{formula(x[0])}; };
  }
  def.reference = [compute](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Input(0).size(); ++i) c.Output()[i] = compute(c.Input(0)[i]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

// Operands of one shape, or the second of one element or of the trailing dimensions.
OpDef Binary(const std::string& name, double (*compute)(double, double), Elem (*formula)(Elem, Elem)) {
  OpDef def = Make(name, {{"a", ""}, {"b", ""}}, {{"y", ""}});
  def.elementwise = [formula](const Node&, absl::Span<const Elem> x) { return std::vector<Elem>{formula(x[0], x[1])}; };
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckDtype(1, "b", c.Input(0).dtype));
    ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(c.Input(0), c.Input(1)));
    c.SetOutput(0, {c.Input(0).dtype, std::move(dims)});
    return absl::OkStatus();
  };
  def.reference = [compute](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    for (int64_t i = 0; i < c.Output().size(); ++i) c.Output()[i] = compute(a[i % a.size()], b[i % b.size()]);
    return absl::OkStatus();
  };
  def.traits.elementwise = true;
  return def;
}

// T.Relu (gradient T.ReluGrad), T.Neg (a unary post-op), T.Square (no post-op, no gradient), T.Round (f32 -> s32).
void RegisterUnary() {
  OpDef relu = Unary("T.Relu", [](double x) { return std::max(x, 0.0); }, [](Elem x) { return Max(x, 0); });
  relu.traits.post_op_unary = relu.traits.is_relu = true;
  relu.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("T.ReluGrad", {c.OutputGrad(), c.Output()}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(relu));

  OpDef relu_grad = Binary("T.ReluGrad", [](double dy, double y) { return y > 0 ? dy : 0; },
                           [](Elem dy, Elem y) { return Select(Gt(y, 0), dy, 0); });
  relu_grad.traits.relu_backward_grad_input = 0;
  OpRegistry::Get().Register(std::move(relu_grad));

  OpDef neg = Unary("T.Neg", [](double x) { return -x; }, [](Elem x) { return -x; });
  neg.traits.post_op_unary = true;
  OpRegistry::Get().Register(std::move(neg));
  OpRegistry::Get().Register(Unary("T.Square", [](double x) { return x * x; }, [](Elem x) { return x * x; }));

  OpDef round = Unary("T.Round", [](double x) { return std::round(x); }, [](Elem x) { return Round(x); });
  round.infer = [](InferContext& c) {
    c.SetOutput(0, {DType::kS32, c.Input(0).dims});
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(round));

  // s32 -> f32, and a gradient that nobody can use.
  OpDef to_float = Unary("T.ToFloat", [](double x) { return x; }, [](Elem x) { return x; });
  to_float.infer = [](InferContext& c) {
    c.SetOutput(0, {DType::kF32, c.Input(0).dims});
    return absl::OkStatus();
  };
  to_float.gradient = [](GradientContext& c) {
    c.SetInputGrad(0, c.OutputGrad());
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(to_float));

  // f32 -> bool: whether x is not 0.
  OpDef truth = Unary("T.Truth", [](double x) { return x != 0 ? 1.0 : 0.0; }, [](Elem x) { return x; });
  truth.infer = [](InferContext& c) {
    c.SetOutput(0, {DType::kBool, c.Input(0).dims});
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(truth));

  // y = x * by; its gradient forgets the input.
  OpDef scale = Unary("T.Forgetful", [](double x) { return x; });
  scale.attributes = {{"by", AttrType::kFloat, "", AttrValue(2.0), 0.0, 10.0}};
  scale.gradient = [](GradientContext&) { return absl::OkStatus(); };
  OpRegistry::Get().Register(std::move(scale));
}

// T.Add, T.Mul (both with gradients of operands of one shape), T.Sub.
void RegisterBinary() {
  OpDef add = Binary("T.Add", [](double a, double b) { return a + b; }, [](Elem a, Elem b) { return a + b; });
  add.traits.post_op_binary = add.traits.commutative = add.traits.accumulates_gradients = true;
  add.traits.accepts_unary_post_ops = true;
  add.gradient = [](GradientContext& c) {
    for (int i : {0, 1}) c.SetInputGrad(i, c.OutputGrad());
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(add));

  OpDef mul = Binary("T.Mul", [](double a, double b) { return a * b; }, [](Elem a, Elem b) { return a * b; });
  mul.traits.commutative = true;
  mul.gradient = [](GradientContext& c) -> absl::Status {
    for (int i : {0, 1}) {
      if (!c.NeedsGrad(i)) continue;
      ATH_ASSIGN_OR_RETURN(ValueId grad, c.Emit("T.Mul", {c.OutputGrad(), c.Input(1 - i)}));
      c.SetInputGrad(i, grad);
    }
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(mul));

  OpDef sub = Binary("T.Sub", [](double a, double b) { return a - b; }, [](Elem a, Elem b) { return a - b; });
  sub.traits.post_op_binary = true;
  OpRegistry::Get().Register(std::move(sub));
}

// T.Sum: all elements to a scalar. T.Fill(s, like): the scalar in like's shape. T.Iota {n}: 0 .. n-1, from nothing.
void RegisterShapeChanging() {
  OpDef sum = Make("T.Sum", {{"x", ""}}, {{"y", ""}});
  sum.infer = [](InferContext& c) {
    c.SetOutput(0, {c.Input(0).dtype, {}});
    return absl::OkStatus();
  };
  sum.reference = [](ReferenceContext& c) {
    for (double v : c.Input(0).data) c.Output()[0] += v;
    return absl::OkStatus();
  };
  sum.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("T.Fill", {c.OutputGrad(), c.Input(0)}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(sum));

  OpDef fill = Make("T.Fill", {{"s", ""}, {"like", ""}}, {{"y", ""}});
  fill.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(1));
    return absl::OkStatus();
  };
  fill.reference = [](ReferenceContext& c) {
    std::fill(c.Output().data.begin(), c.Output().data.end(), c.Input(0)[0]);
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(fill));

  OpDef iota = Make("T.Iota", {}, {{"y", ""}});
  iota.attributes = {{"n", AttrType::kInt, "", std::nullopt, 0, 1e15}};
  iota.infer = [](InferContext& c) {
    c.SetOutput(0, {DType::kS64, {c.attrs().Int("n")}});
    return absl::OkStatus();
  };
  iota.reference = [](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Output().size(); ++i) c.Output()[i] = static_cast<double>(i);
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(iota));
}

// T.Linear: y[n,o] = sum_i x[n,i] w[o,i] + b[o]; takes all post-ops. Its gradients by T.Times {ta, tb}.
void RegisterLinear() {
  OpDef linear = Make("T.Linear", {{"x", ""}, {"w", ""}, {"b", "", true}}, {{"y", ""}, {"extra", "", true}});
  linear.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckRank(0, "x", 2, 2));
    if (!(c.Input(0).dims[1] == c.Input(1).dims[1])) {
      return c.Error(ErrorClass::kShape, "x %s and w %s differ in their second dimension", c.Input(0).ToString(),
                     c.Input(1).ToString());
    }
    c.SetOutput(0, {c.Input(0).dtype, {c.Input(0).dims[0], c.Input(1).dims[0]}});
    c.SetOutput(1, {c.Input(0).dtype, {}});
    return absl::OkStatus();
  };
  linear.reference = [](ReferenceContext& c) {
    const DoubleTensor &x = c.Input(0), &w = c.Input(1);
    const int64_t inner = x.shape[1], outer = w.shape[0];
    for (int64_t i = 0; i < c.Output().size(); ++i) {
      double sum = c.HasInput(2) ? c.Input(2)[i % outer] : 0;
      for (int64_t k = 0; k < inner; ++k) sum += x[i / outer * inner + k] * w[i % outer * inner + k];
      c.Output()[i] = sum;
    }
    return absl::OkStatus();
  };
  linear.gradient = [](GradientContext& c) -> absl::Status {
    ATH_CHECK(!c.HasInput(2));
    if (c.NeedsGrad(0)) {
      ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("T.Times", {c.OutputGrad(), c.Input(1)}, {{"ta", false}}));
      c.SetInputGrad(0, dx);
    }
    if (c.NeedsGrad(1)) {
      ATH_ASSIGN_OR_RETURN(ValueId dw, c.Emit("T.Times", {c.OutputGrad(), c.Input(0)}, {{"ta", true}}));
      c.SetInputGrad(1, dw);
    }
    return absl::OkStatus();
  };
  linear.traits.accepts_unary_post_ops = linear.traits.accepts_binary_post_ops = true;
  linear.traits.weight_input = 1;
  linear.traits.bias_input = 2;
  linear.accepts_post_op = [](const Node& node, const PostOp&, const TensorType*) { return node.name != "proud"; };
  OpRegistry::Get().Register(std::move(linear));

  // a b, or a' b with ta.
  OpDef times = Make("T.Times", {{"a", ""}, {"b", ""}}, {{"y", ""}});
  times.attributes = {{"ta", AttrType::kBool, "", AttrValue(false)}};
  times.infer = [](InferContext& c) {
    c.SetOutput(0, {c.Input(0).dtype, {c.Input(0).dims[c.attrs().Bool("ta")], c.Input(1).dims[1]}});
    return absl::OkStatus();
  };
  times.reference = [](ReferenceContext& c) {
    const DoubleTensor &a = c.Input(0), &b = c.Input(1);
    const bool ta = c.attrs().Bool("ta");
    const int64_t columns = b.shape[1];
    for (int64_t i = 0; i < c.Output().size(); ++i) {
      for (int64_t k = 0; k < b.shape[0]; ++k) {
        int64_t row = i / columns;
        c.Output()[i] += a[ta ? k * a.shape[1] + row : row * a.shape[1] + k] * b[k * columns + i % columns];
      }
    }
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(times));
}

// T.Norm: y = x * scale[c] + shift[c] outside training. In training it saves statistics, and knows fuse_relu.
void RegisterNorm() {
  OpDef norm = Make("T.Norm", {{"x", ""}, {"scale", ""}, {"shift", ""}},
                    {{"y", ""}, {"stats", "", true}, {"workspace", "", true}});
  norm.attributes = {{"training", AttrType::kBool, "", AttrValue(false)},
                     {"fuse_relu", AttrType::kBool, "", AttrValue(false)}};
  norm.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    c.SetOutput(1, c.Input(1));
    c.SetOutput(2, {DType::kU8, c.Input(0).dims});
    return absl::OkStatus();
  };
  norm.reference = [](ReferenceContext& c) {
    const DoubleTensor &scale = c.Input(1), &shift = c.Input(2);
    for (int64_t i = 0; i < c.Output().size(); ++i) {
      c.Output()[i] = c.Input(0)[i] * scale[i % scale.size()] + shift[i % shift.size()];
    }
    return absl::OkStatus();
  };
  norm.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(auto grads, c.EmitMulti("T.NormGrad", {c.Input(0), c.OutputGrad(), c.Output(1)}, {}, 3));
    for (int i : {0, 1, 2}) c.SetInputGrad(i, grads[i]);
    return absl::OkStatus();
  };
  norm.traits.phase_attr = "training";
  norm.traits.gradient_outputs = {1};
  norm.traits.fused_relu_workspace_output = 2;
  norm.traits.accepts_unary_post_ops = true;
  norm.channel_affine = [](const Node& node,
                           absl::Span<const DoubleTensor* const> inputs) -> std::optional<ChannelAffine> {
    if (node.attrs.Bool("training") || inputs[1] == nullptr || inputs[2] == nullptr) return std::nullopt;
    return ChannelAffine{*inputs[1], *inputs[2]};
  };
  OpRegistry::Get().Register(std::move(norm));

  OpDef grad = Make("T.NormGrad", {{"x", ""}, {"dy", ""}, {"stats", ""}, {"workspace", "", true}},
                    {{"dx", ""}, {"dscale", "", true}, {"dshift", "", true}});
  grad.attributes = {{"fuse_relu", AttrType::kBool, "", AttrValue(false)}};
  grad.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    for (int i : {1, 2}) c.SetOutput(i, c.Input(2));
    return absl::OkStatus();
  };
  grad.reference = [](ReferenceContext& c) {
    c.Output() = c.Input(1);
    return absl::OkStatus();
  };
  grad.traits.fused_relu_workspace_input = 3;
  OpRegistry::Get().Register(std::move(grad));
}

// T.Same vanishes; T.Twice is x + x; T.Four is T.Twice of T.Twice; T.Forever expands to itself; T.Swap gives its inputs
// back in the other order; T.Odd expands to another type.
void RegisterExpanding() {
  auto expanding = [](const std::string& name, ExpandFn expand, double factor = 1) {
    OpDef def = Unary(name, [](double x) { return x; });
    if (factor == 2) def = Unary(name, [](double x) { return 2 * x; });
    def.expand = std::move(expand);
    def.gradient = [factor](GradientContext& c) -> absl::Status {
      ValueId dx = c.OutputGrad();
      if (factor == 2) {
        ATH_ASSIGN_OR_RETURN(dx, c.Emit("T.Add", {dx, dx}));
      }
      c.SetInputGrad(0, dx);
      return absl::OkStatus();
    };
    OpRegistry::Get().Register(std::move(def));
  };
  auto to = [](const std::string& op, bool twice) -> ExpandFn {
    return [op, twice](ExpandContext& c) -> absl::Status {
      std::vector<ValueId> inputs(twice ? 2 : 1, c.Input(0));
      ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit(op, inputs));
      c.SetOutput(0, y);
      return absl::OkStatus();
    };
  };
  expanding("T.Same", [](ExpandContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  });
  expanding("T.Twice", to("T.Add", true), 2);
  expanding("T.Forever", to("T.Forever", false));
  expanding("T.Odd", to("T.Sum", false));
  expanding("T.Lazy", [](ExpandContext&) { return absl::OkStatus(); });
  expanding("T.Four", [](ExpandContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId two, c.Emit("T.Twice", {c.Input(0)}));
    ATH_ASSIGN_OR_RETURN(ValueId four, c.Emit("T.Twice", {two}));
    c.SetOutput(0, four);
    return absl::OkStatus();
  });

  OpDef swap = Make("T.Swap", {{"a", ""}, {"b", ""}}, {{"b", "", true}, {"a", "", true}});
  swap.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(1));
    c.SetOutput(1, c.Input(0));
    return absl::OkStatus();
  };
  swap.reference = [](ReferenceContext& c) {
    if (c.HasOutput(0)) c.Output(0) = c.Input(1);
    if (c.HasOutput(1)) c.Output(1) = c.Input(0);
    return absl::OkStatus();
  };
  swap.expand = [](ExpandContext& c) {
    for (int i : {0, 1}) {
      if (c.HasOutput(i)) c.SetOutput(i, c.Input(1 - i));
    }
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(swap));
}

// T.Print has an effect; T.Sgd and T.Momentum are optimizers; T.Pair has an optional second output.
void RegisterOthers() {
  OpDef print = Unary("T.Print", [](double x) { return x; });
  print.traits.pure = false;
  OpRegistry::Get().Register(std::move(print));

  OpDef pair = Make("T.Pair", {{"x", ""}}, {{"y", ""}, {"z", "", true}});
  pair.infer = [](InferContext& c) {
    for (int i : {0, 1}) c.SetOutput(i, c.Input(0));
    return absl::OkStatus();
  };
  pair.reference = [](ReferenceContext& c) {
    for (int i : {0, 1}) {
      if (c.HasOutput(i)) c.Output(i) = c.Input(0);
    }
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(pair));

  OpDef norm = Make("T.GlobalNorm", {{.name = "x", .variadic = true}}, {{"norm", ""}, {"scale", "", true}});
  norm.attributes = {{"max_norm", AttrType::kFloat, "", AttrValue(0.0)}};
  norm.infer = [](InferContext& c) {
    for (int i : {0, 1}) c.SetOutput(i, TensorType(DType::kF32, {}));
    return absl::OkStatus();
  };
  norm.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  norm.traits.norm_of_gradients = true;
  OpRegistry::Get().Register(std::move(norm));

  OpDef accumulate = Make("T.Accumulate", {{"sum", ""}, {"grad", ""}, {"share", ""}, {"param", "", true}},
                          {{"sum", ""}, {"total", "", true}});
  accumulate.infer = [](InferContext& c) {
    for (int i : {0, 1}) c.SetOutput(i, c.Input(0));
    return absl::OkStatus();
  };
  accumulate.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  accumulate.traits.accumulates_parts = true;
  OpRegistry::Get().Register(std::move(accumulate));

  OpDef average = Make("T.Average", {{"average", ""}, {"param", ""}, {"step", ""}}, {{"average", ""}});
  average.attributes = {{"decay", AttrType::kFloat, "", std::nullopt, 0.0, 1.0},
                        {"warmup", AttrType::kBool, "", AttrValue(false)}};
  average.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  average.traits.averages_parameters = true;
  OpRegistry::Get().Register(std::move(average));

  OpDef statistics = Make("T.Statistics", {{"x", ""}, {"minus", "", true}}, {{"statistics", ""}});
  statistics.attributes = {{"axis", AttrType::kInt, "", AttrValue(int64_t{-1})},
                           {"bounds", AttrType::kFloats, "", AttrValue(Floats{})}};
  statistics.infer = [](InferContext& c) {
    c.SetOutput(0, TensorType(DType::kF32, {9}));
    return absl::OkStatus();
  };
  statistics.reference = [](ReferenceContext&) { return absl::OkStatus(); };
  statistics.traits.gives_statistics = true;
  OpRegistry::Get().Register(std::move(statistics));

  OpDef sgd = Make("T.Sgd", {{"w", ""}, {"dw", ""}, {"lr", ""}}, {{"w", ""}});
  sgd.traits.optimizer = true;
  sgd.traits.optimizer_scalars = {"lr"};
  sgd.reference = [](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Output().size(); ++i) c.Output()[i] = c.Input(0)[i] - c.Input(2)[0] * c.Input(1)[i];
    return absl::OkStatus();
  };
  OpRegistry::Get().Register(std::move(sgd));

  OpDef momentum =
      Make("T.Momentum", {{"w", ""}, {"dw", ""}, {"m", ""}, {"lr", ""}, {"step", ""}, {"grad_scale", "", true}},
           {{"w", ""}, {"m", ""}});
  momentum.attributes = {{"decay", AttrType::kFloat, "", AttrValue(0.5), 0.0, 1.0}};
  momentum.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    c.SetOutput(1, c.Input(2));
    return absl::OkStatus();
  };
  momentum.reference = [](ReferenceContext& c) {
    for (int64_t i = 0; i < c.Output().size(); ++i) {
      c.Output(1)[i] = c.attrs().Float("decay") * c.Input(2)[i] + c.Input(1)[i];
      c.Output(0)[i] = c.Input(0)[i] - c.Input(3)[0] * c.Output(1)[i];
    }
    return absl::OkStatus();
  };
  momentum.traits.optimizer = true;
  momentum.traits.optimizer_slots = {"m"};
  momentum.traits.optimizer_scalars = {"lr", "step"};
  OpRegistry::Get().Register(std::move(momentum));
}

[[maybe_unused]] const bool kRegistered = [] {
  RegisterUnary();
  RegisterBinary();
  RegisterShapeChanging();
  RegisterLinear();
  RegisterNorm();
  RegisterExpanding();
  RegisterOthers();
  return true;
}();

}  // namespace
}  // namespace athanor
