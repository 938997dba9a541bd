#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "data/image_ops.h"
#include "data/limits.h"
#include "runtime/core/portable_math.h"

namespace athanor {
namespace {

// DO NOT CHANGE: keeps these streams apart from those of other users of the seed ("augm").
constexpr uint64_t kAugmentStreams = uint64_t{0x6175676d} << 32;

constexpr absl::string_view kKnown =
    "flip[:P], crop:PAD[:reflect], jitter:S or jitter:B:C:S, cutout:SIDE, mixup:ALPHA";

struct KindInfo {
  AugmentKind kind;
  absl::string_view name;
  bool integer;      // its values are whole numbers
  double low, high;  // of each value
};

constexpr KindInfo kKinds[] = {
    {AugmentKind::kFlip, "flip", false, 0, 1},
    {AugmentKind::kCrop, "crop", true, 1, kMaxImageSide},
    {AugmentKind::kJitter, "jitter", false, 0, 1000},
    {AugmentKind::kCutout, "cutout", true, 1, kMaxImageSide},
    {AugmentKind::kMixup, "mixup", false, 1e-3, 1e3},
};

const KindInfo& InfoOf(AugmentKind kind) { return kKinds[static_cast<int>(kind)]; }

absl::Status BadItem(size_t place, absl::string_view item, absl::string_view why) {
  return MakeError(ErrorClass::kReq, "augmentation: item %d \"%s\": %s; there are %s", place + 1, item, why, kKnown);
}

// How many numbers may follow the name.
bool GoodCount(AugmentKind kind, size_t n) {
  if (kind == AugmentKind::kFlip) return n <= 1;
  if (kind == AugmentKind::kJitter) return n == 1 || n == 3;
  return n == 1;
}

absl::StatusOr<AugmentItem> ParseItem(size_t place, absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  const auto* info = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const KindInfo& k) { return k.name == parts[0]; });
  if (info == std::end(kKinds)) return BadItem(place, text, "no such change");
  AugmentItem item{.kind = info->kind};
  parts.erase(parts.begin());
  if (item.kind == AugmentKind::kCrop && parts.size() == 2 && parts[1] == "reflect") {
    item.reflect = true;
    parts.pop_back();
  }
  if (!GoodCount(item.kind, parts.size())) {
    return BadItem(place, text, absl::StrCat(parts.size(), " values behind the name"));
  }
  if (item.kind == AugmentKind::kFlip) item.values[0] = 0.5;
  for (size_t i = 0; i < parts.size(); ++i) {
    double& value = item.values[i];
    if (!absl::SimpleAtod(parts[i], &value) || !(value >= info->low && value <= info->high) ||
        (info->integer && value != std::floor(value))) {
      return BadItem(place, text, absl::StrCat("\"", parts[i], "\" is no ", info->integer ? "whole " : "",
                                               "number in ", info->low, " .. ", info->high));
    }
  }
  if (item.kind == AugmentKind::kJitter && parts.size() == 1) item.values[1] = item.values[2] = item.values[0];
  return item;
}

// Uniform in 0 .. n-1 (n < 2^31; the bias is below n / 2^32).
int64_t Below(uint32_t bits, int64_t n) {
  return static_cast<int64_t>(uint64_t{bits} * static_cast<uint64_t>(n) >> 32);
}

// log of a variate from Gamma(shape, 1), shape >= 1/3, by the words of a kind's blocks from *next on.
double LogGamma(const AugmentRandom& random, AugmentKind kind, double shape, uint32_t* next) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const std::array<uint32_t, 4> words = random.Block(kind, (*next)++);
    const double x = Philox::ToNormal(words[0], words[1]);
    const double t = 1 + c * x, v = t * t * t;
    if (v <= 0) continue;
    const double log_u = PortableLog((words[2] + 0.5) * 0x1p-32), log_v = PortableLog(v);
    if (log_u < 0.5 * x * x + d - d * v + d * log_v) return PortableLog(d) + log_v;
  }
}

ImageSize SizeOf(const Shape& chw) { return {chw[0], chw[1], chw[2]}; }

template <typename T>
void Geometric(const AugmentItem& item, const ImageSize& size, const AugmentRandom& random, WorkImage* image) {
  const std::array<uint32_t, 4> words = random.Block(item.kind);
  T *now = static_cast<T*>(image->now), *other = static_cast<T*>(image->other);
  const int64_t n = static_cast<int64_t>(item.values[0]);
  switch (item.kind) {
    case AugmentKind::kFlip:
      if (!(Philox::ToUniform(words[0]) < static_cast<float>(item.values[0]))) return;
      FlipImage(now, size, other);
      break;
    case AugmentKind::kCrop:
      ShiftImage(now, size, Below(words[0], 2 * n + 1) - n, Below(words[1], 2 * n + 1) - n, item.reflect, other);
      break;
    default:
      CutOut(now, size, Below(words[0], size.height) - n / 2, Below(words[1], size.width) - n / 2, n);
      return;
  }
  std::swap(image->now, image->other);
}

