// Runs a plan. A session makes all its primitives and maps its one arena when it is created; Run then allocates
// nothing.
#ifndef ATHANOR_RUNTIME_SESSION_SESSION_H_
#define ATHANOR_RUNTIME_SESSION_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/tensor.h"
#include "runtime/plan/plan.h"
#include "runtime/session/weights.h"

namespace athanor {

struct SessionOptions {
  std::vector<std::string> entries = {};  // to prepare, by name (see FindEntry); empty: all
  // Fill the arena with NaN before each run, and each buffer when it dies: a read of bytes that were not written shows
  // up in the results. For tests; slow.
  bool poison = false;
  bool profile = false;  // take the time of every call; not with poison
};

// Time of one kernel call over the runs of a profiling session.
struct CallProfile {
  int64_t runs = 0;
  double seconds = 0;
  double min_seconds = 0;
};

// Not thread-safe: one thread at a time uses a session. Many sessions may share one plan, and one Weights as long as
// none of them trains.
class Session {
 public:
  // Verifies the plan's target (VERSION error for another ISA or oneDNN), its memory (VerifyMemory) and that every
  // kernel needs no more than the plan gives it (PLAN error). REQ error for an entry that the plan has not, and for the
  // weights of another plan.
  static absl::StatusOr<std::unique_ptr<Session>> Create(std::shared_ptr<const Plan> plan,
                                                         std::shared_ptr<Weights> weights,
                                                         const SessionOptions& options = {});
  // With weights of its own, at the plan's initial values.
  static absl::StatusOr<std::unique_ptr<Session>> Create(std::shared_ptr<const Plan> plan,
                                                         const SessionOptions& options = {});
  ~Session();

  // Index of a prepared entry for the calls below; "infer" also finds the only entry "infer@...". REQ error naming
  // those that exist.
  absl::StatusOr<int> FindEntry(absl::string_view name) const;

  // The memory of an input or output of an entry, row-major; write inputs before Run, read outputs after it. Inputs
  // keep their content over runs of the same entry; entries share one arena, so running another entry spoils them.
  // The views stay valid as long as the session. REQ error for an unknown name.
  absl::StatusOr<TensorView> Input(int entry, absl::string_view name) const;
  absl::StatusOr<TensorView> Output(int entry, absl::string_view name) const;

  // Runs the calls of an entry on the calling thread and the plan's OpenMP threads. Allocates nothing. INDEX error for
  // bad values in the data; the calls behind the one that found it have not run.
  absl::Status Run(int entry);

  Weights& weights() { return *weights_; }
  std::shared_ptr<Weights> shared_weights() const { return weights_; }
  const Plan& plan() const { return *plan_; }
  // Bytes of the weight arena and the activation arena: equal to plan().peak_bytes() with one session.
  int64_t mapped_bytes() const;
  // One element a call of the entry, in order; empty unless profiling.
  const std::vector<CallProfile>& profile(int entry) const;

 private:
  struct PreparedEntry;
  Session(std::shared_ptr<const Plan> plan, std::shared_ptr<Weights> weights, const SessionOptions& options);
  absl::Status Prepare(const Entry& entry);
  PreparedEntry& Prepared(int entry) const;
  std::byte* Address(const Entry& entry, BufferId id) const;
  absl::StatusOr<TensorView> View(int entry, const std::vector<NamedBuffer>& list, absl::string_view name,
                                  absl::string_view what) const;
  absl::Status RunCalls(PreparedEntry& prepared);
  absl::Status RunPoisoned(PreparedEntry& prepared);
  static std::string DescribeCall(const PreparedEntry& prepared, size_t i);

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Weights> weights_;
  SessionOptions options_;
  Arena arena_;
  std::vector<std::unique_ptr<PreparedEntry>> entries_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_SESSION_SESSION_H_
