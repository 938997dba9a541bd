#include "runtime/session/step_heap.h"

// Defined by step_heap.cc where the program links it.
extern "C" void athanor_step_heap_enter() __attribute__((weak));
extern "C" void athanor_step_heap_leave() __attribute__((weak));

namespace athanor {

bool StepHeapLinked() { return athanor_step_heap_enter != nullptr; }

StepHeapScope::StepHeapScope() {
  if (athanor_step_heap_enter != nullptr) athanor_step_heap_enter();
}
StepHeapScope::~StepHeapScope() {
  if (athanor_step_heap_leave != nullptr) athanor_step_heap_leave();
}

}  // namespace athanor
