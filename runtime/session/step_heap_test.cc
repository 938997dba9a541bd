// The replaced operator new and delete, alone. Sanitizer builds have their own: there the same must hold, and only what
// is said of malloc is left out.
#include "runtime/session/step_heap.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cerrno>
#include <cstring>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/session/malloc_counter.h"

namespace athanor {
namespace {

constexpr size_t kLargest = 2032;  // that the step heap serves

// A block that knows what it should hold.
struct Block {
  unsigned char* data = nullptr;
  size_t size = 0;
  unsigned char mark = 0;

  bool Holds() const { return std::all_of(data, data + size, [this](unsigned char c) { return c == mark; }); }
};
Block NewBlock(size_t size, unsigned char mark) {
  Block b{static_cast<unsigned char*>(operator new(size)), size, mark};
  std::fill_n(b.data, size, mark);
  return b;
}
void DeleteBlock(const Block& b) { operator delete(b.data); }

// Calls of malloc while f runs; -1 where they are not counted. f gets no memory from elsewhere.
template <typename F>
int64_t CountMallocs(const F& f) {
  const int64_t before = MallocCount();
  f();
  return MallocCounterActive() ? MallocCount() - before : -1;
}
void ExpectMallocs(int64_t counted, int64_t expected) {
  if (MallocCounterActive()) {
    EXPECT_EQ(counted, expected);
  }
}

void AllocateAndFree(size_t size, int times) {
  for (int i = 0; i < times; ++i) {
    void* volatile p = operator new(size);
    operator delete(p);
  }
}

TEST(StepHeapTest, IsLinkedWhereNoSanitizerIs) { EXPECT_EQ(StepHeapLinked(), MallocCounterActive()); }

TEST(StepHeapTest, SmallBlocksReachMallocOnlyOutsideAScope) {
  { StepHeapScope first; }  // the thread takes its cache
  ExpectMallocs(CountMallocs([] { AllocateAndFree(100, 10); }), 10);
  ExpectMallocs(CountMallocs([] {
                  StepHeapScope scope;
                  for (size_t size : {size_t{0}, size_t{1}, size_t{16}, size_t{17}, size_t{500}, kLargest}) {
                    AllocateAndFree(size, 1000);
                  }
                }),
                0);
  ExpectMallocs(CountMallocs([] {
                  StepHeapScope scope;
                  AllocateAndFree(kLargest + 1, 10);
                }),
                10);
  ExpectMallocs(CountMallocs([] { AllocateAndFree(100, 10); }), 10);
}

TEST(StepHeapTest, ScopesNest) {
  { StepHeapScope first; }
  ExpectMallocs(CountMallocs([] {
                  StepHeapScope outer;
                  {
                    StepHeapScope inner;
                    AllocateAndFree(64, 3);
                  }
                  AllocateAndFree(64, 3);  // still inside the outer one
                }),
                0);
  ExpectMallocs(CountMallocs([] { AllocateAndFree(64, 3); }), 3);
}

// What oneDNN allocates on OpenMP's threads, which open no scope.
TEST(StepHeapTest, AScopeCoversItsParallelRegions) {
  auto count = [](bool in_scope) {
    std::unique_ptr<StepHeapScope> scope;
    if (in_scope) scope = std::make_unique<StepHeapScope>();
    return CountMallocs([] {
#pragma omp parallel num_threads(3)
      AllocateAndFree(100, 10);
    });
  };
  count(true);  // the threads begin, and take their caches
  ExpectMallocs(count(true), 0);
  ExpectMallocs(count(false), 30);
}

// Every size class at once, in random order of life: no two blocks share a byte.
TEST(StepHeapTest, BlocksAreAlignedAndDisjoint) {
  StepHeapScope scope;
  std::mt19937 rng(1);
  std::vector<Block> blocks;
  for (int i = 0; i < 20000; ++i) {
    if (blocks.size() > 200 || (!blocks.empty() && rng() % 3 == 0)) {
      std::swap(blocks[rng() % blocks.size()], blocks.back());
      ASSERT_TRUE(blocks.back().Holds());
      DeleteBlock(blocks.back());
      blocks.pop_back();
    } else {
      size_t size = rng() % 2 == 0 ? rng() % 64 : rng() % 3000;
      blocks.push_back(NewBlock(size, static_cast<unsigned char>(rng())));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks.back().data) % __STDCPP_DEFAULT_NEW_ALIGNMENT__, 0u);
    }
  }
  for (const Block& b : blocks) {
    ASSERT_TRUE(b.Holds());
    DeleteBlock(b);
  }
}

TEST(StepHeapTest, EveryFormOfNewWorksInsideAndOutlivesTheScope) {
  struct alignas(64) Line {
    char bytes[64];
  };
  std::unique_ptr<std::string[]> array;
  std::unique_ptr<Line> line;
  std::map<int, std::string> map;
  std::unique_ptr<int> quiet;
  {
    StepHeapScope scope;
    array = std::make_unique<std::string[]>(5);
    line = std::make_unique<Line>();
    quiet.reset(new (std::nothrow) int(7));
    for (int i = 0; i < 100; ++i) map[i] = std::string(static_cast<size_t>(i), 'x');
  }
  EXPECT_EQ(reinterpret_cast<uintptr_t>(line.get()) % 64, 0u);
  EXPECT_EQ(*quiet, 7);
  EXPECT_EQ(map[99], std::string(99, 'x'));
  map.erase(50);
  map[50] = "outside again";
}

