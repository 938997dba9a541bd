#include "compiler/gradcheck/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "compiler/gradcheck/compiled_gradients.h"
#include "compiler/gradcheck/random_inputs.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/passes.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

constexpr double kStepShrink = 0.1;  // from one measurement of a disagreement to the next
constexpr int kMeasurements = 3;
constexpr double kLeastOfLargest = 1e-3;
constexpr double kRoundings = 16;  // of the loss, in units of its last place, that a difference may consist of

using Tensors = Interpreter::Tensors;

absl::Status CheckOptions(const GradcheckOptions& o) {
  auto positive = [](double v) { return v > 0 && std::isfinite(v); };
  if (!positive(o.step)) return MakeError(ErrorClass::kReq, "step = %g is not a number above 0", o.step);
  if (!positive(o.tolerance)) return MakeError(ErrorClass::kReq, "tolerance = %g is not a number above 0", o.tolerance);
  if (!positive(o.compiled_tolerance)) {
    return MakeError(ErrorClass::kReq, "compiled tolerance = %g is not a number above 0", o.compiled_tolerance);
  }
  if (o.samples < 1) return MakeError(ErrorClass::kReq, "samples = %d is below 1", o.samples);
  return absl::OkStatus();
}

absl::StatusOr<const GraphEntry*> ChooseEntry(const Graph& model, const std::string& name) {
  if (!name.empty() || model.FindEntry("train") != nullptr) {
    const GraphEntry* entry = model.FindEntry(name.empty() ? "train" : name);
    if (entry == nullptr) return MakeError(ErrorClass::kReq, "model \"%s\" has no entry \"%s\"", model.name, name);
    if (entry->loss != kNoValue) return entry;
    return MakeError(ErrorClass::kReq, "entry \"%s\" has no loss to differentiate", entry->name);
  }
  const GraphEntry* found = nullptr;
  for (const GraphEntry& entry : model.entries) {
    if (entry.loss == kNoValue) continue;
    if (found != nullptr) {
      return MakeError(ErrorClass::kReq, "entries \"%s\" and \"%s\" both have a loss: name one", found->name,
                       entry.name);
    }
    found = &entry;
  }
  if (found == nullptr) return MakeError(ErrorClass::kReq, "model \"%s\" has no entry with a loss", model.name);
  return found;
}

using Pass = absl::StatusOr<Graph> (*)(Graph, const CompileOptions&);

absl::StatusOr<Interpreter> Prepare(Graph graph, std::initializer_list<Pass> passes, const CompileOptions& options,
                                    Graph* result) {
  for (Pass pass : passes) {
    ATH_ASSIGN_OR_RETURN(graph, pass(std::move(graph), options));
  }
  graph.entries[0].updates.clear();  // every run starts from the same variables
  *result = graph;
  return Interpreter::Create(graph, graph.entries[0].name);
}

// The elements to check: all, or some that Philox chooses, in order.
std::vector<int64_t> ChooseElements(int64_t size, int64_t samples, uint64_t seed, uint64_t stream) {
  std::set<int64_t> chosen;
  if (size <= samples) {
    for (int64_t i = 0; i < size; ++i) chosen.insert(i);
  }
  const Philox random(seed, Philox::MixStream(stream, 0x67726164));
  for (uint64_t i = 0; size > samples && static_cast<int64_t>(chosen.size()) < samples; ++i) {
    const std::array<uint32_t, 4> block = random.Block(i);
    const uint64_t bits = (uint64_t{block[0]} << 32) | block[1];
    chosen.insert(static_cast<int64_t>(bits % static_cast<uint64_t>(size)));
  }
  return {chosen.begin(), chosen.end()};
}

Shape IndexOf(int64_t element, const Shape& shape) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = element % shape[d];
    element /= shape[d];
  }
  return index;
}

class Checker {
 public:
  Checker(const GradcheckOptions& options, Interpreter forward, Tensors inputs)
      : o_(options), forward_(std::move(forward)), inputs_(std::move(inputs)) {}

  absl::StatusOr<double> Loss() {
    ATH_ASSIGN_OR_RETURN(Tensors out, forward_.Run(inputs_));
    return out.at("loss")[0];
  }

