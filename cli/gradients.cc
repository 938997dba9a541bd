#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/tables.h"
#include "compiler/compile.h"
#include "data/npy.h"
#include "runtime/core/file.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

struct Flags {
  std::string file, entry = "train", output;
  std::vector<std::string> inputs;
  uint64_t seed = 1;
  int threads = 0;
};

constexpr absl::string_view kGradient = "grad:";

// "x=images.npy"
absl::StatusOr<std::map<std::string, Tensor>> ReadInputs(const Flags& flags) {
  std::map<std::string, Tensor> inputs;
  for (const std::string& text : flags.inputs) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return MakeError(ErrorClass::kReq, "--input %s is not name=file.npy", text);
    }
    ATH_ASSIGN_OR_RETURN(Tensor t, ReadNpy(text.substr(equals + 1)));
    if (!inputs.emplace(text.substr(0, equals), std::move(t)).second) {
      return MakeError(ErrorClass::kReq, "--input %s: the input is given twice", text);
    }
  }
  return inputs;
}

// The sizes of the entry's symbolic dimensions, as the arrays have them.
absl::StatusOr<EntryRequest> RequestFor(const Graph& model, const std::string& name,
                                        const std::map<std::string, Tensor>& inputs) {
  const GraphEntry* entry = model.FindEntry(name);
  if (entry == nullptr || entry->loss == kNoValue) {
    return MakeError(ErrorClass::kReq, "model \"%s\" has no entry \"%s\" with a loss", model.name, name);
  }
  EntryRequest request{name, {}};
  for (const NamedValue& in : entry->inputs) {
    auto it = inputs.find(in.name);
    const TensorType& type = model.type(in.value);
    if (it == inputs.end()) {
      return MakeError(ErrorClass::kReq, "--input %s=file.npy is missing, a %s", in.name, type.ToString());
    }
    const Shape& shape = it->second.shape();
    bool fits = static_cast<int>(shape.size()) == type.rank();
    for (int d = 0; fits && d < type.rank(); ++d) {
      const Dim& dim = type.dims[d];
      fits = dim.symbolic() ? request.symbols.emplace(dim.symbol, shape[d]).first->second == shape[d] : dim.size == shape[d];
    }
    if (!fits) {
      return MakeError(ErrorClass::kShape, "input \"%s\" is %s, the array %s", in.name, type.ToString(), ShapeToString(shape));
    }
  }
  return request;
}

// Copies an array to an input: of the same type, or of numbers that fit (NumPy makes s64 and f64).
absl::Status Give(const std::string& name, const Tensor& t, const TensorView& to) {
  if (t.dtype() == to.dtype) {
    std::memcpy(to.data, t.data(), t.bytes());
    return absl::OkStatus();
  }
  if (t.dtype() == DType::kS64 && to.dtype == DType::kS32) {
    for (int64_t i = 0; i < t.num_elements(); ++i) {
      const int64_t v = t.as<int64_t>()[i];
      if (v != static_cast<int32_t>(v)) return MakeError(ErrorClass::kData, "input \"%s\": %d does not fit s32", name, v);
      static_cast<int32_t*>(to.data)[i] = static_cast<int32_t>(v);
    }
    return absl::OkStatus();
  }
  return MakeError(ErrorClass::kDtype, "input \"%s\" is %s, the array %s", name, DTypeName(to.dtype), DTypeName(t.dtype()));
}

// The inputs that the compiler adds: what chooses the random numbers of dropout.
absl::Status GiveAll(const Flags& flags, const std::map<std::string, Tensor>& inputs, const Entry& entry, Session& session) {
  for (const auto& [name, tensor] : inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Input(0, name));
    ATH_RETURN_IF_ERROR(Give(name, tensor, view));
  }
  for (const NamedBuffer& in : entry.inputs) {
    if (inputs.contains(in.name)) continue;
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Input(0, in.name));
    if (view.dtype != DType::kS64) return MakeError(ErrorClass::kReq, "--input %s=file.npy is missing", in.name);
    *static_cast<int64_t*>(view.data) = in.name == "seed" ? static_cast<int64_t>(flags.seed) : 1;
  }
  return absl::OkStatus();
}

absl::Status WriteOutputs(const Flags& flags, const Entry& entry, Session& session) {
  std::vector<std::vector<std::string>> rows = {{"gradient of", "shape", "norm", "largest"}};
  for (const NamedBuffer& out : entry.outputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, session.Output(0, out.name));
    ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(view.dtype, view.shape));
    std::memcpy(t.data(), view.data, view.bytes);
    absl::string_view name = out.name;
    const bool gradient = absl::ConsumePrefix(&name, kGradient);
    if (name.find('/') != name.npos) return MakeError(ErrorClass::kPath, "\"%s\" cannot be a file name", name);
    ATH_RETURN_IF_ERROR(WriteNpy(absl::StrCat(flags.output, gradient ? "/" : "/outputs/", name, ".npy"), t));
    if (!gradient) continue;
    double squares = 0, largest = 0;
    for (float v : t.as<float>()) {
      squares += static_cast<double>(v) * v;
      largest = std::max(largest, std::abs(static_cast<double>(v)));
    }
    rows.push_back({std::string(name), ShapeToString(view.shape), absl::StrFormat("%.6g", std::sqrt(squares)),
                    absl::StrFormat("%.6g", largest)});
  }
  std::printf("%s", FormatTable(rows).c_str());
  return absl::OkStatus();
}

absl::StatusOr<int> Gradients(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(auto inputs, ReadInputs(flags));
  ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(flags.file, 1));
  CompileOptions options;
  ATH_ASSIGN_OR_RETURN(EntryRequest request, RequestFor(model, flags.entry, inputs));
  options.entries = {request};
  options.threads = flags.threads;
  options.gradients_as_outputs = true;
  ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.output));
  ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.output + "/outputs"));
  ATH_ASSIGN_OR_RETURN(Plan compiled, Compile(model, options));
  auto plan = std::make_shared<const Plan>(std::move(compiled));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::Create(plan));
  ATH_RETURN_IF_ERROR(GiveAll(flags, inputs, plan->entries[0], *session));
  ATH_RETURN_IF_ERROR(session->Run(0));
  ATH_RETURN_IF_ERROR(WriteOutputs(flags, plan->entries[0], *session));
  std::printf("wrote %s: an array a parameter, the entry's own outputs in outputs/\n", flags.output.c_str());
  return kExitOk;
}

}  // namespace

void AddGradients(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("gradients", "Write the gradients of a model's loss on given inputs, to compare them with "
                                                  "another framework's");
  sub->add_option("file", flags->file, "model (.ath)")->required();
  sub->add_option("--input", flags->inputs, "array of an input of the entry, name=file.npy; once for each")->required();
  sub->add_option("-o,--output", flags->output, "folder: <parameter>.npy for each, outputs/loss.npy and so on")->required();
  sub->add_option("--entry", flags->entry, "an entry with a loss; train: in the phase of training")->capture_default_str();
  sub->add_option("--seed", flags->seed, "of dropout")->capture_default_str();
  sub->add_option("--threads", flags->threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->footer("Example: athanor gradients lenet5.ath --input x=x.npy --input labels=labels.npy -o gradients");
  sub->callback([flags, action] { *action = [flags] { return Gradients(*flags); }; });
}

}  // namespace athanor
