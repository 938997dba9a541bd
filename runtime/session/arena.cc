#include "runtime/session/arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/core/checked.h"

namespace athanor {
namespace {
constexpr int64_t kHugePage = 2 << 20;

std::byte* MapBytes(int64_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}
}  // namespace

absl::StatusOr<Arena> Arena::Map(int64_t bytes) {
  Arena arena;
  if (bytes == 0) return arena;
  if (bytes < 0 || bytes % 4096 != 0) {
    return MakeError(ErrorClass::kPlan, "an arena of %d bytes is not a number of whole pages of 4096", bytes);
  }
  bool huge = bytes >= kHugePage;
  auto mapped = CheckedAdd(bytes, huge ? kHugePage : 0);
  errno = ENOMEM;
  std::byte* p = mapped ? MapBytes(*mapped) : nullptr;
  if (p == nullptr) {
    return MakeError(ErrorClass::kLimit, "cannot map an arena of %d bytes: %s", bytes, std::strerror(errno));
  }
  if (huge) {
    // Keep the aligned part only, so that what is mapped is what the plan says, to the byte.
    int64_t before = (kHugePage - static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) % kHugePage)) % kHugePage;
    if (before > 0) munmap(p, before);
    munmap(p + before + bytes, kHugePage - before);
    p += before;
    madvise(p, bytes, MADV_HUGEPAGE);
  }
  arena.data_ = p;
  arena.bytes_ = bytes;
  return arena;
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Arena::~Arena() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace athanor
