#include "training/diagnosis/diagnosis.h"

#include <cmath>
#include <memory>

#include "compiler/compile.h"
#include "compiler/graph/initializers.h"

namespace athanor {
namespace {

// A session of the diagnosed entry and where its inputs are.
struct Run {
  std::unique_ptr<Session> session;
  std::map<std::string, TensorView> inputs;  // without the three below
  TensorView lr, step, seed;                 // no data: the entry has none
};

absl::StatusOr<Plan> MakePlan(const Graph& model, const DiagnosisConfig& config) {
  CompileOptions options;
  EntryRequest plain{"train", config.symbols}, diagnosed = plain;
  diagnosed.diagnose = true;
  options.entries = {diagnosed, plain};
  options.optimizer = config.optimizer;
  options.frozen = config.frozen;
  options.threads = config.threads;
  return Compile(model, options);
}

absl::StatusOr<Run> MakeRun(Plan plan) {
  Run run;
  ATH_ASSIGN_OR_RETURN(run.session, Session::Create(std::make_shared<const Plan>(std::move(plan)),
                                                    SessionOptions{.entries = {"train.diagnose"}}));
  ATH_ASSIGN_OR_RETURN(int entry, run.session->FindEntry("train.diagnose"));
  for (const NamedBuffer& input : run.session->plan().FindEntry("train.diagnose")->inputs) {
    ATH_ASSIGN_OR_RETURN(TensorView view, run.session->Input(entry, input.name));
    if (input.name == "lr") {
      run.lr = view;
    } else if (input.name == "step") {
      run.step = view;
    } else if (input.name == "seed") {
      run.seed = view;
    } else {
      run.inputs[input.name] = view;
    }
  }
  return run;
}

absl::Status RunStep(Run& run, const DiagnosisConfig& config, int entry, int64_t step, const FillBatch& fill) {
  ATH_RETURN_IF_ERROR(fill(step, run.inputs));
  if (run.lr.data != nullptr) *static_cast<float*>(run.lr.data) = static_cast<float>(config.learning_rate);
  if (run.step.data != nullptr) *static_cast<int64_t*>(run.step.data) = step + 1;
  if (run.seed.data != nullptr) *static_cast<int64_t*>(run.seed.data) = static_cast<int64_t>(config.seed);
  return run.session->Run(entry);
}

// The step that clipping refused, once more without clipping, so that it shows what was not finite.
absl::Status RunWithoutClipping(const Graph& model, DiagnosisConfig config, int64_t step, const FillBatch& fill,
                                Session& session, Profile* profile) {
  config.optimizer.clip_norm = 0;
  ATH_ASSIGN_OR_RETURN(Plan plan, MakePlan(model, config));
  ATH_ASSIGN_OR_RETURN(Run run, MakeRun(std::move(plan)));
  for (const Variable& v : run.session->plan().variables) {
    if (v.kind == VariableKind::kConstant || session.plan().FindVariable(v.name) == nullptr) continue;
    ATH_ASSIGN_OR_RETURN(Tensor value, session.weights().Get(v.name));
    ATH_RETURN_IF_ERROR(run.session->weights().Set(v.name, value));
  }
  ATH_ASSIGN_OR_RETURN(ProfileCollector last, ProfileCollector::Create(*run.session));
  ATH_RETURN_IF_ERROR(RunStep(run, config, last.entry(), step, fill));
  last.Collect(step + 1);
  profile->Append(last.TakeProfile());
  return absl::OkStatus();
}

absl::Status Check(const DiagnosisConfig& config) {
  if (config.steps < 1) return MakeError(ErrorClass::kReq, "steps = %d is below 1", config.steps);
  if (config.learning_rate > 0 && std::isfinite(config.learning_rate)) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "learning rate = %g is not a positive number", config.learning_rate);
}

}  // namespace

absl::StatusOr<DiagnosisResult> RunDiagnosis(Graph model, const DiagnosisConfig& config, const FillBatch& fill,
                                             const OnCost& on_cost) {
  ATH_RETURN_IF_ERROR(Check(config));
  ATH_RETURN_IF_ERROR(InitializeVariables(&model, config.seed));
  ATH_ASSIGN_OR_RETURN(Plan plan, MakePlan(model, config));
  DiagnosisResult result;
  result.cost = CostOfDiagnosis(*plan.FindEntry("train.diagnose"), *plan.FindEntry("train"));
  if (on_cost) on_cost(result.cost);
  ATH_ASSIGN_OR_RETURN(Run run, MakeRun(std::move(plan)));
  ATH_ASSIGN_OR_RETURN(ProfileCollector collector, ProfileCollector::Create(*run.session));
  bool refused = false;
  int64_t step = 0;
  for (bool finite = true; finite && step < config.steps; ++step) {
    absl::Status status = RunStep(run, config, collector.entry(), step, fill);
    refused = config.optimizer.clip_norm > 0 && ErrorClassOf(status) == "DATA";
    if (refused) break;
    ATH_RETURN_IF_ERROR(status);
    finite = collector.Collect(step + 1);
  }
  result.profile = collector.TakeProfile();
  if (refused) ATH_RETURN_IF_ERROR(RunWithoutClipping(model, config, step, fill, *run.session, &result.profile));
  result.findings = FindProblems(result.profile);
  result.report = Report(result.profile);
  return result;
}

}  // namespace athanor
