#include "training/train_config.h"

#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace athanor {
namespace {

// What a checkpoint of version 1.0 says of every optimizer, and says of one that has no such number.
constexpr std::pair<const char*, double> kAlwaysSaved[] = {
    {"momentum", 0}, {"weight_decay", 0}, {"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}};

constexpr int64_t kMostParts = 1000000000;

absl::Status AtLeast(absl::string_view what, int64_t value, int64_t low) {
  if (value >= low) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "%s = %d is below %d", what, value, low);
}

absl::Status InRange(absl::string_view what, double value, double low, double high) {
  if (value >= low && value < high) return absl::OkStatus();  // NaN fails
  return MakeError(ErrorClass::kReq, "%s = %g is not in [%g, %g)", what, value, low, high);
}

}  // namespace

absl::Status CheckConfig(const TrainConfig& c) {
  ATH_RETURN_IF_ERROR(AtLeast("steps", c.steps, 0));
  ATH_RETURN_IF_ERROR(AtLeast("epochs", c.epochs, c.steps > 0 ? 0 : 1));
  ATH_RETURN_IF_ERROR(AtLeast("batch", c.batch, 1));
  ATH_RETURN_IF_ERROR(AtLeast("accumulate", c.accumulate, 1));
  if (c.accumulate > kMostParts) {
    return MakeError(ErrorClass::kReq, "accumulate = %d is above %d", c.accumulate, kMostParts);
  }
  ATH_RETURN_IF_ERROR(AtLeast("checkpoint-every", c.checkpoint_every, 0));
  ATH_RETURN_IF_ERROR(AtLeast("keep", c.keep, 1));
  ATH_RETURN_IF_ERROR(AtLeast("patience", c.patience, 0));
  ATH_RETURN_IF_ERROR(InRange("max-minutes", c.max_minutes, 0, 1e9));
  ATH_RETURN_IF_ERROR(InRange("ema", c.ema_decay, 0, 1));
  if (!(c.learning_rate > 0) || c.learning_rate > std::numeric_limits<float>::max()) {
    return MakeError(ErrorClass::kReq, "learning rate = %g is not a positive number that f32 holds", c.learning_rate);
  }
  if (c.monitor != "loss" && c.monitor != "accuracy") {
    return MakeError(ErrorClass::kReq, "monitor \"%s\" is not one of loss, accuracy", c.monitor);
  }
  if (c.resume && c.out.empty()) return MakeError(ErrorClass::kReq, "resume needs the folder of the run to resume");
  return absl::OkStatus();
}

Attributes ConfigAttributes(const TrainConfig& c) {
  Attributes attrs = {{"batch", c.batch}, {"learning_rate", c.learning_rate}, {"optimizer", c.optimizer.name}};
  for (const auto& [name, otherwise] : kAlwaysSaved) {
    attrs.Set(name, OptimizerDefault(c.optimizer.name, name).value_or(otherwise));
  }
  for (const OptimizerNumber& n : OptimizerNumbers()) {
    if ((c.optimizer.*n.field).has_value()) attrs.Set(n.name, *(c.optimizer.*n.field));
  }
  for (const OptimizerSwitch& s : OptimizerSwitches()) {
    if (c.optimizer.*s.field) attrs.Set(s.name, true);
  }
  if (c.optimizer.clip_norm != 0) attrs.Set("clip_norm", c.optimizer.clip_norm);
  if (c.accumulate != 1) attrs.Set("accumulate", c.accumulate);
  if (!(c.schedule == ScheduleConfig())) attrs.Set("schedule", AttrValue(FormatSchedule(c.schedule)));
  if (c.ema_decay != 0) attrs.Set("ema", c.ema_decay);
  if (c.ema_warmup) attrs.Set("ema_warmup", true);
  if (!c.frozen.empty()) attrs.Set("freeze", AttrValue(Strings(c.frozen)));
  return attrs;
}

std::vector<std::string> ConfigAttributeNames() {
  std::vector<std::string> names = {"batch",    "learning_rate", "optimizer",  "clip_norm", "accumulate",
                                    "schedule", "ema",           "ema_warmup", "freeze"};
  for (const OptimizerNumber& n : OptimizerNumbers()) names.push_back(n.name);
  for (const OptimizerSwitch& s : OptimizerSwitches()) names.push_back(s.name);
  return names;
}

absl::StatusOr<Extent> ParseExtent(absl::string_view flag, absl::string_view text) {
  absl::string_view rest = text;
  Extent extent;
  for (absl::string_view unit : {"epochs", "epoch"}) {
    if (!extent.epochs && absl::ConsumeSuffix(&rest, unit)) extent.epochs = true;
  }
  for (absl::string_view unit : {"steps", "step"}) {
    if (!extent.epochs && absl::ConsumeSuffix(&rest, unit)) break;
  }
  const bool number = absl::SimpleAtod(rest, &extent.amount) && std::isfinite(extent.amount) && extent.amount > 0;
  const bool whole = extent.epochs || extent.amount == std::floor(extent.amount);
  if (number && whole && extent.amount < 1e15) return extent;
  return MakeError(ErrorClass::kReq, "%s \"%s\" is no number of steps or epochs, as 500, 500steps, 1epoch, 0.5epochs", flag,
                   text);
}

bool DependsOnLength(const ScheduleConfig& s) {
  return s.kind == ScheduleKind::kOneCycle || s.kind == ScheduleKind::kPolynomial ||
         (s.kind == ScheduleKind::kCosine && s.period.amount == 0);
}

}  // namespace athanor
