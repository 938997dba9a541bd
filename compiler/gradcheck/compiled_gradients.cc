#include "compiler/gradcheck/compiled_gradients.h"

#include <cstring>

#include "compiler/compile.h"
#include "runtime/session/session.h"

namespace athanor {

absl::StatusOr<std::map<std::string, DoubleTensor>> CompiledGradients(
    const Graph& model, const CompileOptions& options, const std::map<std::string, DoubleTensor>& inputs) {
  ATH_ASSIGN_OR_RETURN(Plan compiled, Compile(model, options));
  auto plan = std::make_shared<const Plan>(std::move(compiled));
  ATH_ASSIGN_OR_RETURN(auto session, Session::Create(plan));
  ATH_ASSIGN_OR_RETURN(int entry, session->FindEntry(plan->entries[0].name));
  for (const NamedBuffer& in : plan->entries[0].inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session->Input(entry, in.name));
    auto value = inputs.find(in.name);
    if (value == inputs.end() || value->second.shape != view.shape) {
      return MakeError(ErrorClass::kReq, "the plan's input \"%s\" has no value of its shape", in.name);
    }
    const Tensor data = value->second.To(view.dtype);
    std::memcpy(view.data, data.data(), view.bytes);
  }
  ATH_RETURN_IF_ERROR(session->Run(entry));
  std::map<std::string, DoubleTensor> outputs;
  for (const NamedBuffer& out : plan->entries[0].outputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session->Output(entry, out.name));
    ATH_ASSIGN_OR_RETURN(Tensor copy, Tensor::Create(view.dtype, view.shape));
    std::memcpy(copy.data(), view.data, view.bytes);
    outputs[out.name] = DoubleTensor::From(copy);
  }
  return outputs;
}

}  // namespace athanor
