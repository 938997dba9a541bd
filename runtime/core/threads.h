// The number of OpenMP threads that the calling thread's next parallel loops (ours and oneDNN's) are split into.
#ifndef ATHANOR_RUNTIME_CORE_THREADS_H_
#define ATHANOR_RUNTIME_CORE_THREADS_H_

#include <omp.h>

namespace athanor {

// Sets the calling thread's OpenMP thread count for a scope and puts the former one back. oneDNN fixes a primitive's
// work split by this number when the primitive is made, so make and run it under the same one.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    if (threads != before_) omp_set_num_threads(threads);
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_THREADS_H_
