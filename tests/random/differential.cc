#include "tests/random/differential.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/passes.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

constexpr double kTolerance = 1e-4;  // relative to the largest magnitude of the tensor
constexpr double kLeastScale = 1e-2;
constexpr double kLeastShare = 0.02;  // of the largest gradient: what cancels out is compared with what it came from

using Tensors = Interpreter::Tensors;

CompileOptions OptionsFor(const RandomCase& c, int threads) {
  CompileOptions options;
  for (const GraphEntry& entry : c.graph.entries) options.entries.push_back({entry.name, {}});
  options.threads = threads;
  options.gradients_as_outputs = true;
  return options;
}

std::map<std::string, DoubleTensor> InputsOf(const RandomCase& c, const GraphEntry& entry) {
  std::map<std::string, DoubleTensor> inputs;
  for (const NamedValue& in : entry.inputs) {
    auto given = c.inputs.find(in.name);
    inputs[in.name] = given == c.inputs.end() ? DoubleTensor({}, 1) : DoubleTensor::From(given->second);
  }
  return inputs;
}

// The entry, differentiated where it trains, but neither fused nor planned. `nudge` moves every number given by a
// relative nudge of either sign.
absl::StatusOr<Tensors> Expected(const RandomCase& c, const std::string& entry, double nudge, uint64_t nudge_seed) {
  CompileOptions options = OptionsFor(c, 1);
  options.entries = {{entry, {}}};
  Graph g = c.graph;
  for (auto* pass : {&SelectEntry, &FixSymbols, &InferShapes, &SelectPhase, &AddRngInputs, &Expand, &Differentiate}) {
    ATH_ASSIGN_OR_RETURN(g, pass(std::move(g), options));
  }
  ATH_ASSIGN_OR_RETURN(Interpreter interpreter, Interpreter::Create(g, entry));
  Tensors inputs = InputsOf(c, g.entries[0]);
  if (nudge > 0) {
    Philox random(nudge_seed, 5);
    uint64_t drawn = 0;
    auto move = [&](DoubleTensor& t) {
      for (double& v : t.data) v *= 1 + nudge * (random.Uniform(drawn++) < 0.5f ? -1 : 1);
    };
    for (auto& [name, t] : inputs) {
      auto given = c.inputs.find(name);
      if (given != c.inputs.end() && IsFloating(given->second.dtype())) move(t);
    }
    for (const Value& v : g.values) {
      if (!IsVariable(v.kind) || !IsFloating(v.type.dtype)) continue;
      DoubleTensor t = interpreter.variables().at(v.name);
      move(t);
      ATH_RETURN_IF_ERROR(interpreter.SetVariable(v.name, std::move(t)));
    }
  }
  return interpreter.Run(inputs);
}

absl::StatusOr<Tensors> RunOnce(Session& session, int entry) {
  ATH_RETURN_IF_ERROR(session.Run(entry));
  Tensors outputs;
  for (const NamedBuffer& out : session.plan().entries[entry].outputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Output(entry, out.name));
    ATH_ASSIGN_OR_RETURN(Tensor copy, Tensor::Create(view.dtype, view.shape));
    std::memcpy(copy.data(), view.data, view.bytes);
    outputs[out.name] = DoubleTensor::From(copy);
  }
  return outputs;
}

absl::StatusOr<Tensors> RunCompiled(const RandomCase& c, Session& session, const std::string& name) {
  ATH_ASSIGN_OR_RETURN(int entry, session.FindEntry(name));
  for (const NamedBuffer& in : session.plan().entries[entry].inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Input(entry, in.name));
    auto given = c.inputs.find(in.name);
    const Tensor data = given == c.inputs.end() ? DoubleTensor(view.shape, 1).To(view.dtype) : given->second.Clone();
    ATH_CHECK(data.bytes() == view.bytes);
    std::memcpy(view.data, data.data(), data.bytes());
  }
  ATH_ASSIGN_OR_RETURN(Tensors outputs, RunOnce(session, entry));
  ATH_ASSIGN_OR_RETURN(Tensors again, RunOnce(session, entry));
  for (const auto& [output, value] : outputs) {
    const DoubleTensor& second = again.at(output);
    if (std::memcmp(second.data.data(), value.data.data(), value.data.size() * sizeof(double)) != 0) {
      return MakeError(ErrorClass::kGraph, "%s of entry %s differs in a second run", output, name);
    }
  }
  return outputs;
}

