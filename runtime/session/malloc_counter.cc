#include "runtime/session/malloc_counter.h"

#include <atomic>
#include <cstddef>

namespace {
std::atomic<int64_t> g_count{0};
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* p, size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(p, size);
}
void* memalign(size_t alignment, size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
// posix_memalign is step_heap.cc's, which calls memalign for what it does not serve itself.
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
}  // extern "C"

namespace athanor {
bool MallocCounterActive() { return true; }
}  // namespace athanor

#else

namespace athanor {
bool MallocCounterActive() { return false; }
}  // namespace athanor

#endif

namespace athanor {
int64_t MallocCount() { return g_count.load(std::memory_order_relaxed); }
}  // namespace athanor
