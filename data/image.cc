#include "data/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "data/jpeg.h"
#include "data/limits.h"
#include "data/png.h"

namespace athanor {
namespace {

constexpr absl::string_view kPngMagic = "\x89PNG\r\n\x1a\n";

absl::Status Unknown(absl::string_view bytes, absl::string_view name) {
  absl::string_view hint;
  if (absl::StartsWith(bytes, "GIF8")) hint = "; it is a GIF image";
  if (absl::StartsWith(bytes, "BM")) hint = "; it may be a BMP image";
  if (absl::StartsWith(bytes, "RIFF")) hint = "; it may be a WebP image";
  if (absl::StartsWith(bytes, "<")) hint = "; it looks like a web page";
  if (absl::StartsWith(bytes, "version https://git-lfs")) hint = "; it is a git-LFS pointer, not the data";
  return MakeError(ErrorClass::kData, "%s: neither PNG nor JPEG: it starts with \"%s\"%s", name,
                   absl::CHexEscape(bytes.substr(0, kPngMagic.size())), hint);
}

absl::StatusOr<ImageInfo> ParsePngHeader(absl::string_view bytes, absl::string_view name) {
  constexpr size_t kWidthAt = 16, kHeightAt = 20, kColorTypeAt = 25, kHeaderBytes = 33;
  constexpr int kGrey = 0, kGreyAlpha = 4;
  if (bytes.size() < kHeaderBytes || bytes.substr(12, 4) != "IHDR") {
    return MakeError(ErrorClass::kData, "%s: no PNG image header in %d bytes", name, bytes.size());
  }
  auto big_endian = [&](size_t at) {
    int64_t v = 0;
    for (size_t i = 0; i < 4; ++i) v = v << 8 | static_cast<uint8_t>(bytes[at + i]);
    return v;
  };
  ImageInfo info{.height = big_endian(kHeightAt), .width = big_endian(kWidthAt)};
  info.channels = bytes[kColorTypeAt] == kGrey || bytes[kColorTypeAt] == kGreyAlpha ? 1 : 3;
  if (info.height < 1 || info.width < 1) {
    return MakeError(ErrorClass::kData, "%s: the PNG image has no pixels: %dx%d", name, info.width, info.height);
  }
  if (info.height > kMaxImageSide || info.width > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "%s: %dx%d pixels (width x height) are above the limit of %d a side", name,
                     info.width, info.height, kMaxImageSide);
  }
  return info;
}

// Along one side: the first pixel that a pixel of the result covers, and the weights of that and the following ones.
struct Window {
  int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Window> Windows(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), support = std::max(scale, 1.0);
  std::vector<Window> windows(to);
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const int64_t end = std::min<int64_t>(from, static_cast<int64_t>(center + support + 0.5));
    windows[i].first = first;
    double sum = 0;
    for (int64_t x = first; x < end; ++x) {
      const double w = std::max(0.0, 1.0 - std::abs((static_cast<double>(x) - center + 0.5) / support));
      windows[i].weights.push_back(static_cast<float>(w));
      sum += w;
    }
    for (float& w : windows[i].weights) w = static_cast<float>(w / sum);
  }
  return windows;
}

// One row [from_width, channels] to [to_width, channels], not rounded.
void ResizeRow(const uint8_t* in, const std::vector<Window>& columns, int64_t channels, float* out) {
  for (const Window& window : columns) {
    std::fill_n(out, channels, 0.0f);
    const uint8_t* pixel = in + window.first * channels;
    for (float w : window.weights) {
      for (int64_t c = 0; c < channels; ++c) out[c] += w * pixel[c];
      pixel += channels;
    }
    out += channels;
  }
}

Tensor Crop(const Tensor& hwc, int64_t height, int64_t width, Tensor out) {
  const int64_t from_width = hwc.shape()[1], channels = hwc.shape()[2];
  const int64_t top = (hwc.shape()[0] - height) / 2, left = (from_width - width) / 2;
  const uint8_t* in = hwc.as<uint8_t>().data();
  uint8_t* to = out.as<uint8_t>().data();
  for (int64_t y = 0; y < height; ++y) {
    std::memcpy(to + y * width * channels, in + ((top + y) * from_width + left) * channels, width * channels);
  }
  return out;
}

}  // namespace

bool HasImageName(absl::string_view name) {
  for (absl::string_view ending : {".png", ".jpg", ".jpeg", ".jpe", ".jfif"}) {
    if (absl::EndsWithIgnoreCase(name, ending)) return true;
  }
  return false;
}

