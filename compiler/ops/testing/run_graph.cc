#include "compiler/ops/testing/run_graph.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/graph/text.h"
#include "runtime/session/session.h"

namespace athanor {

absl::StatusOr<GraphRun> RunGraph(const Graph& graph, const Interpreter::Tensors& inputs, int threads) {
  const std::string& name = graph.entries[0].name;
  CompileOptions options;
  options.entries = {{name, {}}};
  options.threads = threads;
  GraphRun run;
  ATH_ASSIGN_OR_RETURN(run.plan, Compile(graph, options));
  SessionOptions session_options;
  session_options.poison = true;
  ATH_ASSIGN_OR_RETURN(auto session, Session::Create(std::make_shared<const Plan>(run.plan), session_options));
  for (const auto& [input, value] : inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session->Input(0, input));
    const Tensor data = value.To(view.dtype);
    ATH_CHECK(view.bytes == data.bytes());
    std::memcpy(view.data, data.data(), view.bytes);
  }
  ATH_RETURN_IF_ERROR(session->Run(0));
  for (const NamedValue& output : graph.entries[0].outputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session->Output(0, output.name));
    ATH_ASSIGN_OR_RETURN(Tensor copy, Tensor::Create(view.dtype, view.shape));
    std::memcpy(copy.data(), view.data, view.bytes);
    run.got[output.name] = DoubleTensor::From(copy);
  }
  ATH_ASSIGN_OR_RETURN(auto interpreter, Interpreter::Create(graph, name));
  ATH_ASSIGN_OR_RETURN(run.want, interpreter.Run(inputs));
  return run;
}

absl::StatusOr<GraphRun> RunGraphText(const std::string& lines, const Interpreter::Tensors& inputs, int threads) {
  ATH_ASSIGN_OR_RETURN(Graph graph, ParseGraph(absl::StrCat("graph \"g\" {\n", lines, "\n}")));
  return RunGraph(graph, inputs, threads);
}

}  // namespace athanor