double Largest(const DoubleTensor& t) {
  double largest = 0;
  for (double v : t.data) largest = std::max(largest, std::abs(v));
  return largest;
}

double Difference(const DoubleTensor& a, const DoubleTensor& b) {
  if (a.shape != b.shape || a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= worst)) worst = std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
  }
  return worst;
}

bool IsGradient(const std::string& output) { return absl::StartsWith(output, "grad:"); }

// How far the outputs move in double when what goes in is rounded a little otherwise.
absl::StatusOr<std::map<std::string, double>> Sensitivity(const RandomCase& c, const std::string& entry,
                                                          const Tensors& expected) {
  std::map<std::string, double> moved;
  for (uint64_t i = 0; i < 6; ++i) {
    ATH_ASSIGN_OR_RETURN(Tensors nudged, Expected(c, entry, i % 2 == 0 ? 1e-6 : 1e-5, i));
    for (const auto& [name, value] : expected) moved[name] = std::max(moved[name], Difference(nudged.at(name), value));
  }
  return moved;
}

Verdict CompareOutputs(const RandomCase& c, const std::string& entry, const Tensors& got, const Tensors& expected) {
  double largest_gradient = 0;
  for (const auto& [name, want] : expected) {
    if (IsGradient(name)) largest_gradient = std::max(largest_gradient, Largest(want));
  }
  Verdict verdict;
  for (const auto& [name, want] : expected) {
    auto found = got.find(name);
    if (found == got.end()) return {absl::StrCat("entry ", entry, " has no output ", name), "values"};
    const double difference = Difference(found->second, want);
    const double scale =
        std::max({Largest(want), IsGradient(name) ? kLeastShare * largest_gradient : 0.0, kLeastScale});
    if (difference <= kTolerance * scale) continue;
    auto moved = Sensitivity(c, entry, expected);
    if (!moved.ok()) return {absl::StrCat("the interpreter: ", std::string(moved.status().message())), "interpret"};
    if (difference > 10 * moved->at(name)) {
      return {absl::StrFormat("%s of entry %s differs by %.3g; its largest magnitude is %.3g, and it moves by %.3g with "
                              "the rounding of what goes in",
                              name, entry, difference, Largest(want), moved->at(name)),
              "values"};
    }
    verdict.ill_conditioned = true;
  }
  return verdict;
}

}  // namespace

Verdict CompareCompiled(const RandomCase& c, int threads) {
  auto failed = [](const std::string& kind, const absl::Status& status) {
    return Verdict{absl::StrCat(kind, ": ", std::string(status.message())), kind};
  };
  auto plan = Compile(c.graph, OptionsFor(c, threads));
  if (!plan.ok()) return failed("compile", plan.status());
  SessionOptions poisoned;
  poisoned.poison = true;
  auto session = Session::Create(std::make_shared<const Plan>(*std::move(plan)), poisoned);
  if (!session.ok()) return failed("compile", session.status());
  Verdict verdict;
  for (const GraphEntry& entry : c.graph.entries) {
    auto expected = Expected(c, entry.name, 0, 0);
    if (!expected.ok()) return failed("interpret", expected.status());
    auto got = RunCompiled(c, **session, entry.name);
    if (!got.ok()) return failed("run", got.status());
    const Verdict one = CompareOutputs(c, entry.name, *got, *expected);
    if (!one.failure.empty()) return one;
    verdict.ill_conditioned |= one.ill_conditioned;
  }
  return verdict;
}

std::string CaseToText(const RandomCase& c) {
  std::string text = ToText(c.graph);
  for (const auto& [name, data] : c.inputs) {
    std::string numbers;
    const DoubleTensor values = DoubleTensor::From(data);
    for (int64_t i = 0; i < std::min<int64_t>(values.size(), 64); ++i) absl::StrAppend(&numbers, i ? "," : "", values[i]);
    absl::StrAppend(&text, "; input ", name, " = [", numbers, values.size() > 64 ? ",..." : "", "]\n");
  }
  return text;
}

}  // namespace athanor
