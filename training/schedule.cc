#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace athanor {
namespace {

// The cosine half wave from `from` at t = 0 to `to` at t = 1.
double CosineBetween(double from, double to, double t) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

// Where `step` lies in its cycle, from 0 to below 1.
double CyclePosition(const ScheduleConfig& c, int64_t step, int64_t period) {
  if (c.growth == 1) return static_cast<double>(step % period) / period;
  double start = 0, length = period;
  while (step >= start + length) start += length, length *= c.growth;
  return (step - start) / length;
}

double Cosine(const ScheduleConfig& c, double base, int64_t step, int64_t steps, int64_t steps_per_epoch) {
  const int64_t period = c.period.Steps(steps_per_epoch);
  const double t = period > 0
                       ? CyclePosition(c, step, period)
                       : std::min(1.0, static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, steps)));
  return CosineBetween(base, c.min, t);
}

// From base / div_factor up to base until pct_start of the run, then down to base / (div_factor * final_div_factor).
double OneCycle(const ScheduleConfig& c, double base, int64_t step, int64_t steps) {
  const double initial = base / c.div_factor, last = initial / c.final_div_factor;
  const double peak = c.pct_start * static_cast<double>(steps) - 1, end = static_cast<double>(steps - 1);
  const double at = std::min(static_cast<double>(step), end);
  const bool rising = at <= peak;
  const double t = rising ? (peak > 0 ? at / peak : 1) : (at - peak) / (end - peak);
  const double from = rising ? initial : base, to = rising ? base : last;
  return c.linear_anneal ? from + (to - from) * t : CosineBetween(from, to, t);
}

// The kind's rate at `step` of `steps`, warm-up aside.
double Rate(const ScheduleConfig& c, double base, int64_t step, int64_t steps, int64_t steps_per_epoch,
            const PlateauState& plateau) {
  switch (c.kind) {
    case ScheduleKind::kConstant:
      return base;
    case ScheduleKind::kStep:
      return base * std::pow(c.gamma, static_cast<double>(step / std::max<int64_t>(1, c.every.Steps(steps_per_epoch))));
    case ScheduleKind::kMultiStep: {
      auto passed =
          std::count_if(c.at.begin(), c.at.end(), [&](const Extent& e) { return e.Steps(steps_per_epoch) <= step; });
      return base * std::pow(c.gamma, static_cast<double>(passed));
    }
    case ScheduleKind::kExponential: {
      const double every = static_cast<double>(std::max<int64_t>(1, c.every.Steps(steps_per_epoch)));
      return base * std::pow(c.gamma, static_cast<double>(step) / every);
    }
    case ScheduleKind::kCosine:
      return Cosine(c, base, step, steps, steps_per_epoch);
    case ScheduleKind::kOneCycle:
      return OneCycle(c, base, step, steps);
    case ScheduleKind::kPolynomial: {
      const double left =
          1 - std::min(1.0, static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, steps)));
      return c.min + (base - c.min) * std::pow(left, c.power);
    }
    case ScheduleKind::kPlateau:
      return plateau.rate > 0 ? plateau.rate : base;
  }
  return base;
}

absl::Status CheckExtent(const char* name, const Extent& e, const RunLength& run) {
  if (e.amount == 0 || e.Steps(run.steps_per_epoch) >= 1) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "schedule: %s = %g epochs of %d steps is less than one step", name, e.amount,
                   run.steps_per_epoch);
}

bool IsBetter(const ScheduleConfig& c, double value, double best) {
  if (std::isnan(value)) return false;
  if (std::isnan(best)) return true;
  const double sign = c.maximize ? 1 : -1;
  const double bar = c.absolute_threshold ? best + sign * c.threshold : best * (1 + sign * c.threshold);
  return c.maximize ? value > bar : value < bar;
}

}  // namespace

int64_t Extent::Steps(int64_t steps_per_epoch) const {
  return std::llround(epochs ? amount * static_cast<double>(steps_per_epoch) : amount);
}

absl::Status CheckSchedule(const ScheduleConfig& c, double base_rate, const RunLength& run) {
  if (run.steps < 1 || run.steps_per_epoch < 1) {
    return MakeError(ErrorClass::kReq, "schedule: a run of %d steps, %d an epoch", run.steps, run.steps_per_epoch);
  }
  const int64_t warmup = c.warmup.Steps(run.steps_per_epoch);
  if (warmup >= run.steps) {
    return MakeError(ErrorClass::kReq, "schedule: a warm-up of %d steps is as long as the run of %d steps", warmup,
                     run.steps);
  }
  ATH_RETURN_IF_ERROR(CheckExtent("every", c.every, run));
  ATH_RETURN_IF_ERROR(CheckExtent("period", c.period, run));
  for (const Extent& e : c.at) ATH_RETURN_IF_ERROR(CheckExtent("at", e, run));
  if (c.min > base_rate) {
    return MakeError(ErrorClass::kReq, "schedule: min = %g is above the learning rate of %g", c.min, base_rate);
  }
  if (c.kind == ScheduleKind::kOneCycle && run.steps - warmup < 2) {
    return MakeError(ErrorClass::kReq, "schedule: onecycle needs 2 steps at least, the run has %d", run.steps - warmup);
  }
  return absl::OkStatus();
}

double LearningRate(const ScheduleConfig& c, double base_rate, int64_t step, const RunLength& run,
                    const PlateauState& plateau) {
  const int64_t warmup = c.warmup.Steps(run.steps_per_epoch);
  if (step < warmup) {
    const double scale =
        c.warmup_start + (1 - c.warmup_start) * static_cast<double>(step) / static_cast<double>(warmup);
    return scale * Rate(c, base_rate, 0, run.steps - warmup, run.steps_per_epoch, plateau);
  }
  return Rate(c, base_rate, step - warmup, run.steps - warmup, run.steps_per_epoch, plateau);
}

bool UpdatePlateau(const ScheduleConfig& c, double base_rate, double metric, PlateauState* state) {
  if (c.kind != ScheduleKind::kPlateau) return false;
  if (IsBetter(c, metric, state->best)) {
    state->best = metric;
    state->bad = 0;
  } else {
    ++state->bad;
  }
  if (state->cooldown > 0) {
    --state->cooldown;
    state->bad = 0;
  }
  if (state->bad <= c.patience) return false;
  state->bad = 0;
  state->cooldown = c.cooldown;
  const double old = state->rate > 0 ? state->rate : base_rate;
  const double lowered = std::max(old * c.factor, c.min);
  // PyTorch's eps: a change too small to matter is not made.
  if (old - lowered <= 1e-8) return false;
  state->rate = lowered;
  return true;
}

}  // namespace athanor
