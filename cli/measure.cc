#include "cli/measure.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "cli/tables.h"
#include "runtime/core/threads.h"
#include "runtime/kernels/kernel.h"

namespace athanor {
namespace {

using Clock = std::chrono::steady_clock;

double TimeOf(const std::function<void()>& f) {
  Clock::time_point start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double BestOf(int times, const std::function<void()>& f) {
  f();
  double best = TimeOf(f);
  for (int i = 1; i < times; ++i) best = std::min(best, TimeOf(f));
  return best;
}

absl::StatusOr<double> MatmulPeak(int threads) {
  constexpr int64_t kSize = 1024;
  const KernelDef* def = KernelRegistry::Get().Find("matmul");
  if (def == nullptr) return MakeError(ErrorClass::kPlan, "kernel matmul is not linked");
  MemoryDesc square = MemoryDesc::Plain(DType::kF32, {kSize, kSize});
  CallSpec spec{"matmul", "roofline", {{"transpose_a", false}, {"transpose_b", false}, {"bias", false}}, {},
                {square, MemoryDesc{DType::kF32, {kSize, kSize}, ""}}, {square}, threads};
  ThreadScope scope(threads);
  ATH_ASSIGN_OR_RETURN(KernelInfo info, def->query(spec));
  spec.inputs = info.inputs;
  spec.outputs = info.outputs;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, def->create(spec));
  ATH_ASSIGN_OR_RETURN(Tensor a, Tensor::Create(DType::kF32, {kSize, kSize}));
  ATH_ASSIGN_OR_RETURN(Tensor b, Tensor::Create(DType::kF32, {kSize, kSize}));
  ATH_ASSIGN_OR_RETURN(Tensor c, Tensor::Create(DType::kF32, {kSize, kSize}));
  ATH_ASSIGN_OR_RETURN(Tensor scratch, Tensor::Create(DType::kU8, {info.scratch_bytes}));
  void* inputs[] = {a.data(), b.data()};
  void* outputs[] = {c.data()};
  ATH_RETURN_IF_ERROR(kernel->Bind(inputs, outputs, scratch.data()));
  absl::Status status;
  double seconds = BestOf(20, [&] { status = kernel->Run(); });
  ATH_RETURN_IF_ERROR(status);
  return 2.0 * kSize * kSize * kSize / seconds;
}

absl::StatusOr<double> CopyPeak(int threads) {
  constexpr int64_t kBytes = 64 << 20;
  ATH_ASSIGN_OR_RETURN(Tensor from, Tensor::Create(DType::kU8, {kBytes}));
  ATH_ASSIGN_OR_RETURN(Tensor to, Tensor::Create(DType::kU8, {kBytes}));
  auto* source = static_cast<char*>(from.data());
  auto* target = static_cast<char*>(to.data());
  double seconds = BestOf(10, [&] {
#pragma omp parallel num_threads(threads)
    {
      int64_t part = kBytes / omp_get_num_threads(), begin = part * omp_get_thread_num();
      std::memcpy(target + begin, source + begin, part);
    }
  });
  return 2.0 * kBytes / seconds;
}

}  // namespace

Timing Measure(double seconds, const std::function<void()>& f) {
  constexpr size_t kLeast = 5, kMost = 1000000;
  Timing timing;
  timing.first_ms = 1e3 * TimeOf(f);
  std::vector<double> times;
  times.reserve(kMost);
  Clock::time_point start = Clock::now();
  while (times.size() < kLeast ||
         (times.size() < kMost && std::chrono::duration<double>(Clock::now() - start).count() < seconds)) {
    times.push_back(1e3 * TimeOf(f));
  }
  std::sort(times.begin(), times.end());
  timing.min_ms = times.front();
  timing.median_ms = times[times.size() / 2];
  timing.p99_ms = times[std::min(times.size() - 1, times.size() * 99 / 100)];
  timing.runs = static_cast<int64_t>(times.size());
  return timing;
}

absl::StatusOr<Roofline> MeasureRoofline(int threads) {
  Roofline roof;
  roof.threads = threads;
  ATH_ASSIGN_OR_RETURN(roof.flops_per_second, MatmulPeak(threads));
  ATH_ASSIGN_OR_RETURN(roof.bytes_per_second, CopyPeak(threads));
  return roof;
}

void PrintProfile(const Entry& entry, const std::vector<CallProfile>& profile) {
  double total = 0;
  for (const CallProfile& p : profile) total += p.seconds;
  std::vector<size_t> order(profile.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return profile[a].seconds > profile[b].seconds; });
  std::vector<std::vector<std::string>> rows = {{"share", "mean us", "min us", "GFLOP/s", "threads", "kernel", "node", "implementation"}};
  for (size_t i : order) {
    const CallProfile& p = profile[i];
    if (p.runs == 0) continue;
    double mean = p.seconds / static_cast<double>(p.runs);
    rows.push_back({absl::StrFormat("%.1f%%", 100 * p.seconds / total), absl::StrFormat("%.2f", 1e6 * mean),
                    absl::StrFormat("%.2f", 1e6 * p.min_seconds), absl::StrFormat("%.1f", entry.calls[i].flops / mean * 1e-9),
                    absl::StrCat(entry.calls[i].threads), entry.calls[i].kernel, entry.calls[i].name, entry.calls[i].impl});
  }
  std::fprintf(stderr, "entry %s, calls by time\n%s\n", entry.name.c_str(), FormatTable(rows).c_str());
}

}  // namespace athanor
