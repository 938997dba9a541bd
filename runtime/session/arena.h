// One block of memory, mapped at once, that everything of a session lives in.
#ifndef ATHANOR_RUNTIME_SESSION_ARENA_H_
#define ATHANOR_RUNTIME_SESSION_ARENA_H_

#include <cstddef>
#include <cstdint>

#include "runtime/core/status.h"

namespace athanor {

// Anonymous memory, zero-filled, at least 64-byte aligned; blocks of 2 MiB and more begin on a 2 MiB boundary and are
// advised to use huge pages. Movable; unmapped when destroyed.
class Arena {
 public:
  Arena() = default;
  // `bytes` is a multiple of 4096 (the compiler rounds the arenas of plans so) or 0: PLAN error otherwise. LIMIT error
  // when it cannot be mapped.
  static absl::StatusOr<Arena> Map(int64_t bytes);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_ARENA_H_
