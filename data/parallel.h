// A loop over independent work that may fail, by several threads.
#ifndef ATHANOR_DATA_PARALLEL_H_
#define ATHANOR_DATA_PARALLEL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "runtime/core/status.h"

namespace athanor {

// As many threads as the machine runs at once, at least 1 and at most 64.
int DefaultThreads();

// Calls work(i) for 0 <= i < n on `threads` threads, the caller's included, in no order; 0: DefaultThreads(). After an
// error later work may be left out; the error returned is the one of the lowest i that has one, whatever the number of
// threads. Exceptions become errors: no memory a LIMIT error, all others a DATA error.
absl::Status ParallelFor(int64_t n, int threads, absl::FunctionRef<absl::Status(int64_t)> work);

}  // namespace athanor

#endif  // ATHANOR_DATA_PARALLEL_H_
