// oneDNN 3.2 makes small objects with operator new each time a primitive is executed (a map of the arguments). A
// program that links //runtime/session:step_heap replaces operator new and delete, and posix_memalign and free, by which
// its gemm for AVX2 takes packing buffers: inside a StepHeapScope, which Session::Run opens, these come from memory
// reserved beforehand for the thread, so that a step reaches malloc not once. Outside a scope, and in sanitizer builds,
// nothing changes.
#ifndef ATHANOR_RUNTIME_SESSION_STEP_HEAP_H_
#define ATHANOR_RUNTIME_SESSION_STEP_HEAP_H_

#include <cstdint>

namespace athanor {

// Whether the program links the replacement.
bool StepHeapLinked();

// Small blocks of the calling thread come from its step heap while one of these lives. May be nested.
class StepHeapScope {
 public:
  StepHeapScope();
  ~StepHeapScope();
  StepHeapScope(const StepHeapScope&) = delete;
  StepHeapScope& operator=(const StepHeapScope&) = delete;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_STEP_HEAP_H_
