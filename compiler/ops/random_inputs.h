// What operators share that draw random numbers in training entries: inputs 1 and 2, "seed" and "step", and a stream of
// the node's own, which the pass add_rng_inputs gives them.
#ifndef ATHANOR_COMPILER_OPS_RANDOM_INPUTS_H_
#define ATHANOR_COMPILER_OPS_RANDOM_INPUTS_H_

#include "compiler/opdef/op_def.h"
#include "runtime/core/philox.h"

namespace athanor {

// Adds the inputs, behind input 0, the attributes "training" and "stream", and the traits.
inline void AddRandomInputs(OpDef& def) {
  def.inputs.push_back({.name = "seed", .doc = "s64 []: of the run; added when compiled", .optional = true});
  def.inputs.push_back({.name = "step", .doc = "s64 []: of training; added when compiled", .optional = true});
  def.attributes.push_back(
      {.name = "training", .type = AttrType::kBool, .doc = "set by the entry's phase", .default_value = false});
  def.attributes.push_back({.name = "stream",
                            .type = AttrType::kInt,
                            .doc = "tells the nodes of a graph apart; -1: given when compiled",
                            .default_value = int64_t{-1},
                            .min = 0});
  def.traits.phase_attr = "training";
  def.traits.rng_inputs = {"seed", "step"};
  def.traits.rng_stream_attr = "stream";
}

// DTYPE or SHAPE error unless those that are there are s64 [].
inline absl::Status CheckRandomInputs(const InferContext& c) {
  const char* const names[] = {"x", "seed", "step"};
  for (int i : {1, 2}) {
    if (!c.HasInput(i)) continue;
    ATH_RETURN_IF_ERROR(c.CheckDtype(i, names[i], DType::kS64));
    ATH_RETURN_IF_ERROR(c.CheckRank(i, names[i], 0, 0));
  }
  return absl::OkStatus();
}

// GRAPH error unless there is all that it takes to draw numbers.
inline absl::Status CheckHasRandomness(const OpContext& c) {
  if (c.HasInput(1) && c.HasInput(2) && c.attrs().Int("stream") >= 0) return absl::OkStatus();
  return c.Error(
      ErrorClass::kGraph,
      "needs the inputs \"seed\" and \"step\" and a \"stream\" in training: the pass add_rng_inputs gives them");
}

// The node's numbers. Exact while seed and step are below 2^53: the interpreter holds them as doubles.
inline Philox RandomNumbers(const ReferenceContext& c) {
  const auto seed = static_cast<uint64_t>(static_cast<int64_t>(c.Input(1)[0]));
  const auto step = static_cast<uint64_t>(static_cast<int64_t>(c.Input(2)[0]));
  return Philox(seed, Philox::MixStream(static_cast<uint64_t>(c.attrs().Int("stream")), step));
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_RANDOM_INPUTS_H_