  // Measures some elements of a parameter and adds them to the report.
  absl::Status Check(const std::string& name, const TensorType& type, const DoubleTensor& analytic, double loss,
                     GradcheckReport* report) {
    loss_ = loss;
    GradcheckParameter p;
    p.name = name;
    p.type = type;
    p.elements = analytic.size();
    for (double g : analytic.data) p.largest = std::fabs(g) <= p.largest ? p.largest : std::fabs(g);  // NaN is larger
    const DoubleTensor original = forward_.variables().at(name);
    for (int64_t element :
         ChooseElements(p.elements, o_.samples, o_.seed, static_cast<uint64_t>(report->parameters.size()))) {
      ATH_ASSIGN_OR_RETURN(GradcheckElement e, CheckElement(name, original, element, analytic[element], p.largest));
      e.index = IndexOf(element, original.shape);
      ++p.checked;
      p.kinks += e.kink;
      p.wrong += !e.agrees;
      if (!e.kink) {
        p.worst_relative = std::max(p.worst_relative, e.relative);
        p.worst_absolute = std::max(p.worst_absolute, e.absolute);
      }
      report->elements.push_back(std::move(e));
    }
    p.passed = p.wrong == 0;
    report->parameters.push_back(std::move(p));
    return forward_.SetVariable(name, original);
  }

 private:
  struct Slopes {
    double left, right, central, least;
  };

  absl::StatusOr<double> LossAt(const std::string& name, DoubleTensor moved, int64_t element, double value) {
    moved[element] = value;
    ATH_RETURN_IF_ERROR(forward_.SetVariable(name, std::move(moved)));
    return Loss();
  }

  absl::StatusOr<Slopes> Measure(const std::string& name, const DoubleTensor& w, int64_t element, double step,
                                 double largest) {
    const double middle = w[element], h = step * std::max(1.0, std::fabs(middle));
    const double above = middle + h, below = middle - h;
    ATH_ASSIGN_OR_RETURN(double up, LossAt(name, w, element, above));
    ATH_ASSIGN_OR_RETURN(double down, LossAt(name, w, element, below));
    const double noise = kRoundings * std::numeric_limits<double>::epsilon() * std::max(1.0, std::fabs(loss_)) / h;
    return Slopes{(loss_ - down) / (middle - below), (up - loss_) / (above - middle), (up - down) / (above - below),
                  std::max(kLeastOfLargest * largest, noise / o_.tolerance)};
  }

  static double Relative(double a, double b, double least) {
    const double error = std::fabs(a - b) / std::max({std::fabs(a), std::fabs(b), least});
    return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }

  absl::StatusOr<GradcheckElement> CheckElement(const std::string& name, const DoubleTensor& w, int64_t element,
                                                double analytic, double largest) {
    GradcheckElement e;
    e.parameter = name;
    e.analytic = analytic;
    double step = o_.step;
    for (int k = 0; k < kMeasurements; ++k, step *= kStepShrink) {
      ATH_ASSIGN_OR_RETURN(Slopes s, Measure(name, w, element, step, largest));
      const double relative = Relative(analytic, s.central, s.least);
      if (k == 0) {
        e.numeric = s.central;
        e.absolute = std::fabs(analytic - s.central);
        e.relative = relative;
        if (relative <= o_.tolerance) return e;
      } else if (relative <= o_.tolerance && std::fabs(analytic - s.central) < 0.1 * e.absolute) {
        e.kink = true;  // the larger step went over a bend that this one does not reach
        return e;
      }
      const double slack = o_.tolerance * s.least;
      const bool between =
          analytic >= std::min(s.left, s.right) - slack && analytic <= std::max(s.left, s.right) + slack;
      if (k == kMeasurements - 1 && between && Relative(s.left, s.right, s.least) > kBend) {
        e.kink = true;  // at the element itself
        return e;
      }
    }
    e.agrees = false;
    return e;
  }

  // A smooth function's slopes on both sides of a step this small differ by less.
  static constexpr double kBend = 1e-2;

  const GradcheckOptions& o_;
  Interpreter forward_;
  const Tensors inputs_;
  double loss_ = 0;
};

absl::Status CompareCompiled(const Graph& model, const CompileOptions& options, const Tensors& inputs,
                             const Tensors& analytic, GradcheckReport* report) {
  ATH_ASSIGN_OR_RETURN(Tensors compiled, CompiledGradients(model, options, inputs));
  for (GradcheckParameter& p : report->parameters) {
    auto got = compiled.find("grad:" + p.name);
    auto want = analytic.find("grad:" + p.name);
    if (got == compiled.end() || want == analytic.end()) continue;
    double error = 0;
    for (int64_t i = 0; i < want->second.size(); ++i) {
      const double e = std::fabs(got->second[i] - want->second[i]);
      if (!(e <= error)) error = e;  // NaN counts as larger
    }
    p.compiled_error = p.largest > 0 ? error / p.largest : error;
    p.passed &= *p.compiled_error <= report->compiled_tolerance;
  }
  return absl::OkStatus();
}

