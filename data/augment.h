// Augmentation: an ordered list of random changes of the training images, written as "flip,crop:4,mixup:0.2".
//
//   flip[:P]            left-right mirrored with probability P (0.5)
//   crop:PAD[:reflect]  PAD pixels of zeros (or of the mirrored image) around, then a cut of the old size anywhere
//   jitter:S            brightness, contrast and saturation by factors of 1-S .. 1+S each, in random order, as
//   jitter:B:C:S        torchvision's ColorJitter: one range for each; not rounded to bytes between
//   cutout:SIDE         a square of zeros, centred anywhere in the image (DeVries and Taylor, 2017)
//   mixup:ALPHA         a blend with another sample by a share from Beta(ALPHA, ALPHA), and labels (Zhang et al., 2017)
//
// Each value drawn is a pure function of (seed, epoch, index of the sample, kind of change), by a counter-based
// generator: not of threads, of the order of reads or of what else is in the list.
#ifndef ATHANOR_DATA_AUGMENT_H_
#define ATHANOR_DATA_AUGMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/philox.h"
#include "runtime/core/shape.h"
#include "runtime/core/status.h"

namespace athanor {

// DO NOT CHANGE THE NUMBERS: they choose the random numbers of each kind.
enum class AugmentKind : uint8_t { kFlip = 0, kCrop = 1, kJitter = 2, kCutout = 3, kMixup = 4 };

struct AugmentItem {
  AugmentKind kind = AugmentKind::kFlip;
  // flip: probability; crop: padding; jitter: brightness, contrast, saturation; cutout: side; mixup: alpha.
  double values[3] = {0, 0, 0};
  bool reflect = false;  // of crop

  bool operator==(const AugmentItem&) const = default;
};

class Augmentation {
 public:
  // "" and "none" are the empty list. REQ error naming the item, its place and what there is.
  static absl::StatusOr<Augmentation> Parse(absl::string_view text);

  const std::vector<AugmentItem>& items() const { return items_; }
  bool empty() const { return items_.empty(); }
  bool mixes() const;  // the list holds mixup: labels are then shares of the classes
  // REQ error if an item does not fit samples of this shape.
  absl::Status Check(const Shape& sample) const;
  // What Parse takes.
  std::string ToString() const;

 private:
  std::vector<AugmentItem> items_;
};

// The random numbers of one sample in one epoch.
class AugmentRandom {
 public:
  AugmentRandom(uint64_t seed, int64_t epoch, int64_t index);

  // Four independent words for a kind, block `i` of its own.
  std::array<uint32_t, 4> Block(AugmentKind kind, uint32_t i = 0) const {
    return philox_.Block(uint64_t{static_cast<uint8_t>(kind)} << 32 | i);
  }
  // From Beta(alpha, alpha), alpha > 0: G1 / (G1 + G2) of two gamma variates (Marsaglia and Tsang, 2000). The first
  // block is left to others.
  double Beta(AugmentKind kind, double alpha) const;

 private:
  Philox philox_;
};

// An image on its way through the list. The buffers are the caller's, of `size.elements()` floats each.
struct WorkImage {
  void* now = nullptr;    // the image: u8, or f32 once something made it so
  void* other = nullptr;  // room for the next
  bool is_f32 = false;
  float bound = 1;        // white: 255 if it was u8
};

// Makes it f32; values stay.
void ToF32(int64_t elements, WorkImage* image);

// Applies one item that is not mixup; the sample is an image [channels, height, width] that passed Check.
void ApplyAugmentation(const AugmentItem& item, const Shape& sample, const AugmentRandom& random, WorkImage* image);

}  // namespace athanor

#endif  // ATHANOR_DATA_AUGMENT_H_
