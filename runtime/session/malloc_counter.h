// Counts the calls of the C library's allocator made by the process. A program that links
// //runtime/session:malloc_counter has its malloc family counted, but for what the step heap (step_heap.h) serves;
// sanitizer builds, which bring their own, are not counted.
#ifndef ATHANOR_RUNTIME_SESSION_MALLOC_COUNTER_H_
#define ATHANOR_RUNTIME_SESSION_MALLOC_COUNTER_H_

#include <cstdint>

namespace athanor {

// False in sanitizer builds: MallocCount then stays 0.
bool MallocCounterActive();

// Calls of malloc, calloc, realloc, memalign and their kin since the process began, on all threads.
int64_t MallocCount();

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_MALLOC_COUNTER_H_