// Failures first, kinks last, the larger errors before the smaller.
void SortElements(std::vector<GradcheckElement>* elements) {
  std::stable_sort(elements->begin(), elements->end(), [](const GradcheckElement& a, const GradcheckElement& b) {
    if (a.agrees != b.agrees) return b.agrees;
    if (a.kink != b.kink) return b.kink;
    return a.relative > b.relative;
  });
}

std::string IndexText(const GradcheckElement& e) { return absl::StrCat(e.parameter, ShapeToString(e.index)); }

}  // namespace

bool GradcheckReport::passed() const {
  return std::all_of(parameters.begin(), parameters.end(), [](const GradcheckParameter& p) { return p.passed; });
}

std::string GradcheckReport::Failure() const {
  if (passed()) return "";
  if (!elements.empty() && !elements[0].agrees) {
    const GradcheckElement& e = elements[0];
    return absl::StrFormat(
        "the gradient of parameter \"%s\" is wrong: at %s it is %.9g, finite differences give %.9g; the relative error "
        "%.2g is above the tolerance %.2g",
        e.parameter, IndexText(e), e.analytic, e.numeric, e.relative, tolerance);
  }
  const GradcheckParameter* worst = nullptr;
  for (const GradcheckParameter& p : parameters) {
    if (!p.passed && (worst == nullptr || p.compiled_error.value_or(0) > worst->compiled_error.value_or(0))) worst = &p;
  }
  return absl::StrFormat(
      "the compiled gradient of parameter \"%s\" differs from the interpreter's by %.2g of its largest element, above "
      "the tolerance %.2g",
      worst->name, worst->compiled_error.value_or(0), compiled_tolerance);
}

absl::StatusOr<GradcheckReport> Gradcheck(const Graph& model, const GradcheckOptions& options) {
  ATH_RETURN_IF_ERROR(CheckOptions(options));
  ATH_ASSIGN_OR_RETURN(const GraphEntry* entry, ChooseEntry(model, options.entry));
  CompileOptions compile;
  compile.entries = {{entry->name, options.symbols}};
  compile.threads = options.threads;
  compile.gradients_as_outputs = true;
  Graph plain, differentiated;
  ATH_ASSIGN_OR_RETURN(
      Interpreter forward,
      Prepare(model, {SelectEntry, FixSymbols, InferShapes, SelectPhase, AddRngInputs}, compile, &plain));
  ATH_ASSIGN_OR_RETURN(Interpreter backward, Prepare(plain, {Expand, Differentiate}, compile, &differentiated));

  GradcheckReport report;
  report.entry = entry->name;
  report.tolerance = options.tolerance;
  report.compiled_tolerance = options.compiled_tolerance;
  ATH_ASSIGN_OR_RETURN(report.ranges, ChooseRanges(plain, *entry, options.ranges));
  const Tensors inputs = RandomInputs(plain, report.ranges, options.seed);
  absl::StatusOr<Tensors> analytic = backward.Run(inputs);
  if (!analytic.ok() && ErrorClassOf(analytic.status()) == "INDEX") {
    return MakeError(ErrorClass::kReq, "random inputs do not suit the model; give it ranges: %s",
                     analytic.status().message());
  }
  if (!analytic.ok()) return analytic.status();
  Checker checker(options, std::move(forward), inputs);
  ATH_ASSIGN_OR_RETURN(report.loss, checker.Loss());
  if (!std::isfinite(report.loss)) {
    return MakeError(ErrorClass::kData, "entry \"%s\": the loss is %g with these inputs; give them other ranges",
                     entry->name, report.loss);
  }
  for (const Value& v : plain.values) {
    auto gradient = analytic->find("grad:" + v.name);
    if (v.kind != ValueKind::kParameter || gradient == analytic->end()) continue;
    ATH_RETURN_IF_ERROR(checker.Check(v.name, v.type, gradient->second, report.loss, &report));
  }
  if (options.compiled) ATH_RETURN_IF_ERROR(CompareCompiled(model, compile, inputs, *analytic, &report));
  SortElements(&report.elements);
  return report;
}

}  // namespace athanor
