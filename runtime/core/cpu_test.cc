#include "runtime/core/cpu.h"

#include <sched.h>

#include <map>
#include <thread>

#include "gtest/gtest.h"

namespace athanor {
namespace {

using Files = std::map<std::string, std::string>;

std::optional<double> QuotaWith(const std::string& self_cgroup, const std::string& mountinfo, const Files& files) {
  return CpuQuota(self_cgroup, mountinfo, [&](const std::string& path) -> std::optional<std::string> {
    auto it = files.find(path);
    if (it == files.end()) return std::nullopt;
    return it->second;
  });
}

constexpr char kMountV2[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr char kMountV1[] =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";

TEST(CpuTest, ReadsTheQuotaOfBothKindsOfCgroup) {
  EXPECT_EQ(ParseCpuMax("150000 100000\n"), 1.5);
  EXPECT_EQ(ParseCpuMax("max 100000\n"), std::nullopt);
  EXPECT_EQ(ParseCpuMax(""), std::nullopt);
  EXPECT_EQ(ParseCpuMax("100000"), std::nullopt);
  EXPECT_EQ(ParseCpuMax("100000 0"), std::nullopt);
  EXPECT_EQ(ParseCpuMax("-5 100000"), std::nullopt);
  EXPECT_EQ(ParseCpuMax("99999999999999999999 100000"), std::nullopt);
  EXPECT_EQ(ParseCfsQuota("50000\n", "100000\n"), 0.5);
  EXPECT_EQ(ParseCfsQuota("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(ParseCfsQuota("", ""), std::nullopt);
}

TEST(CpuTest, TheLeastQuotaOnTheWayToTheRootCounts) {
  Files files = {{"/sys/fs/cgroup/a/b/cpu.max", "400000 100000"},
                 {"/sys/fs/cgroup/a/cpu.max", "300000 100000"},
                 {"/sys/fs/cgroup/other/cpu.max", "100000 100000"}};
  EXPECT_EQ(QuotaWith("0::/a/b\n", kMountV2, files), 3.0);
  EXPECT_EQ(QuotaWith("0::/a/missing\n", kMountV2, files), 3.0);
  EXPECT_EQ(QuotaWith("0::/c\n", kMountV2, files), std::nullopt);
  EXPECT_EQ(QuotaWith("0::/\n", kMountV2, {{"/sys/fs/cgroup/cpu.max", "200000 100000"}}), 2.0);
}

TEST(CpuTest, ReadsVersionOneHierarchies) {
  Files files = {{"/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "250000"},
                 {"/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000"},
                 {"/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "1"},
                 {"/sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000"}};
  EXPECT_EQ(QuotaWith("9:cpuset:/\n4:cpu,cpuacct:/docker/x\n", kMountV1, files), 2.5);
}

TEST(CpuTest, AContainerSeesItsOwnPartOfTheHierarchyOnly) {
  std::string mount = "30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  Files files = {{"/sys/fs/cgroup/cpu.max", "150000 100000"}, {"/sys/fs/cgroup/sub/cpu.max", "50000 100000"}};
  EXPECT_EQ(QuotaWith("0::/docker/x\n", mount, files), 1.5);
  EXPECT_EQ(QuotaWith("0::/docker/x/sub\n", mount, files), 0.5);
  EXPECT_EQ(QuotaWith("0::/docker/xy\n", mount, files), 1.5);
  EXPECT_EQ(QuotaWith("0::/elsewhere\n", mount, files), 1.5);
}

TEST(CpuTest, OddTextsGiveNoQuota) {
  for (const char* text : {"", "\n\n", "0:", "::", " - ", "a b c - cgroup2", "1 2 3 / /m x - cgroup2 c rw"}) {
    EXPECT_EQ(QuotaWith(text, text, {}), std::nullopt) << text;
    EXPECT_EQ(QuotaWith("0::/a", text, {}), std::nullopt) << text;
  }
}

TEST(CpuTest, FindsTheModelName) {
  EXPECT_EQ(ParseCpuName("processor\t: 0\nmodel name\t: Some CPU @ 3.00GHz: X\nmodel name: other\n"),
            "Some CPU @ 3.00GHz: X");
  EXPECT_EQ(ParseCpuName("processor : 0\n"), "");
  EXPECT_FALSE(CpuName().empty());
}

TEST(CpuTest, AffinityLimitsTheCount) {
  EXPECT_GE(AvailableCpus(), 1);
  EXPECT_LE(AvailableCpus(), static_cast<int>(std::thread::hardware_concurrency()));
  // In a thread of its own, since the mask stays.
  std::thread([] {
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof(mask), &mask), 0);
    EXPECT_EQ(AvailableCpus(), 1);
  }).join();
}

TEST(CpuTest, TheMachineHasMemory) { EXPECT_GT(PhysicalMemoryBytes(), int64_t{1} << 26); }

}  // namespace
}  // namespace athanor
