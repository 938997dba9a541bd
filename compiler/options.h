// What a caller may ask of the compiler. Plain data: copied into every pass, never changed by one.
#ifndef ATHANOR_COMPILER_OPTIONS_H_
#define ATHANOR_COMPILER_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/attributes.h"

namespace athanor {

// What a training entry does with its gradients: update the parameters, or keep their sum for the run that does.
enum class GradientUse { kUpdate, kAccumulate };

// One entry of the plan: an entry of the model and the sizes of its symbolic dimensions.
struct EntryRequest {
  std::string name;                        // "train", "evaluate", "infer"
  std::map<std::string, int64_t> symbols;  // {"N": 64}; each in [1, 2^31]
  // Only with CompileOptions::accumulate_gradients, of a training entry: "train.accumulate" in the plan. Adds its
  // gradients to the sums and updates no parameter.
  GradientUse gradients = GradientUse::kUpdate;
  // Reads the averages that CompileOptions::ema_decay keeps in the place of the trained parameters: "evaluate.ema" in the
  // plan. Not of a training entry.
  bool use_ema = false;
  // Of a training entry with an optimizer: "train.diagnose" in the plan. It trains as that entry does and has more outputs,
  // f32 [9] each (runtime/core/tensor_statistics.h), which training/diagnosis.h reads:
  //   "activation:<layer>", "activation_gradient:<layer>"            of at most 64 layers, in the order of the network
  //   "weight:<parameter>", "gradient:<parameter>", "update:<parameter>"   the weight before the update; the gradient
  //                                                                  before it is clipped; what the update adds
  bool diagnose = false;
  // The outputs to keep, by name; what only others need is not computed ({"logits"}: no softmax behind it). Empty: all.
  // A loss that is trained is computed in any case.
  std::vector<std::string> outputs = {};
};

// Parameters whose optimizer has other attributes: {{"*.bias", "*.gamma"}, {{"weight_decay", 0.0}, {"lr_scale", 2.0}}}.
struct ParameterGroup {
  std::vector<std::string> patterns;  // names, or patterns with * (any text) and ? (one character)
  Attributes attrs;                   // in place of the optimizer's, or besides
};

// The operator that updates each trained parameter ("SGD", "Adam") and its attributes ("weight_decay", ...).
struct OptimizerSpec {
  std::string op;
  Attributes attrs;
  std::vector<ParameterGroup> groups = {};  // a parameter belongs to the first that names it, if any
  // Gradients are scaled down together to a norm of this at most, as by torch.nn.utils.clip_grad_norm_; before clip_value,
  // an attribute of every optimizer. A norm that is not finite ends the step with a DATA error and changes no parameter.
  // 0: they are not.
  double clip_norm = 0;
  bool grad_norm_output = false;  // the norm of all gradients, before they are clipped, as the output "grad_norm"
};

// How the updates of a training entry are done: grouped, in one call for all parameters that have the same attributes
// and scalars, which keeps all gradients until the end; or each as soon as its gradient is there, which needs less memory.
// The results are the same.
enum class UpdateMode { kGrouped, kEach };

// Receives the text of the graph or program after a stage, or "(unchanged)".
using DumpSink = std::function<void(absl::string_view stage, absl::string_view text)>;

struct CompileOptions {
  std::vector<EntryRequest> entries;
  int threads = 0;  // 0: all that this process may use

  // Training entries get a backward pass and, for each parameter, an update. Without it they only run forward.
  std::optional<OptimizerSpec> optimizer;
  UpdateMode update = UpdateMode::kGrouped;
  // Parameters that are not trained: names, or patterns with * (any text) and ? (one character).
  std::vector<std::string> frozen;
  // Gradients become outputs "grad:<parameter>": of every entry with a loss, with or without an optimizer.
  bool gradients_as_outputs = false;

  // Batches in parts: training entries get the input "batch_share", f32 [], the rows of their part over those of the whole
  // batch (1 / k for k equal parts). Run the entry of GradientUse::kAccumulate on all parts but the last, then that of
  // kUpdate on the last one, which clips and updates by the sum of all: for a loss that is a mean over the rows, the
  // update of the whole batch. The sums are states "<parameter>/accumulated", zero again behind it.
  bool accumulate_gradients = false;
  // Each update also makes a moving average of every trained parameter, the state "<parameter>/ema": d ema + (1 - d)
  // parameter, in the first step (input "step", 1) the parameter. In (0, 1); 0: there is none.
  double ema_decay = 0;
  bool ema_warmup = false;  // d is ema_decay, or (1 + step) / (10 + step) while that is smaller

  // Plans that never train: parameters become constants, so that they can be folded into one another.
  bool freeze_parameters = false;

  // Refuse a plan whose peak is above it, in bytes. 0: no limit.
  int64_t memory_limit = 0;

  // Stages to dump by name, or "all".
  std::vector<std::string> dump_after;
  DumpSink dump;  // null: no dumps

  // The same options for one of the entries: what passes are given.
  CompileOptions ForEntry(const EntryRequest& entry) const {
    CompileOptions one = *this;
    one.entries = {entry};
    return one;
  }
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPTIONS_H_
