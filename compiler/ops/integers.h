// Integers that f32 cannot hold: kernel "elementwise" computes in f32, so operators on s32 and s64 whose result must be
// exact become Integer... operators, with kernels of their own.
#ifndef ATHANOR_COMPILER_OPS_INTEGERS_H_
#define ATHANOR_COMPILER_OPS_INTEGERS_H_

#include "compiler/opdef/contexts.h"

namespace athanor {

// u8 and bool fit into f32.
inline bool IsWideInteger(DType t) { return t == DType::kS32 || t == DType::kS64; }

// DTYPE error unless the input is one of the types that elementwise operators move and compare.
inline absl::Status CheckElementType(const InferContext& c, int i, absl::string_view what) {
  const DType t = c.Input(i).dtype;
  if (t == DType::kF32 || IsWideInteger(t) || t == DType::kU8 || t == DType::kBool) return absl::OkStatus();
  return c.Error(ErrorClass::kDtype, "input \"%s\" is %s, expected f32, s32, s64, u8 or bool", what,
                 c.Input(i).ToString());
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_INTEGERS_H_