absl::StatusOr<ImageInfo> ParseImageHeader(absl::string_view bytes, absl::string_view name) {
  if (absl::StartsWith(bytes, kPngMagic)) return ParsePngHeader(bytes, name);
  if (!IsJpeg(bytes)) return Unknown(bytes, name);
  ATH_ASSIGN_OR_RETURN(JpegInfo info, ParseJpegHeader(bytes, name));
  return ImageInfo{info.height, info.width, info.channels};
}

absl::StatusOr<Tensor> ParseImage(absl::string_view bytes, absl::string_view name) {
  if (absl::StartsWith(bytes, kPngMagic)) return ParsePng(bytes, name);
  if (IsJpeg(bytes)) return ParseJpeg(bytes, name);
  return Unknown(bytes, name);
}

absl::StatusOr<Tensor> ResizeImage(const Tensor& hwc, int64_t height, int64_t width) {
  const int64_t from_height = hwc.shape()[0], from_width = hwc.shape()[1], channels = hwc.shape()[2];
  const std::vector<Window> rows = Windows(from_height, height), columns = Windows(from_width, width);
  const int64_t row_floats = width * channels;
  ATH_ASSIGN_OR_RETURN(Tensor narrow, Tensor::Create(DType::kF32, {from_height, row_floats}));
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(DType::kU8, {height, width, channels}));
  float* resized = narrow.as<float>().data();
  for (int64_t y = 0; y < from_height; ++y) {
    ResizeRow(hwc.as<uint8_t>().data() + y * from_width * channels, columns, channels, resized + y * row_floats);
  }
  std::vector<float> sum(row_floats);
  uint8_t* to = out.as<uint8_t>().data();
  for (const Window& window : rows) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    const float* row = resized + window.first * row_floats;
    for (float w : window.weights) {
      for (int64_t i = 0; i < row_floats; ++i) sum[i] += w * row[i];
      row += row_floats;
    }
    for (float v : sum) *to++ = static_cast<uint8_t>(std::clamp(v + 0.5f, 0.0f, 255.0f));
  }
  return out;
}

absl::StatusOr<Tensor> FitImage(Tensor hwc, ImageFit fit, int64_t height, int64_t width) {
  const int64_t from_height = hwc.shape()[0], from_width = hwc.shape()[1];
  if (from_height == height && from_width == width) return hwc;
  if (fit == ImageFit::kNone) {
    return MakeError(ErrorClass::kShape, "the image is %d x %d (height x width), not %d x %d", from_height, from_width,
                     height, width);
  }
  if (fit == ImageFit::kStretch) return ResizeImage(hwc, height, width);
  const double scale = std::max(static_cast<double>(height) / static_cast<double>(from_height),
                                static_cast<double>(width) / static_cast<double>(from_width));
  const int64_t covering_height = std::max<int64_t>(height, std::llround(static_cast<double>(from_height) * scale));
  const int64_t covering_width = std::max<int64_t>(width, std::llround(static_cast<double>(from_width) * scale));
  if (covering_height > kMaxImageSide || covering_width > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "%d x %d resized to cover %d x %d is %d x %d, above the limit of %d a side",
                     from_height, from_width, height, width, covering_height, covering_width, kMaxImageSide);
  }
  ATH_ASSIGN_OR_RETURN(Tensor covering, ResizeImage(hwc, covering_height, covering_width));
  ATH_ASSIGN_OR_RETURN(Tensor out, Tensor::Create(DType::kU8, {height, width, hwc.shape()[2]}));
  return Crop(covering, height, width, std::move(out));
}

void ImageToChannelsFirst(const Tensor& hwc, int64_t channels, absl::Span<uint8_t> chw) {
  const int64_t plane = hwc.shape()[0] * hwc.shape()[1], from = hwc.shape()[2];
  ATH_CHECK(static_cast<int64_t>(chw.size()) == channels * plane && (channels == 1 || channels == 3));
  const uint8_t* in = hwc.as<uint8_t>().data();
  if (channels == from && channels == 1) {
    std::copy_n(in, plane, chw.data());
    return;
  }
  for (int64_t i = 0; i < plane; ++i, in += from) {
    if (channels == 1) {
      chw[i] = static_cast<uint8_t>(0.299f * in[0] + 0.587f * in[1] + 0.114f * in[2] + 0.5f);
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) chw[c * plane + i] = in[from == 1 ? 0 : c];
  }
}

}  // namespace athanor
