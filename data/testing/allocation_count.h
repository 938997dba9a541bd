// A test that links //data/testing:allocation_count counts its calls of operator new, in sanitizer builds too.
#ifndef ATHANOR_DATA_TESTING_ALLOCATION_COUNT_H_
#define ATHANOR_DATA_TESTING_ALLOCATION_COUNT_H_

#include <cstdint>

namespace athanor::testing {

// Calls of operator new since the process began, on all threads.
int64_t AllocationCount();

}  // namespace athanor::testing

#endif  // ATHANOR_DATA_TESTING_ALLOCATION_COUNT_H_
