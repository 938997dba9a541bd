// The threads of the attention kernels.
#ifndef ATHANOR_RUNTIME_KERNELS_ATTENTION_TASKS_H_
#define ATHANOR_RUNTIME_KERNELS_ATTENTION_TASKS_H_

#include <omp.h>

#include "runtime/kernels/attention.h"
#include "runtime/kernels/parallel.h"

namespace athanor {

// Runs f(task, thread) for every task in [0, tasks), each on some thread: tasks of a causal call differ in length. One
// thread where the call is too short to share.
template <typename F>
void RunTasks(const AttentionCall& call, int64_t tasks, const F& f) {
  const double work = static_cast<double>(call.groups()) * static_cast<double>(call.queries) *
                      static_cast<double>(call.keys) * static_cast<double>(call.size + call.value_size);
  if (call.threads <= 1 || tasks <= 1 || work < static_cast<double>(kMinParallelBytes)) {
    for (int64_t task = 0; task < tasks; ++task) f(task, 0);
    return;
  }
#pragma omp parallel for num_threads(call.threads) schedule(dynamic, 1)
  for (int64_t task = 0; task < tasks; ++task) f(task, omp_get_thread_num());
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_ATTENTION_TASKS_H_
