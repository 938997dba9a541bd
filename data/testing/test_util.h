// For the tests of data/ and of what stands on it.
#ifndef ATHANOR_DATA_TESTING_TEST_UTIL_H_
#define ATHANOR_DATA_TESTING_TEST_UTIL_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace athanor::testing {

// A new folder, removed with all it holds at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const;
  // Writes a file and returns its path.
  std::string Put(absl::string_view name, absl::string_view content) const;

 private:
  std::string path_;
};

// Expects an error of this class ("DATA") whose message holds `part`.
void ExpectError(const absl::Status& status, absl::string_view error_class, absl::string_view part);

// Gives `parse` every truncation of `bytes`, the empty one included, and expects a typed error from each.
void ExpectEveryTruncationRefused(absl::string_view bytes, const std::function<absl::Status(absl::string_view)>& parse);
// Gives `parse` `bytes` with each byte in turn replaced (0, 0xff, one bit flipped, +1, its complement), and expects
// success or a typed error from each.
void ExpectEveryCorruptionSafe(absl::string_view bytes, const std::function<absl::Status(absl::string_view)>& parse);

// By how many bytes the peak memory of a process grows that calls `f`, measured in a child process.
int64_t PeakMemoryGrowth(const std::function<void()>& f);
// What rejecting a file of this size may cost: twice the file and 16 MiB.
inline int64_t RejectionBudget(absl::string_view file) {
  return 2 * static_cast<int64_t>(file.size()) + (int64_t{16} << 20);
}

}  // namespace athanor::testing

#endif  // ATHANOR_DATA_TESTING_TEST_UTIL_H_