TEST(StepHeapTest, ImpossibleSizesThrowAsEverywhere) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers stop the program there";
#endif
  StepHeapScope scope;
  volatile size_t huge = std::numeric_limits<size_t>::max() - 3;  // plus a header it would be tiny
  EXPECT_THROW(operator delete(operator new(huge)), std::bad_alloc);
  EXPECT_EQ(operator new(huge, std::nothrow), nullptr);
}

TEST(StepHeapTest, AUsedUpCacheFallsBackToMalloc) {
  StepHeapScope scope;
  std::vector<Block> blocks;
  blocks.reserve(3000);
  for (int i = 0; i < 3000; ++i) blocks.push_back(NewBlock(1000, static_cast<unsigned char>(i)));  // 3 MB
  for (const Block& b : blocks) {
    ASSERT_TRUE(b.Holds());
    DeleteBlock(b);
  }
  // What came back serves again.
  ExpectMallocs(CountMallocs([] { AllocateAndFree(1000, 100); }), 0);
}

TEST(StepHeapTest, AlignedBlocksAreServedReusedAndFreed) {
  { StepHeapScope first; }
  auto allocate = [](size_t size) {
    void* p = nullptr;
    ASSERT_EQ(posix_memalign(&p, 64, size), 0);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    std::memset(p, 0x5a, size);
    free(p);
  };
  ExpectMallocs(CountMallocs([&] {
                  StepHeapScope scope;
                  for (size_t size : {size_t{1}, size_t{64}, size_t{200}, size_t{5000}, size_t{3} << 20}) {
                    for (int i = 0; i < 100; ++i) allocate(size);
                  }
                }),
                0);
  ExpectMallocs(CountMallocs([&] { allocate(5000); }), 1);
  void* p = nullptr;
  if (StepHeapLinked()) {
    EXPECT_EQ(posix_memalign(&p, 48, 100), EINVAL);  // sanitizers stop the program there
  }
  // A block that outlives the scope is freed like any other; one too large for the cache comes from malloc.
  void* outlives = nullptr;
  void* large = nullptr;
  {
    StepHeapScope scope;
    ASSERT_EQ(posix_memalign(&outlives, 64, 1000), 0);
    ASSERT_EQ(posix_memalign(&large, 64, size_t{32} << 20), 0);
  }
  std::memset(outlives, 1, 1000);
  static_cast<char*>(large)[(size_t{32} << 20) - 1] = 1;
  free(outlives);
  free(large);
}

TEST(StepHeapTest, BlocksMayBeDeletedByAnyThread) {
  auto delete_elsewhere = [](const std::vector<Block>& blocks, bool in_scope) {
    std::thread([&] {
      std::unique_ptr<StepHeapScope> scope;
      if (in_scope) scope = std::make_unique<StepHeapScope>();
      for (const Block& b : blocks) {
        EXPECT_TRUE(b.Holds());
        DeleteBlock(b);
      }
    }).join();
  };
  for (bool in_scope : {true, false}) {
    std::vector<Block> inside, outside;
    {
      StepHeapScope scope;
      for (unsigned char i = 0; i < 100; ++i) inside.push_back(NewBlock(i * 10, i));
    }
    for (unsigned char i = 0; i < 100; ++i) outside.push_back(NewBlock(i * 10, i));
    delete_elsewhere(inside, in_scope);
    delete_elsewhere(outside, in_scope);
  }
}

// More threads than there are caches, one after another: those that ended have given theirs back.
TEST(StepHeapTest, CachesAreReusedByLaterThreads) {
  int64_t mallocs = 0;
  for (int i = 0; i < 600; ++i) {
    std::thread([&] {
      { StepHeapScope first; }
      mallocs += CountMallocs([] {
        StepHeapScope scope;
        AllocateAndFree(200, 20);
      });
    }).join();
  }
  ExpectMallocs(mallocs, 0);
}

// More threads at once than there are caches: the rest are served by malloc.
TEST(StepHeapTest, MoreThreadsThanCachesAtOnce) {
  std::atomic<int> ready{0}, bad{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 300; ++t) {
    threads.emplace_back([&, t] {
      StepHeapScope scope;
      ++ready;
      while (!go) std::this_thread::yield();
      std::vector<Block> blocks;
      for (int i = 0; i < 20; ++i) blocks.push_back(NewBlock(100, static_cast<unsigned char>(t + i)));
      for (const Block& b : blocks) {
        bad += !b.Holds();
        DeleteBlock(b);
      }
    });
  }
  while (ready < 300) std::this_thread::yield();
  go = true;
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(bad, 0);
}

// Threads that come and go and hand one another their blocks, as a prefetching reader and its user do.
TEST(StepHeapTest, ThreadsThatComeAndGoExchangeBlocks) {
  std::mutex mutex;
  std::vector<Block> shared;
  std::atomic<int> bad{0};
  for (int round = 0; round < 25; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, seed = round * 8 + t] {
        std::mt19937 rng(seed);
        for (int i = 0; i < 200; ++i) {
          std::unique_ptr<StepHeapScope> scope;
          if (rng() % 4 != 0) scope = std::make_unique<StepHeapScope>();
          Block mine = NewBlock(rng() % 600, static_cast<unsigned char>(rng()));
          {
            std::lock_guard<std::mutex> lock(mutex);
            shared.push_back(mine);
            if (shared.size() < 50) continue;
            std::swap(shared[rng() % shared.size()], shared.back());
            mine = shared.back();
            shared.pop_back();
          }
          bad += !mine.Holds();
          DeleteBlock(mine);
        }
      });
    }
    for (std::thread& t : threads) t.join();
  }
  EXPECT_EQ(bad, 0);
  for (const Block& b : shared) {
    EXPECT_TRUE(b.Holds());
    DeleteBlock(b);
  }
}

}  // namespace
}  // namespace athanor
