// The compiled plan, with the real kernels, against the interpreter.
#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "compiler/compile.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/ops/testing/layouts.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

constexpr double kLeastScale = 1e-4;  // outputs below it are compared absolutely

// A session over the only entry of the graph, its inputs filled in. The arena is poisoned.
absl::StatusOr<std::unique_ptr<Session>> MakeSession(const Graph& graph, const Interpreter::Tensors& inputs,
                                                     int threads) {
  CompileOptions options;
  options.entries = {{graph.entries[0].name, {}}};
  options.threads = threads;
  ATH_ASSIGN_OR_RETURN(Plan plan, Compile(graph, options));
  SessionOptions session_options;
  session_options.poison = true;
  ATH_ASSIGN_OR_RETURN(auto session, Session::Create(std::make_shared<const Plan>(std::move(plan)), session_options));
  ATH_ASSIGN_OR_RETURN(int entry, session->FindEntry(graph.entries[0].name));
  for (const auto& [name, value] : inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session->Input(entry, name));
    Tensor data = value.To(view.dtype);
    ATH_CHECK(view.bytes == data.bytes() && view.shape == data.shape());
    std::memcpy(view.data, data.data(), view.bytes);
  }
  return session;
}

absl::StatusOr<DoubleTensor> ReadOutput(Session& session, int entry, const std::string& name) {
  ATH_ASSIGN_OR_RETURN(TensorView view, session.Output(entry, name));
  ATH_ASSIGN_OR_RETURN(Tensor copy, Tensor::Create(view.dtype, view.shape));
  ATH_CHECK(view.bytes == copy.bytes());
  std::memcpy(copy.data(), view.data, view.bytes);
  return DoubleTensor::From(copy);
}

}  // namespace

void OpSpec::CheckCompiled(const Graph& graph, const Interpreter::Tensors& inputs,
                           const Interpreter::Tensors& expected) const {
  for (int threads : {1, 3}) {
    SCOPED_TRACE(absl::StrCat("compiled with ", threads, " threads"));
    auto session = MakeSession(graph, inputs, threads);
    ASSERT_TRUE(session.ok()) << session.status();
    if (&graph == &graph_) CheckKernels((*session)->plan());
    // A second run must not see the first one's leavings.
    for (int run = 0; run < 2; ++run) CheckRun(**session, graph, expected);
  }
  for (TestLayout layout : {TestLayout::kChannelsLast, TestLayout::kBlocked}) {
    SCOPED_TRACE(layout == TestLayout::kBlocked ? "inputs in blocks of 16 channels" : "inputs with channels last");
    bool changed = false;
    const Graph laid = WithLayouts(graph, layout, &changed);
    if (!changed) continue;
    auto session = MakeSession(laid, inputs, 2);
    ASSERT_TRUE(session.ok()) << session.status();
    CheckRun(**session, laid, expected);
  }
}

void OpSpec::CheckRun(Session& session, const Graph& graph, const Interpreter::Tensors& expected) const {
  const int entry = *session.FindEntry(graph.entries[0].name);
  absl::Status status = session.Run(entry);
  ASSERT_TRUE(status.ok()) << status;
  for (const NamedValue& out : graph.entries[0].outputs) {
    if (IsOpaque(out.value)) continue;
    auto got = ReadOutput(session, entry, out.name);
    ASSERT_TRUE(got.ok()) << got.status();
    const DoubleTensor& want = expected.at(out.name);
    const double tolerance = IsFloating(graph.type(out.value).dtype) ? tolerance_ : 0;
    EXPECT_LE(internal::RelativeError(*got, want, kLeastScale), tolerance)
        << out.name << ": " << ::testing::PrintToString(got->data) << ", the reference gives "
        << ::testing::PrintToString(want.data);
  }
}

// OpDef::kernels tells the truth. Copies and views are no kernel's own.
void OpSpec::CheckKernels(const Plan& plan) const {
  if (!def_->lower || def_->kernels.empty()) return;
  const std::vector<std::string> named = absl::StrSplit(def_->kernels, ", ");
  for (const KernelCall& call : plan.entries[0].calls) {
    if (call.kernel == "reorder" || call.kernel == "reshape" || call.name != node_.name) continue;
    EXPECT_EQ(std::count(named.begin(), named.end(), call.kernel), 1)
        << "OpDef::kernels is \"" << def_->kernels << "\", without " << call.kernel;
  }
}

void OpSpec::CheckCompiledOutputs() const {
  auto outputs = Evaluate(data_);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  Interpreter::Tensors expected;
  for (const NamedValue& out : graph_.entries[0].outputs) {
    size_t i = std::find(node_.outputs.begin(), node_.outputs.end(), out.value) - node_.outputs.begin();
    expected[out.name] = std::move((*outputs)[i]);
  }
  CheckCompiled(graph_, InputsOf(graph_), expected);
}

void OpSpec::ExpectCompiledRunError(ErrorClass error) const {
  auto session = MakeSession(graph_, InputsOf(graph_), 2);
  ASSERT_TRUE(session.ok()) << session.status();
  absl::Status status = (*session)->Run(*(*session)->FindEntry("run"));
  ASSERT_FALSE(status.ok()) << "the kernel accepted it";
  EXPECT_EQ(std::string(ErrorClassOf(status)), std::string(ErrorClassName(error))) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "\"node\"")) << "does not name the node: " << status;
}

}  // namespace athanor
