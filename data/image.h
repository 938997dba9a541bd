// Images of any format that is read (PNG, JPEG), told apart by their content, and what makes them samples: one size,
// one number of channels, channels first.
#ifndef ATHANOR_DATA_IMAGE_H_
#define ATHANOR_DATA_IMAGE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct ImageInfo {
  int64_t height = 0, width = 0;
  int64_t channels = 0;  // 1 (grey) or 3 (colour); transparency does not count
};

// Whether a file of this name is taken for an image: .png .jpg .jpeg .jpe .jfif, in any case.
bool HasImageName(absl::string_view name);

// What the header says; `bytes` may be the start of a file. DATA or LIMIT error naming `name`.
absl::StatusOr<ImageInfo> ParseImageHeader(absl::string_view bytes, absl::string_view name);
// The pixels as u8 [height, width, channels], channels 1, 3 or 4, as ParsePng and ParseJpeg give them.
absl::StatusOr<Tensor> ParseImage(absl::string_view bytes, absl::string_view name);

// How an image is brought to the size of a sample.
enum class ImageFit {
  kNone,     // it must have the size
  kStretch,  // resized to it, whatever its proportions
  kCrop,     // resized, keeping proportions, until it covers the size; the centre is cut out
};

// u8 [height, width, channels] at another size: bilinear, and when it shrinks each pixel is the weighted mean of all
// that it covers (the triangle filter of Pillow and of torchvision's antialias). The sizes are 1 .. kMaxImageSide.
absl::StatusOr<Tensor> ResizeImage(const Tensor& hwc, int64_t height, int64_t width);
// The same after `fit`; kNone gives SHAPE error naming both sizes if they differ.
absl::StatusOr<Tensor> FitImage(Tensor hwc, ImageFit fit, int64_t height, int64_t width);

// Writes u8 [height, width, 1, 3 or 4] as [channels, height, width] with channels 1 or 3: grey is repeated, colour
// becomes its luma (0.299 R + 0.587 G + 0.114 B, rounded), transparency is dropped. `chw` has the exact size.
void ImageToChannelsFirst(const Tensor& hwc, int64_t channels, absl::Span<uint8_t> chw);

}  // namespace athanor

#endif  // ATHANOR_DATA_IMAGE_H_
