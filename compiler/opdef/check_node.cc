#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

// Errors of this file are made without the node; CheckNode puts it in front.

int NumRequired(const std::vector<PortDef>& ports) {
  int required = 0;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!ports[i].optional) required = static_cast<int>(i) + 1;
  }
  return required;
}

// That the number of `what` ("inputs") fits the ports.
absl::Status CheckCount(const std::vector<PortDef>& ports, absl::string_view what, int count) {
  const int most = static_cast<int>(ports.size()), least = NumRequired(ports);
  const bool variadic = !ports.empty() && ports.back().variadic;
  if (count >= least && (count <= most || variadic)) return absl::OkStatus();
  std::string expected = variadic        ? absl::StrCat("at least ", least)
                         : least == most ? absl::StrCat(least)
                                         : absl::StrCat(least, " to ", most);
  return MakeError(ErrorClass::kGraph, "has %d %s, expected %s", count, what, expected);
}

absl::Status CheckInputs(const OpDef& def, const Node& node) {
  const int count = NumOwnInputs(node);
  ATH_RETURN_IF_ERROR(CheckCount(def.inputs, "inputs", count));
  for (int i = 0; i < count; ++i) {
    const PortDef& port = InputPort(def, i);
    if (!port.optional && node.inputs[i] == kNoValue) {
      return MakeError(ErrorClass::kGraph, "input %d (\"%s\") is required", i, port.name);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOutputs(const OpDef& def, const Node& node) {
  const int count = static_cast<int>(node.outputs.size());
  ATH_RETURN_IF_ERROR(CheckCount(def.outputs, "outputs", count));
  for (int i = 0; i < count; ++i) {
    const PortDef& port = OutputPort(def, i);
    if (!port.optional && node.outputs[i] == kNoValue) {
      return MakeError(ErrorClass::kGraph, "output %d (\"%s\") is required", i, port.name);
    }
  }
  return absl::OkStatus();
}

// Also false for NaN.
bool InRange(const AttrDef& def, double v) {
  bool above = def.min_exclusive ? v > def.min : v >= def.min;
  bool below = def.max_exclusive ? v < def.max : v <= def.max;
  return above && below;
}

std::string RangeToString(const AttrDef& def) {
  return absl::StrFormat("%c%g, %g%c", def.min_exclusive ? '(' : '[', def.min, def.max, def.max_exclusive ? ')' : ']');
}

absl::Status CheckNumber(const AttrDef& def, double v, const AttrValue& whole) {
  if (InRange(def, v)) return absl::OkStatus();
  return MakeError(ErrorClass::kAttr, "attribute \"%s\" = %s is not in %s", def.name, AttrToString(whole),
                   RangeToString(def));
}

absl::Status CheckChoice(const AttrDef& def, const std::string& v) {
  if (def.choices.empty() || std::find(def.choices.begin(), def.choices.end(), v) != def.choices.end()) {
    return absl::OkStatus();
  }
  return MakeError(ErrorClass::kAttr, "attribute \"%s\" = %s is not one of %s", def.name, AttrToString(v),
                   absl::StrJoin(def.choices, ", "));
}

absl::Status CheckValue(const AttrDef& def, const AttrValue& v) {
  if (const auto* i = std::get_if<int64_t>(&v)) return CheckNumber(def, static_cast<double>(*i), v);
  if (const auto* f = std::get_if<double>(&v)) return CheckNumber(def, *f, v);
  if (const auto* s = std::get_if<std::string>(&v)) return CheckChoice(def, *s);
  if (const auto* ints = std::get_if<Ints>(&v)) {
    for (int64_t i : *ints) ATH_RETURN_IF_ERROR(CheckNumber(def, static_cast<double>(i), v));
  }
  if (const auto* floats = std::get_if<Floats>(&v)) {
    for (double f : *floats) ATH_RETURN_IF_ERROR(CheckNumber(def, f, v));
  }
  if (const auto* strings = std::get_if<Strings>(&v)) {
    for (const std::string& s : *strings) ATH_RETURN_IF_ERROR(CheckChoice(def, s));
  }
  return absl::OkStatus();
}

// An int where a float is asked for is what people write: 1 for 1.0.
AttrValue Widened(AttrValue v, AttrType wanted) {
  if (wanted == AttrType::kFloat && TypeOf(v) == AttrType::kInt) return static_cast<double>(std::get<int64_t>(v));
  if (wanted == AttrType::kFloats && TypeOf(v) == AttrType::kInts) {
    const Ints& ints = std::get<Ints>(v);
    return Floats(ints.begin(), ints.end());
  }
  return v;
}

absl::Status CheckAttributes(const OpDef& def, Attributes& attrs) {
  for (const auto& [name, value] : attrs.items()) {
    auto has_name = [&name = name](const AttrDef& a) { return a.name == name; };
    if (std::none_of(def.attributes.begin(), def.attributes.end(), has_name)) {
      auto each = [](std::string* out, const AttrDef& a) { out->append(a.name); };
      std::string known = def.attributes.empty() ? "none" : absl::StrJoin(def.attributes, ", ", each);
      return MakeError(ErrorClass::kAttr, "has no attribute \"%s\"; it has: %s", name, known);
    }
  }
  for (const AttrDef& a : def.attributes) {
    const AttrValue* given = attrs.Find(a.name);
    if (given == nullptr && !a.default_value) {
      return MakeError(ErrorClass::kAttr, "attribute \"%s\" is required", a.name);
    }
    AttrValue value = given == nullptr ? *a.default_value : Widened(*given, a.type);
    if (TypeOf(value) != a.type) {
      return MakeError(ErrorClass::kAttr, "attribute \"%s\" = %s is of type %s, expected %s", a.name,
                       AttrToString(value), AttrTypeName(TypeOf(value)), AttrTypeName(a.type));
    }
    // A default may lie outside the range on purpose: it is a mark for "not given".
    if (given != nullptr && (!a.default_value || value != *a.default_value)) ATH_RETURN_IF_ERROR(CheckValue(a, value));
    attrs.Set(a.name, std::move(value));
  }
  return absl::OkStatus();
}

absl::Status CheckPostOp(const Node& node, PostOp& post) {
  const OpDef* def = OpRegistry::Get().Find(post.op);
  if (def == nullptr) return MakeError(ErrorClass::kVersion, "this build has no post-op \"%s\"", post.op);
  bool binary = post.operand != -1;
  if (!(binary ? def->traits.post_op_binary : def->traits.post_op_unary)) {
    return MakeError(ErrorClass::kGraph, "\"%s\" cannot be a post-op %s an operand", post.op,
                     binary ? "with" : "without");
  }
  if (binary && (post.operand < 0 || post.operand >= static_cast<int>(node.inputs.size()) ||
                 node.inputs[post.operand] == kNoValue)) {
    return MakeError(ErrorClass::kGraph, "post-op \"%s\" reads input %d of %d", post.op, post.operand,
                     node.inputs.size());
  }
  return AddContext(CheckAttributes(*def, post.attrs), absl::StrCat("post-op \"", post.op, "\""));
}

absl::Status CheckPostOps(Node& node) {
  std::vector<bool> read(node.inputs.size(), false);
  for (PostOp& post : node.post_ops) {
    ATH_RETURN_IF_ERROR(CheckPostOp(node, post));
    if (post.operand >= 0) read[post.operand] = true;
  }
  for (size_t i = NumOwnInputs(node); i < node.inputs.size(); ++i) {
    if (!read[i]) return MakeError(ErrorClass::kGraph, "input %d is read by no post-op", i);
  }
  return absl::OkStatus();
}

// The net under all shape rules: a computed dimension below zero, or a tensor beyond 64 bits.
absl::Status CheckOutputTypes(const OpDef& def, const Node& node, absl::Span<const TensorType> types) {
  for (size_t i = 0; i < types.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    ATH_CHECK(types[i].dtype != DType::kUndefined);  // or the shape rule forgot this output
    Shape known;
    for (const Dim& d : types[i].dims) known.push_back(d.symbolic() ? 1 : d.size);
    absl::Status status = NumBytes(types[i].dtype, known).status();
    if (!status.ok()) return AddContext(status, absl::StrCat("output \"", OutputPort(def, i).name, "\""));
  }
  return absl::OkStatus();
}

absl::Status InferPostOps(const Node& node, absl::Span<const TensorType> inputs, const TensorType& result) {
  for (const PostOp& post : node.post_ops) {
    const OpDef* def = OpRegistry::Get().Find(post.op);
    Node as_node{post.op, node.name, {0}, {0}, post.attrs, {}, node.where};
    std::vector<TensorType> types = {result};
    if (post.operand >= 0) {
      as_node.inputs.push_back(1);
      types.push_back(inputs[post.operand]);
    }
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> out, InferTypes(*def, as_node, types));
    if (!(out[0] == result)) {
      return MakeError(ErrorClass::kShape, "%s: post-op \"%s\" would make %s of %s", DescribeNode(node), post.op,
                       out[0].ToString(), result.ToString());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNode(const OpDef& def, Node& node) {
  auto check = [&]() -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckInputs(def, node));
    ATH_RETURN_IF_ERROR(CheckOutputs(def, node));
    ATH_RETURN_IF_ERROR(CheckAttributes(def, node.attrs));
    return CheckPostOps(node);
  };
  return AddContext(check(), DescribeNode(node));
}

absl::StatusOr<std::vector<TensorType>> InferTypes(const OpDef& def, Node& node, absl::Span<const TensorType> inputs) {
  ATH_CHECK(inputs.size() == node.inputs.size());
  ATH_RETURN_IF_ERROR(CheckNode(def, node));
  // A shape rule may set every output there is, wanted or not.
  std::vector<TensorType> outputs(std::max(def.outputs.size(), node.outputs.size()));
  InferContext context(node, inputs.first(NumOwnInputs(node)), &outputs);
  ATH_RETURN_IF_ERROR(def.infer(context));
  outputs.resize(node.outputs.size());
  ATH_RETURN_IF_ERROR(AddContext(CheckOutputTypes(def, node, outputs), DescribeNode(node)));
  if (!node.post_ops.empty()) ATH_RETURN_IF_ERROR(InferPostOps(node, inputs, outputs[0]));
  return outputs;
}

}  // namespace athanor
