// Losses that are a formula of a prediction and a target, element by element, and then a sum or mean: one table entry
// each. The loss is one call of kernel "elementwise" and one of "reduction"; its gradient is an elementwise operator.
#ifndef ATHANOR_COMPILER_OPS_POINTWISE_LOSS_H_
#define ATHANOR_COMPILER_OPS_POINTWISE_LOSS_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"

namespace athanor {

struct PointwiseLoss {
  std::string name, doc;
  std::string pred_doc, target_doc;
  std::vector<AttrDef> attributes = {};  // beside "reduction"
  bool pos_weight = false;               // an optional third input that broadcasts to the prediction
  bool batchmean = false;                // the default reduction is the sum over dimension 0's size

  // One element, and its derivatives by the prediction and the target; `w` is 1 where there is no third input. The
  // formulas that are compiled, and plain ones in double for the reference.
  std::function<Elem(const Attributes& attrs, Elem x, Elem t, Elem w)> formula;
  std::function<std::array<Elem, 2>(const Attributes& attrs, Elem x, Elem t, Elem w)> gradient;
  std::function<double(const Attributes& attrs, double x, double t, double w)> reference;
  std::function<std::array<double, 2>(const Attributes& attrs, double x, double t, double w)> gradient_reference;
};

// Registers `name` (pred, target[, pos_weight]) -> loss and `name`Grad (dloss, pred, target[, pos_weight]) -> dpred,
// dtarget. True, for a static initialiser.
bool RegisterPointwiseLoss(const PointwiseLoss& loss);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_POINTWISE_LOSS_H_
