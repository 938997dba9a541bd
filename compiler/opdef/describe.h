// The registry as a reference: what `athanor ops` and docs/operators.md show.
#ifndef ATHANOR_COMPILER_OPDEF_DESCRIBE_H_
#define ATHANOR_COMPILER_OPDEF_DESCRIBE_H_

#include <string>

#include "compiler/opdef/op_def.h"

namespace athanor {

// "Conv2d(x, weight, [bias])", "Concat(x...)"; optional inputs in brackets, a variadic one with dots.
std::string Signature(const OpDef& def);
// "strides ints = [1,1]", "axis int in [0, inf)", "mode string: constant|edge" without the doc.
std::string AttrSummary(const AttrDef& attr);
// "yes" where a model can be trained through it, "optimizer" for updates, else "no".
std::string GradientSummary(const OpDef& def);
// What runs it: kernel names, "elementwise" (fused with its like), or "composed" of other operators.
std::string KernelSummary(const OpDef& def);
// Made by other operators' gradients or by passes: not for models.
bool IsInternal(const OpDef& def);

// One operator in full, as plain text.
std::string OperatorText(const OpDef& def);
// All registered operators, as a Markdown page.
std::string OperatorsMarkdown();

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_DESCRIBE_H_
