#include "data/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace athanor {
namespace {

constexpr int kMaxThreads = 64;
constexpr int64_t kPiece = 16;  // taken at once: small work must not wait for the counter

absl::Status Call(absl::FunctionRef<absl::Status(int64_t)> work, int64_t i) {
  try {
    return work(i);
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "no memory");
  } catch (const std::exception& e) {
    return MakeError(ErrorClass::kData, "exception: %s", e.what());
  }
}

struct Shared {
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> first_bad;
  std::mutex mutex;
  absl::Status status;  // of first_bad, guarded by mutex

  void Fail(int64_t i, absl::Status s) {
    std::lock_guard<std::mutex> lock(mutex);
    if (i >= first_bad) return;
    first_bad = i;
    status = std::move(s);
  }
};

// Pieces are handed out in order, so all below the first error so far have been handed out and will be done.
void Work(int64_t n, absl::FunctionRef<absl::Status(int64_t)> work, Shared* shared) {
  for (int64_t begin; (begin = shared->next.fetch_add(kPiece)) < n;) {
    for (int64_t i = begin; i < std::min(n, begin + kPiece); ++i) {
      if (i >= shared->first_bad) return;
      absl::Status status = Call(work, i);
      if (!status.ok()) shared->Fail(i, std::move(status));
    }
  }
}

}  // namespace

int DefaultThreads() { return std::clamp<int>(std::thread::hardware_concurrency(), 1, kMaxThreads); }

absl::Status ParallelFor(int64_t n, int threads, absl::FunctionRef<absl::Status(int64_t)> work) {
  if (threads <= 0) threads = DefaultThreads();
  threads = static_cast<int>(std::min<int64_t>(std::min(threads, kMaxThreads), (n + kPiece - 1) / kPiece));
  Shared shared;
  shared.first_bad = n;
  std::vector<std::thread> others;
  others.reserve(std::max(threads - 1, 0));
  try {
    for (int t = 1; t < threads; ++t) others.emplace_back([&] { Work(n, work, &shared); });
  } catch (const std::system_error&) {
    // Fewer threads do the same work.
  }
  Work(n, work, &shared);
  for (std::thread& t : others) t.join();
  return shared.status;
}

}  // namespace athanor
