// Schedules as text: one table says which settings each kind has, in which range, and what they mean.
#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "training/schedule.h"

namespace athanor {
namespace {

using Config = ScheduleConfig;

struct KindRow {
  const char* name;
  ScheduleKind kind;
  const char* doc;
};

constexpr KindRow kKinds[] = {
    {"constant", ScheduleKind::kConstant, "the same rate at every step"},
    {"step", ScheduleKind::kStep, "times gamma after each `every` steps"},
    {"multistep", ScheduleKind::kMultiStep, "times gamma at each of the steps `at`"},
    {"exponential", ScheduleKind::kExponential, "times gamma over each `every` steps, smoothly"},
    {"cosine", ScheduleKind::kCosine, "half a cosine wave down to min over the run, or over each period with restarts"},
    {"onecycle", ScheduleKind::kOneCycle, "up from lr/div_factor to lr over pct_start of the run, then down"},
    {"polynomial", ScheduleKind::kPolynomial, "down to min as (1 - step/steps)^power"},
    {"plateau", ScheduleKind::kPlateau, "times factor when the validation metric no longer improves"},
};

// A setting of some kinds; exactly one of the members is set.
struct Setting {
  const char* name;
  std::vector<ScheduleKind> kinds;  // empty: all
  double lowest, highest;           // highest is reached, lowest only if `closed`
  bool closed;
  double Config::*number = nullptr;
  int64_t Config::*integer = nullptr;
  Extent Config::*extent = nullptr;
  std::vector<Extent> Config::*extents = nullptr;
  bool Config::*choice = nullptr;
  const char* when_false = "";
  const char* when_true = "";
};

const std::vector<Setting>& Settings() {
  using K = ScheduleKind;
  constexpr double kHuge = 1e15;
  static const std::vector<Setting> settings = {
      {"every", {K::kStep, K::kExponential}, 0, kHuge, false, nullptr, nullptr, &Config::every},
      {"at", {K::kMultiStep}, 0, kHuge, false, nullptr, nullptr, nullptr, &Config::at},
      {"gamma", {K::kStep, K::kMultiStep, K::kExponential}, 0, 1, false, &Config::gamma},
      {"min", {K::kCosine, K::kPolynomial, K::kPlateau}, 0, kHuge, true, &Config::min},
      {"period", {K::kCosine}, 0, kHuge, true, nullptr, nullptr, &Config::period},
      {"growth", {K::kCosine}, 1, 1000, true, &Config::growth},
      {"pct_start", {K::kOneCycle}, 0, 1, true, &Config::pct_start},
      {"div_factor", {K::kOneCycle}, 1, kHuge, true, &Config::div_factor},
      {"final_div_factor", {K::kOneCycle}, 0, kHuge, false, &Config::final_div_factor},
      {"anneal",
       {K::kOneCycle},
       0,
       0,
       true,
       nullptr,
       nullptr,
       nullptr,
       nullptr,
       &Config::linear_anneal,
       "cos",
       "linear"},
      {"power", {K::kPolynomial}, 0, 1000, true, &Config::power},
      {"factor", {K::kPlateau}, 0, 1, false, &Config::factor},
      {"patience", {K::kPlateau}, 0, kHuge, true, nullptr, &Config::patience},
      {"threshold", {K::kPlateau}, 0, kHuge, true, &Config::threshold},
      {"threshold_mode",
       {K::kPlateau},
       0,
       0,
       true,
       nullptr,
       nullptr,
       nullptr,
       nullptr,
       &Config::absolute_threshold,
       "rel",
       "abs"},
      {"cooldown", {K::kPlateau}, 0, kHuge, true, nullptr, &Config::cooldown},
      {"mode", {K::kPlateau}, 0, 0, true, nullptr, nullptr, nullptr, nullptr, &Config::maximize, "min", "max"},
      {"warmup", {}, 0, kHuge, true, nullptr, nullptr, &Config::warmup},
      {"warmup_start", {}, 0, 1, true, &Config::warmup_start},
  };
  return settings;
}

std::vector<const Setting*> SettingsOf(ScheduleKind kind) {
  std::vector<const Setting*> found;
  for (const Setting& s : Settings()) {
    if (s.kinds.empty() || std::find(s.kinds.begin(), s.kinds.end(), kind) != s.kinds.end()) found.push_back(&s);
  }
  return found;
}

const KindRow& RowOf(ScheduleKind kind) { return kKinds[static_cast<int>(kind)]; }

// Short if that reads back as the same number.
std::string Number(double v) {
  std::string text = absl::StrCat(v);
  double back = 0;
  return absl::SimpleAtod(text, &back) && back == v ? text : absl::StrFormat("%.17g", v);
}

std::string ToText(const Extent& e) { return absl::StrCat(Number(e.amount), e.epochs ? "epochs" : ""); }

std::string ValueText(const Config& c, const Setting& s) {
  if (s.number != nullptr) return Number(c.*s.number);
  if (s.integer != nullptr) return absl::StrCat(c.*s.integer);
  if (s.extent != nullptr) return ToText(c.*s.extent);
  if (s.choice != nullptr) return c.*s.choice ? s.when_true : s.when_false;
  return absl::StrJoin(c.*s.extents, "/", [](std::string* out, const Extent& e) { absl::StrAppend(out, ToText(e)); });
}

absl::Status BadValue(const KindRow& kind, const Setting& s, absl::string_view value) {
  std::string rule;
  if (s.choice != nullptr) {
    rule = absl::StrCat(s.when_false, " or ", s.when_true);
  } else {
    rule = absl::StrCat(s.integer != nullptr                          ? "a whole number"
                        : s.extent != nullptr || s.extents != nullptr ? "a number of steps, or of epochs (\"3epochs\")"
                                                                      : "a number",
                        s.closed ? " from " : " above ", s.lowest);
    if (s.highest < 1e15) absl::StrAppend(&rule, " to ", s.highest);
  }
  return MakeError(ErrorClass::kReq, "schedule \"%s\": %s = \"%s\" is not %s", kind.name, s.name, value, rule);
}

bool ParseNumber(const Setting& s, absl::string_view text, double* out) {
  if (!absl::SimpleAtod(text, out) || !std::isfinite(*out)) return false;
  return (s.closed ? *out >= s.lowest : *out > s.lowest) && *out <= s.highest;
}

bool ParseExtent(const Setting& s, absl::string_view text, Extent* out) {
  out->epochs = absl::ConsumeSuffix(&text, "epochs") || absl::ConsumeSuffix(&text, "epoch");
  if (!ParseNumber(s, absl::StripAsciiWhitespace(text), &out->amount)) return false;
  return out->epochs || out->amount == std::floor(out->amount);
}

bool ParseExtents(const Setting& s, absl::string_view text, std::vector<Extent>* out) {
  out->clear();
  for (absl::string_view part : absl::StrSplit(text, '/')) {
    Extent e;
    if (!ParseExtent(s, part, &e)) return false;
    out->push_back(e);
  }
  return true;
}

absl::Status ParseValue(const KindRow& kind, const Setting& s, absl::string_view text, Config* c) {
  bool good = false;
  double number = 0;
  if (s.number != nullptr) {
    good = ParseNumber(s, text, &(c->*s.number));
  } else if (s.integer != nullptr) {
    good = ParseNumber(s, text, &number) && number == std::floor(number);
    if (good) c->*s.integer = static_cast<int64_t>(number);
  } else if (s.extent != nullptr) {
    good = ParseExtent(s, text, &(c->*s.extent));
  } else if (s.extents != nullptr) {
    good = ParseExtents(s, text, &(c->*s.extents));
  } else {
    good = text == s.when_true || text == s.when_false;
    c->*s.choice = text == s.when_true;
  }
  return good ? absl::OkStatus() : BadValue(kind, s, text);
}

absl::Status CheckRequired(const KindRow& kind, const Config& c) {
  const bool every = kind.kind == ScheduleKind::kStep || kind.kind == ScheduleKind::kExponential;
  if (every && c.every.amount == 0) {
    return MakeError(ErrorClass::kReq, "schedule \"%s\" needs every, such as \"%s:every=30epochs\"", kind.name,
                     kind.name);
  }
  if (kind.kind == ScheduleKind::kMultiStep && c.at.empty()) {
    return MakeError(ErrorClass::kReq, "schedule \"multistep\" needs at, such as \"multistep:at=30epochs/60epochs\"");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScheduleConfig> ParseSchedule(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  const absl::string_view name = absl::StripAsciiWhitespace(parts.first);
  const KindRow* row =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const KindRow& k) { return name == k.name; });
  if (row == std::end(kKinds)) {
    return MakeError(
        ErrorClass::kReq, "schedule \"%s\" is not one of %s", name,
        absl::StrJoin(kKinds, ", ", [](std::string* out, const KindRow& k) { absl::StrAppend(out, k.name); }));
  }
  Config config;
  config.kind = row->kind;
  const std::vector<const Setting*> settings = SettingsOf(row->kind);
  for (absl::string_view pair : absl::StrSplit(parts.second, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> kv = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    const absl::string_view key = absl::StripAsciiWhitespace(kv.first);
    auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting* s) { return key == s->name; });
    if (found == settings.end()) {
      auto each = [](std::string* out, const Setting* s) { absl::StrAppend(out, s->name); };
      return MakeError(ErrorClass::kReq, "schedule \"%s\" has no setting \"%s\"; it has %s", row->name, key,
                       absl::StrJoin(settings, ", ", each));
    }
    ATH_RETURN_IF_ERROR(ParseValue(*row, **found, absl::StripAsciiWhitespace(kv.second), &config));
  }
  ATH_RETURN_IF_ERROR(CheckRequired(*row, config));
  return config;
}

std::string FormatSchedule(const ScheduleConfig& config) {
  std::string out = RowOf(config.kind).name;
  char separator = ':';
  for (const Setting* s : SettingsOf(config.kind)) {
    const std::string value = ValueText(config, *s);
    if (value == ValueText(Config(), *s)) continue;
    absl::StrAppend(&out, std::string(1, separator), s->name, "=", value);
    separator = ',';
  }
  return out;
}

std::string DescribeSchedules() {
  std::string out;
  for (const KindRow& row : kKinds) {
    std::vector<std::string> settings;
    for (const Setting* s : SettingsOf(row.kind)) {
      if (s->kinds.empty()) continue;
      std::string value = ValueText(Config(), *s);
      if (s->extents != nullptr) value = "STEP/STEP...";
      if (s->extent != nullptr) value = s->closed ? "the run" : "STEPS";
      if (s->choice != nullptr) value = absl::StrCat(s->when_false, "|", s->when_true);
      settings.push_back(absl::StrCat(s->name, "=", value));
    }
    absl::StrAppend(&out, row.name, settings.empty() ? "" : ":", absl::StrJoin(settings, ","), "\n    ", row.doc, "\n");
  }
  absl::StrAppend(&out, "each with warmup=0,warmup_start=", Config().warmup_start,
                  "\n    linear warm-up over so many steps. STEPS: a number of steps, or of epochs (3epochs)\n");
  return out;
}

std::string PlateauState::ToText() const {
  return absl::StrFormat("rate=%.17g best=%.17g bad=%d cooldown=%d", rate, best, bad, cooldown);
}

absl::StatusOr<PlateauState> PlateauState::FromText(absl::string_view text) {
  PlateauState s;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ' ');
  auto value = [&](size_t i, absl::string_view key) {
    absl::string_view part = parts[i];
    return absl::ConsumePrefix(&part, key) ? part : absl::string_view();
  };
  const bool good = parts.size() == 4 && absl::SimpleAtod(value(0, "rate="), &s.rate) &&
                    absl::SimpleAtod(value(1, "best="), &s.best) && absl::SimpleAtoi(value(2, "bad="), &s.bad) &&
                    absl::SimpleAtoi(value(3, "cooldown="), &s.cooldown);
  if (!good || !std::isfinite(s.rate) || s.rate < 0 || s.bad < 0 || s.cooldown < 0) {
    return MakeError(ErrorClass::kCkpt, "\"%s\" is not the state of a plateau schedule", text);
  }
  return s;
}

}  // namespace athanor
