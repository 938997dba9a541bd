#include "runtime/session/arena.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr int64_t kPage = 4096, kHugePage = 2 << 20;

Arena Mapped(int64_t bytes) {
  auto arena = Arena::Map(bytes);
  EXPECT_EQ(arena.status(), absl::OkStatus());
  return arena.ok() ? *std::move(arena) : Arena();
}

// The process's address space, asked for without allocating.
int64_t MappedByTheProcess() {
  char text[64] = {};
  int file = open("/proc/self/statm", O_RDONLY);
  ssize_t n = read(file, text, sizeof(text) - 1);
  close(file);
  return n > 0 ? std::strtoll(text, nullptr, 10) * sysconf(_SC_PAGESIZE) : -1;
}

TEST(ArenaTest, IsZeroAlignedAndWritableToTheLastByte) {
  for (int64_t bytes : {kPage, 3 * kPage, kHugePage - kPage, kHugePage, kHugePage + kPage, 5 * kHugePage}) {
    Arena arena = Mapped(bytes);
    ASSERT_EQ(arena.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % (bytes >= kHugePage ? kHugePage : 64), 0u) << bytes;
    EXPECT_TRUE(std::all_of(arena.data(), arena.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(arena.data(), bytes, std::byte{0xFF});
  }
}

TEST(ArenaTest, MapsWhatItSaysToTheByteAndGivesItBack) {
  for (int64_t bytes : {kPage, kHugePage - kPage, kHugePage, 3 * kHugePage + kPage}) {
    const int64_t before = MappedByTheProcess();
    ASSERT_GT(before, 0);
    int64_t during = 0;
    {
      auto arena = Arena::Map(bytes);
      during = MappedByTheProcess();
      ASSERT_TRUE(arena.ok()) << arena.status();
    }
    EXPECT_EQ(during - before, bytes);
    EXPECT_EQ(MappedByTheProcess(), before);
  }
}

TEST(ArenaTest, MovesWithItsMemory) {
  Arena a = Mapped(kPage), b = Mapped(2 * kPage);
  std::byte* memory = a.data();
  Arena c = std::move(a);
  EXPECT_EQ(c.data(), memory);
  EXPECT_EQ(c.bytes(), kPage);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT: what is left behind is empty
  EXPECT_EQ(a.bytes(), 0);
  b = std::move(c);
  EXPECT_EQ(b.data(), memory);
  EXPECT_EQ(b.bytes(), kPage);
  b.data()[kPage - 1] = std::byte{1};
}

TEST(ArenaTest, NothingIsAnArenaToo) {
  Arena arena = Mapped(0);
  EXPECT_EQ(arena.data(), nullptr);
  EXPECT_EQ(arena.bytes(), 0);
}

// Plans come from files: their numbers are no reason to crash.
TEST(ArenaTest, ImpossibleSizesAreErrors) {
  auto error = [](int64_t bytes) { return std::string(ErrorClassOf(Arena::Map(bytes).status())); };
  EXPECT_EQ(error(100), "PLAN");
  EXPECT_EQ(error(-kPage), "PLAN");
  EXPECT_EQ(error(int64_t{1} << 60), "LIMIT");
  EXPECT_EQ(error(std::numeric_limits<int64_t>::max() / kPage * kPage), "LIMIT");
}

}  // namespace
}  // namespace athanor
