// Limits on what the readers take, far above any data set that fits in memory. Files above them get a LIMIT error.
#ifndef ATHANOR_DATA_LIMITS_H_
#define ATHANOR_DATA_LIMITS_H_

#include <cstdint>

namespace athanor {

// A data file, and what it decodes to.
inline constexpr int64_t kMaxDataFileBytes = int64_t{16} << 30;
// An image: pixels a side, decoded bytes, file bytes.
inline constexpr int64_t kMaxImageSide = 16384;
inline constexpr int64_t kMaxImageBytes = int64_t{256} << 20;
inline constexpr int64_t kMaxImageFileBytes = int64_t{256} << 20;
// Bytes that one byte of an image in a zip archive may decode to, once the image has more than a MiB: images are
// compressed by themselves.
inline constexpr int64_t kMaxImageZipRatio = 100;
// Classes of a data set.
inline constexpr int64_t kMaxClasses = int64_t{1} << 20;

}  // namespace athanor

#endif  // ATHANOR_DATA_LIMITS_H_
