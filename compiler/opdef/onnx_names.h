// Which ONNX operator (ai.onnx, opset 22) computes the same as one of ours.
#ifndef ATHANOR_COMPILER_OPDEF_ONNX_NAMES_H_
#define ATHANOR_COMPILER_OPDEF_ONNX_NAMES_H_

#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace athanor {

// {ours, ONNX's}, sorted by ours. Attributes may be named or laid out otherwise.
absl::Span<const std::pair<absl::string_view, absl::string_view>> OnnxNames();
// "" where ONNX has none.
absl::string_view OnnxName(absl::string_view op);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPDEF_ONNX_NAMES_H_
