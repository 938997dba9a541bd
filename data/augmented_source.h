// From stored samples to what a network is fed: augmentation, normalization, labels as classes or as shares of them.
#ifndef ATHANOR_DATA_AUGMENTED_SOURCE_H_
#define ATHANOR_DATA_AUGMENTED_SOURCE_H_

#include <cstdint>
#include <memory>

#include "data/augment.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

struct AugmentedSourceOptions {
  Augmentation augmentation;
  uint64_t seed = 0;
  Normalization normalization;  // after augmentation
  bool one_hot = false;         // labels as f32 [classes]; with mixup they always are
  int64_t classes = 0;          // needed for that
};

// `base` has the fields "x" (u8 or f32, as stored) and "labels" (s32, a scalar) or, of a regression, "targets" (f32);
// the result has "x" (f32, the same shape) and the other as it is, or "labels" as f32 [classes]. A read allocates
// nothing but, at a thread's first, its working memory: the sample as f32, twice with augmentation, four times with
// mixup. Values of f32 images are taken to be 0 .. 1 by jitter (see CheckJitterRange), bytes 0 .. 255.
//
// Mixup blends sample i with a sample drawn from all, itself changed as its own turn in this epoch has it (without the
// mixing): share * x_i + (1 - share) * x_j, and so the labels.
//
// REQ error if the augmentation does not fit the samples, ATTR error if the normalization does not, DATA error if the
// base has not those fields, or a label outside the classes when it is read.
absl::StatusOr<std::shared_ptr<const SampleSource>> MakeAugmentedSource(std::shared_ptr<const SampleSource> base,
                                                                        const AugmentedSourceOptions& options);

// REQ error naming the first sample of f32 `stored` with a value outside 0 .. 1, if `augmentation` has jitter, which
// would clamp it. Reads every sample then; otherwise, and for bytes, none.
absl::Status CheckJitterRange(const Augmentation& augmentation, const SampleSource& stored);

// The samples of a data set as they are stored: "x" (u8 or f32) and "labels" or "targets". DATA error if it is not
// sound.
absl::StatusOr<std::shared_ptr<const SampleSource>> MakeStoredSource(std::shared_ptr<const Dataset> dataset);

}  // namespace athanor

#endif  // ATHANOR_DATA_AUGMENTED_SOURCE_H_
