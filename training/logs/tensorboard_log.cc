#include "training/logs/tensorboard_log.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "runtime/core/utf8.h"
#include "training/logs/event_encoding.h"

namespace athanor {
namespace {

namespace fs = std::filesystem;
constexpr char kPrefix[] = "events.out.tfevents.";

double WallTime() { return static_cast<double>(absl::ToUnixMicros(absl::Now())) * 1e-6; }

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "localhost";
  std::string host = name;
  std::replace(host.begin(), host.end(), '/', '_');
  return host;
}

absl::StatusOr<std::vector<fs::path>> EventFiles(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().rfind(kPrefix, 0) == 0) files.push_back(it->path());
  }
  if (error) return MakeError(ErrorClass::kPath, "%s cannot be listed: %s", folder, error.message());
  return files;
}

// Strings of Protocol Buffers are UTF-8.
std::string Tag(absl::string_view tag) {
  std::string out(tag);
  if (IsPrintableUtf8(tag)) return out;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorBoardLog>> TensorBoardLog::Open(const std::string& folder,
                                                                     std::optional<int64_t> resumed_step) {
  ATH_ASSIGN_OR_RETURN(const std::vector<fs::path> files, EventFiles(folder));
  int64_t time = absl::ToUnixSeconds(absl::Now());
  for (const fs::path& file : files) {
    // TensorBoard reads the files of a folder in the order of their names.
    int64_t other = 0;
    const std::string number = file.filename().string().substr(sizeof(kPrefix) - 1, 10);
    if (resumed_step && absl::SimpleAtoi(number, &other)) time = std::max(time, other + 1);
    std::error_code error;
    if (!resumed_step && !fs::remove(file, error) && error) {
      return MakeError(ErrorClass::kPath, "%s of an earlier run cannot be removed: %s", file.string(), error.message());
    }
  }
  ATH_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(absl::StrFormat("%s/%s%010d.%s.%d", folder, kPrefix, time,
                                                                         HostName(), getpid())));
  std::unique_ptr<TensorBoardLog> log(new TensorBoardLog(std::move(file)));
  log->records_ = TfRecord(FileVersionEvent(WallTime()));
  if (resumed_step) log->records_ += TfRecord(SessionStartEvent(WallTime(), *resumed_step + 1));
  ATH_RETURN_IF_ERROR(log->Flush());
  return log;
}

void TensorBoardLog::Scalar(absl::string_view tag, int64_t step, double value) {
  records_ += TfRecord(ScalarEvent(WallTime(), step, Tag(tag), static_cast<float>(value)));
}

void TensorBoardLog::Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) {
  records_ += TfRecord(HistogramEvent(WallTime(), step, Tag(tag), values));
}

absl::Status TensorBoardLog::Flush() {
  const std::string records = std::exchange(records_, {});
  return records.empty() ? absl::OkStatus() : file_.Append(records);
}

}  // namespace athanor
