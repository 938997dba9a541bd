// Timing of repeated runs, and the machine's peaks to hold them against.
#ifndef ATHANOR_CLI_MEASURE_H_
#define ATHANOR_CLI_MEASURE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

struct Timing {
  double first_ms = 0;  // the very first run
  double min_ms = 0, median_ms = 0, p99_ms = 0;  // of the runs behind it
  int64_t runs = 0;
};

// Runs `f` at least five times after the first and then until `seconds` have passed.
Timing Measure(double seconds, const std::function<void()>& f);

struct Roofline {
  int threads = 1;
  double flops_per_second = 0;  // f32 matmul of 1024x1024x1024
  double bytes_per_second = 0;  // copy of 64 MiB: bytes read and written
};

// About half a second. The best of several runs each.
absl::StatusOr<Roofline> MeasureRoofline(int threads);

// Calls by their share of the time.
void PrintProfile(const Entry& entry, const std::vector<CallProfile>& profile);

}  // namespace athanor

#endif  // ATHANOR_CLI_MEASURE_H_
