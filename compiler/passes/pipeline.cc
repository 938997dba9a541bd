#include "compiler/passes/pipeline.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "compiler/graph/verify.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

constexpr GraphPass kPasses[] = {
    {"select_entry", SelectEntry},
    {"fix_symbols", FixSymbols},
    {"infer_shapes", InferShapes},  // all later passes rely on checked attributes and known types
    {"select_phase", SelectPhase},
    {"use_averages", UseAverages},
    {"add_rng_inputs", AddRngInputs},  // so that a backward operator draws its forward one's numbers again
    {"freeze_parameters", FreezeParameters},
    {"expand", Expand},  // so that what has no gradient of its own has those of its parts
    {"differentiate", Differentiate},
    {"expand_gradients", Expand},  // backward operators may expand too
    {"accumulate_gradients", AccumulateGradients},
    {"apply_optimizer", ApplyOptimizer},
    {"average_parameters", AverageParameters},
    {"diagnose", Diagnose},
    {"fold_constants", FoldConstants},
    {"eliminate_common", EliminateCommon},
    {"eliminate_dead", EliminateDead},   // before fusing: a reader that is dead is no reason against it
    {"fold_batch_norm", FoldBatchNorm},  // before fuse_post_ops, so that what follows is fused into the convolution
    {"fuse_norm_relu", FuseNormRelu},    // before fuse_post_ops, which would take the ReLU away
    {"fuse_post_ops", FusePostOps},
    {"fuse_elementwise", FuseElementwise},
    {"check_types", InferShapes},  // an independent look at what the passes left: nothing may change
};

bool IsDumped(const CompileOptions& options, absl::string_view pass) {
  if (options.dump == nullptr) return false;
  const std::vector<std::string>& names = options.dump_after;
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n == "all" || n == pass; });
}

}  // namespace

absl::Span<const GraphPass> GraphPasses() { return kPasses; }

absl::StatusOr<Graph> RunPipeline(Graph graph, const CompileOptions& options, std::vector<PassTime>* times) {
  OnlyRequest(options);
  ATH_RETURN_IF_ERROR(VerifyGraph(graph));
  const bool dumps = std::any_of(std::begin(kPasses), std::end(kPasses),
                                 [&](const GraphPass& pass) { return IsDumped(options, pass.name); });
  std::string text = dumps ? ToText(graph) : "";
  for (const GraphPass& pass : kPasses) {
    const auto start = std::chrono::steady_clock::now();
    ATH_ASSIGN_OR_RETURN(graph, pass.run(std::move(graph), options));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (times != nullptr) times->push_back({pass.name, seconds.count()});

    if (dumps) {
      std::string now = ToText(graph);
      if (IsDumped(options, pass.name)) options.dump(pass.name, now == text ? "(unchanged)" : now);
      text = std::move(now);
    }
    absl::Status verified = VerifyGraph(graph);
    if (!verified.ok()) return AddContext(verified, absl::StrCat("after pass ", pass.name));
  }
  return graph;
}

}  // namespace athanor
