// Replaces operator new, operator delete, posix_memalign and free for the whole program; see step_heap.h.
//
// One region of address space is divided into a cache a thread. A block carries its size class in the 16 bytes before
// it, and goes, when deleted, to the free list of the thread that deletes it; so a block may outlive the step that
// made it, and may be deleted anywhere. When a thread has no cache or the cache is used up, malloc serves.
//
// OpenMP's threads open no scope of their own: while any thread is in one, what is allocated inside a parallel region
// comes from the cache of its thread too.
//
// oneDNN's gemm for AVX2 takes its packing buffers by posix_memalign at each call, on each thread. Those come from a
// second region, of larger blocks that begin on a page and carry their class in the page before them.
#include <omp.h>
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)

extern "C" {
void __libc_free(void*);
void* memalign(size_t, size_t);  // the C library's, or that of a program that counts its calls
}

namespace {

constexpr size_t kCaches = 256, kCacheBytes = 1 << 20;
constexpr size_t kHeader = 16, kSmallest = 32, kClasses = 7;  // blocks of 32 to 2048 bytes, header included
constexpr size_t kLargest = (kSmallest << (kClasses - 1)) - kHeader;

// Aligned blocks begin on a page, behind a page for the class: 8 KiB to 8 MiB, the header included.
constexpr size_t kAlignedCacheBytes = 16 << 20, kAlignedHeader = 4096, kAlignedSmallest = 8192, kAlignedClasses = 11;
constexpr size_t kAlignedLargest = (kAlignedSmallest << (kAlignedClasses - 1)) - kAlignedHeader;

struct FreeBlock {
  FreeBlock* next;
};

struct Cache {
  FreeBlock* free[kClasses] = {};
  std::byte* next = nullptr;
  std::byte* end = nullptr;
  FreeBlock* aligned_free[kAlignedClasses] = {};
  std::byte* aligned_next = nullptr;
  std::byte* aligned_end = nullptr;
};

constexpr size_t kSmallRegionBytes = kCaches * kCacheBytes, kRegionBytes = kSmallRegionBytes + kCaches * kAlignedCacheBytes;

// Address space only: pages come when they are touched. The small blocks' part first.
std::byte* Region() {
  static std::byte* region = [] {
    void* p = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
  }();
  return region;
}

std::atomic<std::byte*> g_region{nullptr};  // set once a cache exists: lets delete tell blocks apart cheaply
std::atomic<int> g_scopes{0};               // open now, on all threads
std::atomic<bool> g_taken[kCaches];
Cache g_caches[kCaches];

// A thread's cache goes back to the table with its free lists when the thread ends.
struct ThreadCache {
  int index = -1;
  int depth = 0;
  ~ThreadCache() {
    depth = 0;
    if (index >= 0) g_taken[index].store(false, std::memory_order_release);
    index = -2;  // blocks deleted later in this thread's end are left where they are
  }
};
thread_local ThreadCache t_cache;

void TakeCache() {
  std::byte* region = Region();
  if (region == nullptr) return;
  for (size_t i = 0; i < kCaches; ++i) {
    bool free = false;
    if (!g_taken[i].compare_exchange_strong(free, true, std::memory_order_acquire)) continue;
    if (g_caches[i].next == nullptr) {
      g_caches[i].next = region + i * kCacheBytes;
      g_caches[i].end = g_caches[i].next + kCacheBytes;
      g_caches[i].aligned_next = region + kSmallRegionBytes + i * kAlignedCacheBytes;
      g_caches[i].aligned_end = g_caches[i].aligned_next + kAlignedCacheBytes;
    }
    t_cache.index = static_cast<int>(i);
    g_region.store(region, std::memory_order_release);
    return;
  }
}

size_t ClassOf(size_t bytes) { return std::bit_width((bytes - 1) / kSmallest); }

void* FromCache(size_t size) {
  if (size > kLargest) return nullptr;
  size_t cls = ClassOf(size + kHeader);
  Cache& cache = g_caches[t_cache.index];
  if (FreeBlock* block = cache.free[cls]) {
    cache.free[cls] = block->next;
    return block;
  }
  size_t bytes = kSmallest << cls;
  if (cache.next + bytes > cache.end) return nullptr;
  std::byte* p = cache.next;
  cache.next += bytes;
  *reinterpret_cast<size_t*>(p) = cls;
  return p + kHeader;
}

// Page-aligned; nullptr when there is no room.
void* AlignedFromCache(size_t size) {
  if (size > kAlignedLargest) return nullptr;
  size_t cls = std::bit_width((size + kAlignedHeader - 1) / kAlignedSmallest);
  Cache& cache = g_caches[t_cache.index];
  if (FreeBlock* block = cache.aligned_free[cls]) {
    cache.aligned_free[cls] = block->next;
    return block;
  }
  size_t bytes = kAlignedSmallest << cls;
  if (cache.aligned_next + bytes > cache.aligned_end) return nullptr;
  std::byte* p = cache.aligned_next;
  cache.aligned_next += bytes;
  *reinterpret_cast<size_t*>(p) = cls;
  return p + kAlignedHeader;
}

// Whether a block is to come from this thread's cache.
bool UsesCache() {
  if (t_cache.depth > 0) return t_cache.index >= 0;
  if (g_scopes.load(std::memory_order_relaxed) == 0 || !omp_in_parallel()) return false;
  if (t_cache.index == -1) TakeCache();
  return t_cache.index >= 0;
}

bool InRegion(const void* p) {
  std::byte* region = g_region.load(std::memory_order_acquire);
  return region != nullptr && p >= region && p < region + kRegionBytes;
}

// Of a block in the region.
void ToCache(void* p) {
  if (t_cache.index < 0) return;  // a thread without a cache: the block is not used again
  if (p >= g_region.load(std::memory_order_relaxed) + kSmallRegionBytes) {
    size_t cls = *reinterpret_cast<size_t*>(static_cast<std::byte*>(p) - kAlignedHeader);
    auto* block = static_cast<FreeBlock*>(p);
    block->next = g_caches[t_cache.index].aligned_free[cls];
    g_caches[t_cache.index].aligned_free[cls] = block;
    return;
  }
  size_t cls = *reinterpret_cast<size_t*>(static_cast<std::byte*>(p) - kHeader);
  auto* block = static_cast<FreeBlock*>(p);
  Cache& cache = g_caches[t_cache.index];
  block->next = cache.free[cls];
  cache.free[cls] = block;
}

}  // namespace

extern "C" void athanor_step_heap_enter() {
  if (t_cache.index == -1) TakeCache();
  ++t_cache.depth;
  g_scopes.fetch_add(1, std::memory_order_relaxed);
}
extern "C" void athanor_step_heap_leave() {
  --t_cache.depth;
  g_scopes.fetch_sub(1, std::memory_order_relaxed);
}

void* operator new(size_t size) {
  if (UsesCache()) {
    if (void* p = FromCache(size)) return p;
  }
  for (;;) {
    if (void* p = std::malloc(size > 0 ? size : 1)) return p;
    std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

extern "C" int posix_memalign(void** out, size_t alignment, size_t size) {
  if (alignment < sizeof(void*) || !std::has_single_bit(alignment)) return EINVAL;
  void* p = alignment <= kAlignedHeader && UsesCache() ? AlignedFromCache(size) : nullptr;
  if (p == nullptr) p = memalign(alignment, size);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}

extern "C" void free(void* p) {
  if (InRegion(p)) {
    ToCache(p);
  } else {
    __libc_free(p);
  }
}

void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { operator delete(p); }

#endif
