// What this process may use of the machine.
#ifndef ATHANOR_RUNTIME_CORE_CPU_H_
#define ATHANOR_RUNTIME_CORE_CPU_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace athanor {

// The CPUs this process may really use: the lesser of its affinity mask and its cgroups' CPU quota rounded up; at
// least 1. A container that is given 1.5 of 64 CPUs counts 2, so that its threads are not throttled.
int AvailableCpus();

// The processor's model, "Intel(R) Xeon(R) ..."; "unknown" where the system does not tell.
std::string CpuName();

// Bytes of main memory of the machine; INT64_MAX where the system does not tell.
int64_t PhysicalMemoryBytes();

// The parts of AvailableCpus and CpuName that read texts of the kernel.

// cgroup v2's cpu.max, "150000 100000" = 1.5 CPUs; nullopt for "max" and for what is no quota.
std::optional<double> ParseCpuMax(absl::string_view text);
// cgroup v1's cpu.cfs_quota_us and cpu.cfs_period_us; nullopt for -1 (no quota) and for what is no quota.
std::optional<double> ParseCfsQuota(absl::string_view quota_us, absl::string_view period_us);
// The least quota of the cgroups that this process is in and their ancestors, from /proc/self/cgroup and
// /proc/self/mountinfo; nullopt when there is none. `read` gives a file's content, or nullopt when it is missing.
std::optional<double> CpuQuota(absl::string_view self_cgroup, absl::string_view mountinfo,
                               const std::function<std::optional<std::string>(const std::string&)>& read);
// The first model name in /proc/cpuinfo; empty when there is none.
std::string ParseCpuName(absl::string_view cpuinfo);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_CPU_H_
