// JPEG images, through the TurboJPEG interface of libjpeg-turbo. Safe to use from several threads.
#ifndef ATHANOR_DATA_JPEG_H_
#define ATHANOR_DATA_JPEG_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

// Whether `bytes` start as JPEG does (ff d8 ff); says nothing of the rest.
bool IsJpeg(absl::string_view bytes);

struct JpegInfo {
  int64_t height = 0, width = 0;
  int64_t channels = 0;  // 1 (grey) or 3 (RGB)
};

// What the header says; `bytes` may be the start of a file. DATA error naming `name` for a broken or cut header and for
// CMYK; LIMIT error above the limits of data/limits.h.
absl::StatusOr<JpegInfo> ParseJpegHeader(absl::string_view bytes, absl::string_view name);

// The pixels as u8 [height, width, channels], the top row first; channels are 1 (grey) or 3 (RGB). The orientation that
// a camera may have noted is not applied, nor are colour profiles. Bytes behind the image's end are ignored.
// DATA error naming `name` for what is broken anywhere: the decoder's warnings, such as data that ends too early, are
// errors. LIMIT error above the limits, found before memory is taken.
absl::StatusOr<Tensor> ParseJpeg(absl::string_view bytes, absl::string_view name);
// The same for a file; PATH error if it cannot be read.
absl::StatusOr<Tensor> ReadJpeg(const std::string& path);

// The file's bytes for u8 [height, width, 1 or 3]; `quality` is 1 (small) .. 100. DTYPE, SHAPE, LIMIT or ATTR error.
absl::StatusOr<std::string> FormatJpeg(const Tensor& hwc, int quality);

}  // namespace athanor

#endif  // ATHANOR_DATA_JPEG_H_
