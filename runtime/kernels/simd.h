// Which vector instructions our own loops use.
#ifndef ATHANOR_RUNTIME_KERNELS_SIMD_H_
#define ATHANOR_RUNTIME_KERNELS_SIMD_H_

namespace athanor {

// Holds Highway's run-time dispatch to the instruction set that oneDNN is held to (ONEDNN_MAX_CPU_ISA), so that one
// environment variable holds both. Every create function of a kernel with a Highway loop calls it. Thread-safe.
void HoldSimdToOneDnnIsa();

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_SIMD_H_