void Jitter(const AugmentItem& item, const ImageSize& size, const AugmentRandom& random, WorkImage* image) {
  static constexpr int kOrders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  const std::array<uint32_t, 4> words = random.Block(item.kind);
  ToF32(size.elements(), image);
  float* x = static_cast<float*>(image->now);
  for (int which : kOrders[Below(words[3], 6)]) {
    const double low = std::max(0.0, 1 - item.values[which]), high = 1 + item.values[which];
    if (low == high) continue;
    const float factor = static_cast<float>(low + (high - low) * Philox::ToUniform(words[which]));
    if (which == 0) AdjustBrightness(x, size, factor, image->bound);
    if (which == 1) AdjustContrast(x, size, factor, image->bound);
    if (which == 2) AdjustSaturation(x, size, factor, image->bound);
  }
}

}  // namespace

absl::StatusOr<Augmentation> Augmentation::Parse(absl::string_view text) {
  Augmentation result;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty() || text == "none") return result;
  std::vector<absl::string_view> items = absl::StrSplit(text, ',');
  for (size_t i = 0; i < items.size(); ++i) {
    ATH_ASSIGN_OR_RETURN(AugmentItem item, ParseItem(i, absl::StripAsciiWhitespace(items[i])));
    for (const AugmentItem& before : result.items_) {
      if (before.kind == item.kind) return BadItem(i, items[i], "is in the list twice");
    }
    result.items_.push_back(item);
  }
  return result;
}

bool Augmentation::mixes() const {
  return std::any_of(items_.begin(), items_.end(), [](const AugmentItem& i) { return i.kind == AugmentKind::kMixup; });
}

absl::Status Augmentation::Check(const Shape& sample) const {
  for (const AugmentItem& item : items_) {
    if (item.kind == AugmentKind::kMixup) continue;
    const absl::string_view name = InfoOf(item.kind).name;
    if (sample.size() != 3) {
      return MakeError(ErrorClass::kReq, "augmentation: %s is for images [channels,height,width], a sample is %s", name,
                       ShapeToString(sample));
    }
    if (item.kind == AugmentKind::kJitter && sample[0] != 1 && sample[0] != 3) {
      return MakeError(ErrorClass::kReq, "augmentation: jitter is for images of 1 or 3 channels, a sample is %s",
                       ShapeToString(sample));
    }
    if (item.kind == AugmentKind::kCrop && item.values[0] >= static_cast<double>(std::min(sample[1], sample[2]))) {
      return MakeError(ErrorClass::kReq, "augmentation: crop by %d pixels does not leave anything of images %s",
                       static_cast<int64_t>(item.values[0]), ShapeToString(sample));
    }
  }
  return absl::OkStatus();
}

std::string Augmentation::ToString() const {
  std::vector<std::string> items;
  for (const AugmentItem& i : items_) {
    items.push_back(absl::StrCat(InfoOf(i.kind).name, ":", i.values[0]));
    if (i.kind == AugmentKind::kJitter) absl::StrAppend(&items.back(), ":", i.values[1], ":", i.values[2]);
    if (i.reflect) absl::StrAppend(&items.back(), ":reflect");
  }
  return items.empty() ? "none" : absl::StrJoin(items, ",");
}

AugmentRandom::AugmentRandom(uint64_t seed, int64_t epoch, int64_t index)
    : philox_(seed, Philox::MixStream(Philox::MixStream(kAugmentStreams, static_cast<uint64_t>(epoch)),
                                      static_cast<uint64_t>(index))) {}

double AugmentRandom::Beta(AugmentKind kind, double alpha) const {
  uint32_t next = 1;
  double logs[2];
  for (double& log : logs) {
    // Gamma(a) = Gamma(a + 1) U^(1/a) also where a < 1.
    log = LogGamma(*this, kind, alpha + 1, &next);
    log += PortableLog((Block(kind, next++)[0] + 0.5) * 0x1p-32) / alpha;
  }
  return 1 / (1 + PortableExp(std::clamp(logs[1] - logs[0], -700.0, 700.0)));
}

void ToF32(int64_t elements, WorkImage* image) {
  if (image->is_f32) return;
  const uint8_t* in = static_cast<const uint8_t*>(image->now);
  float* out = static_cast<float*>(image->other);
  for (int64_t i = 0; i < elements; ++i) out[i] = in[i];
  std::swap(image->now, image->other);
  image->is_f32 = true;
}

void ApplyAugmentation(const AugmentItem& item, const Shape& sample, const AugmentRandom& random, WorkImage* image) {
  ATH_CHECK(item.kind != AugmentKind::kMixup);
  if (item.kind == AugmentKind::kJitter) return Jitter(item, SizeOf(sample), random, image);
  if (image->is_f32) {
    Geometric<float>(item, SizeOf(sample), random, image);
  } else {
    Geometric<uint8_t>(item, SizeOf(sample), random, image);
  }
}

}  // namespace athanor
