// PNG images, through libpng.
#ifndef ATHANOR_DATA_PNG_H_
#define ATHANOR_DATA_PNG_H_

#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

// The pixels as u8 [height, width, channels], the top row first; channels are 1 (grey), 3 (RGB) or 4 (RGBA: every image
// with transparency, grey and palette ones too). Palettes and fewer than 8 bits are expanded, 16 bits reduced to 8;
// gamma and colour profiles are not applied. Bytes behind the image's end are ignored, as viewers do.
// DATA error naming `name` for what is broken anywhere (a CRC, the compressed data, a palette index); LIMIT error for
// more than the limits of data/limits.h, and no memory is taken for pixels that so few bytes cannot hold.
absl::StatusOr<Tensor> ParsePng(absl::string_view bytes, absl::string_view name);
// The same for a file; PATH error if it cannot be read.
absl::StatusOr<Tensor> ReadPng(const std::string& path);

// The file's bytes for u8 [height, width, 1, 3 or 4]. DTYPE, SHAPE or LIMIT error.
absl::StatusOr<std::string> FormatPng(const Tensor& hwc);
// Writes the file in one step (WriteFileAtomic).
absl::Status WritePng(const std::string& path, const Tensor& hwc);

// An image u8 [H,W,1, 3 or 4] as a network's input f32 [1,C,H,W], 0..1, for a network that takes `chw` = [C,H,W] with C
// of 1 or 3, or 4 for an image of 4: grey is repeated, RGB becomes its luma (0.299 R + 0.587 G + 0.114 B), alpha is
// dropped. The size must be the network's: SHAPE error naming both otherwise. DTYPE error if the image is not u8.
absl::StatusOr<Tensor> ImageToInput(const Tensor& hwc, const Shape& chw);

}  // namespace athanor

#endif  // ATHANOR_DATA_PNG_H_
