#include "runtime/core/cpu.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/core/checked.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int64_t kMaxKernelText = int64_t{16} << 20;

std::optional<std::string> ReadKernelText(const std::string& path) {
  auto text = ReadFile(path, kMaxKernelText);
  if (!text.ok()) return std::nullopt;
  return *std::move(text);
}

std::optional<double> Ratio(absl::string_view quota_us, absl::string_view period_us) {
  int64_t quota, period;
  if (!absl::SimpleAtoi(quota_us, &quota) || !absl::SimpleAtoi(period_us, &period)) return std::nullopt;
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<double>(quota) / static_cast<double>(period);
}

// Where the hierarchy that limits CPU time is mounted, and which of its folders is this process's.
struct Hierarchy {
  bool v2;
  std::string mount, folder;  // folder: below mount, "" or "/a/b"
};

bool NamesCpu(absl::string_view comma_separated) {
  for (absl::string_view item : absl::StrSplit(comma_separated, ',')) {
    if (item == "cpu") return true;
  }
  return false;
}

// The path of the process in the hierarchy: lines are "0::/path" for v2 and "4:cpu,cpuacct:/path" for v1.
std::optional<std::string> CgroupPath(absl::string_view self_cgroup, bool v2) {
  for (absl::string_view line : absl::StrSplit(self_cgroup, '\n')) {
    std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (v2 ? parts[1].empty() : NamesCpu(parts[1])) return parts[2] == "/" ? "" : parts[2];
  }
  return std::nullopt;
}

// Fields: id parent major:minor root mountpoint options... - type source superoptions
std::vector<Hierarchy> Hierarchies(absl::string_view self_cgroup, absl::string_view mountinfo) {
  std::vector<Hierarchy> found;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    std::vector<absl::string_view> type = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 5 || type.size() < 3) continue;
    bool v2 = type[0] == "cgroup2";
    if (!v2 && (type[0] != "cgroup" || !NamesCpu(type[2]))) continue;
    std::optional<std::string> path = CgroupPath(self_cgroup, v2);
    if (!path) continue;
    // Only the part of the hierarchy below `root` is mounted. A process outside of it (a container that still sees its
    // host's path) gets the mounted part's own limits.
    absl::string_view root = mount[3] == "/" ? "" : mount[3], folder = *path;
    if (!absl::ConsumePrefix(&folder, root) || (!folder.empty() && folder[0] != '/')) folder = "";
    found.push_back({v2, std::string(mount[4]), std::string(folder)});
  }
  return found;
}

}  // namespace

std::optional<double> ParseCpuMax(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(absl::StripAsciiWhitespace(text), ' ', absl::SkipEmpty());
  if (parts.size() != 2) return std::nullopt;
  return Ratio(parts[0], parts[1]);
}

std::optional<double> ParseCfsQuota(absl::string_view quota_us, absl::string_view period_us) {
  return Ratio(absl::StripAsciiWhitespace(quota_us), absl::StripAsciiWhitespace(period_us));
}

std::optional<double> CpuQuota(absl::string_view self_cgroup, absl::string_view mountinfo,
                               const std::function<std::optional<std::string>(const std::string&)>& read) {
  std::optional<double> least;
  for (const Hierarchy& h : Hierarchies(self_cgroup, mountinfo)) {
    for (std::string folder = h.folder;; folder.resize(folder.find_last_of('/'))) {
      std::string dir = h.mount + folder;
      std::optional<double> quota;
      if (h.v2) {
        quota = ParseCpuMax(read(dir + "/cpu.max").value_or(""));
      } else {
        quota =
            ParseCfsQuota(read(dir + "/cpu.cfs_quota_us").value_or(""), read(dir + "/cpu.cfs_period_us").value_or(""));
      }
      if (quota) least = std::min(least.value_or(*quota), *quota);
      if (folder.find('/') == std::string::npos) break;
    }
  }
  return least;
}

std::string ParseCpuName(absl::string_view cpuinfo) {
  for (absl::string_view line : absl::StrSplit(cpuinfo, '\n')) {
    std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() == 2 && absl::StripAsciiWhitespace(parts[0]) == "model name") {
      return std::string(absl::StripAsciiWhitespace(parts[1]));
    }
  }
  return "";
}

int AvailableCpus() {
  int cpus = 0;
  // The mask must be as large as the kernel's, which may be larger than cpu_set_t.
  for (int size = CPU_SETSIZE; size <= (1 << 20) && cpus == 0; size *= 2) {
    cpu_set_t* mask = CPU_ALLOC(size);
    if (mask == nullptr) break;
    if (sched_getaffinity(0, CPU_ALLOC_SIZE(size), mask) == 0) cpus = CPU_COUNT_S(CPU_ALLOC_SIZE(size), mask);
    bool too_small = cpus == 0 && errno == EINVAL;
    CPU_FREE(mask);
    if (!too_small) break;
  }
  if (cpus <= 0) cpus = static_cast<int>(std::thread::hardware_concurrency());
  auto cgroup = ReadKernelText("/proc/self/cgroup");
  auto mountinfo = ReadKernelText("/proc/self/mountinfo");
  if (cgroup && mountinfo) {
    auto quota = CpuQuota(*cgroup, *mountinfo, ReadKernelText);
    if (quota && *quota < cpus) cpus = static_cast<int>(std::ceil(*quota));
  }
  return std::max(cpus, 1);
}

std::string CpuName() {
  std::string name = ParseCpuName(ReadKernelText("/proc/cpuinfo").value_or(""));
  return name.empty() ? "unknown" : name;
}

int64_t PhysicalMemoryBytes() {
  int64_t pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0) return std::numeric_limits<int64_t>::max();
  return CheckedMul(pages, page).value_or(std::numeric_limits<int64_t>::max());
}

}  // namespace athanor
