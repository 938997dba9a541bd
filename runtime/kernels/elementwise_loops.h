// The loops that kernel "elementwise" is put together from: one an instruction over a tile of floats in cache, and those
// that bring operands into a tile and results out of it.
#ifndef ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_H_
#define ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_H_

#include <cstdint>

#include "runtime/core/dtype.h"
#include "runtime/core/elementwise_program.h"

namespace athanor {

// out[i] = op(a[i], b[i], c[i]) for i < n. Operands that the operation does not have are not read. `out` may be the
// memory of an operand. Reads and writes nothing behind n; every element is computed alike, wherever it stands.
using MicroLoop = void (*)(const float* a, const float* b, const float* c, float* out, int64_t n);

// `repeats`: bit k says that operand k is one number, which all elements read. Not all operands of an operation may be.
MicroLoop FindMicroLoop(MicroOp op, int repeats);
// out[i] = a[i], and out[i] = a[0].
MicroLoop CopyLoop();
MicroLoop FillLoop();

// out[i] = from[i * stride], turned into a float, for i < n; `stride` in elements, 0 and more. nullptr for a type that
// programs do not read.
using LoadLoop = void (*)(const void* from, int64_t stride, float* out, int64_t n);
LoadLoop FindLoadLoop(DType dtype);
// to[i] = x[i] as the type has it: see elementwise_program.h.
using StoreLoop = void (*)(const float* x, void* to, int64_t n);
StoreLoop FindStoreLoop(DType dtype);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_LOOPS_H_
