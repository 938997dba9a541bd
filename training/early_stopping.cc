#include "training/early_stopping.h"

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace athanor {

absl::StatusOr<EarlyStopping> EarlyStopping::Create(const EarlyStoppingConfig& config) {
  if (config.patience < 0)
    return MakeError(ErrorClass::kReq, "early stopping: patience = %d is below 0", config.patience);
  if (!std::isfinite(config.min_delta) || config.min_delta < 0) {
    return MakeError(ErrorClass::kReq, "early stopping: min_delta = %g is not a number from 0", config.min_delta);
  }
  return EarlyStopping(config);
}

bool EarlyStopping::Update(double value, int64_t step) {
  const double gain = config_.mode == MetricMode::kMin ? best_ - value : value - best_;
  if (!std::isnan(value) && (!has_best() || gain > config_.min_delta)) {
    best_ = value;
    best_step_ = step;
    bad_ = 0;
    return true;
  }
  ++bad_;
  return false;
}

std::string EarlyStopping::ToText() const {
  return absl::StrFormat("best=%.17g step=%d bad=%d", best_, best_step_, bad_);
}

absl::Status EarlyStopping::Restore(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ' ');
  auto value = [&](size_t i, absl::string_view key) {
    absl::string_view part = parts[i];
    return absl::ConsumePrefix(&part, key) ? part : absl::string_view();
  };
  double best = 0;
  int64_t step = 0, bad = 0;
  if (parts.size() != 3 || !absl::SimpleAtod(value(0, "best="), &best) || !absl::SimpleAtoi(value(1, "step="), &step) ||
      !absl::SimpleAtoi(value(2, "bad="), &bad) || step < -1 || bad < 0) {
    return MakeError(ErrorClass::kCkpt, "\"%s\" is not the state of early stopping", text);
  }
  best_ = best;
  best_step_ = step;
  bad_ = bad;
  return absl::OkStatus();
}

}  // namespace athanor
