#include "data/jpeg.h"

#include <turbojpeg.h>

#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "data/limits.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr absl::string_view kMagic = "\xff\xd8\xff";
// Entropy coding needs at least one bit for a block of 64 pixels of the first channel.
constexpr int64_t kMaxPixelsPerByte = 512;
// Images above this must have the bytes for it. Below, it does not matter; and arithmetic coding of an even surface,
// which is rare, needs less than a bit.
constexpr int64_t kUncheckedPixels = 1 << 20;
// Warnings are errors; and no more than 500 passes over a progressive image.
constexpr int kFlags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, Destroy>;

// One decoder a thread: making one takes as long as decoding a small image.
Handle& ThreadsDecoder() {
  thread_local Handle handle;
  return handle;
}

absl::StatusOr<tjhandle> Decoder(absl::string_view name) {
  Handle& handle = ThreadsDecoder();
  if (handle == nullptr) handle.reset(tjInitDecompress());
  if (handle == nullptr) return MakeError(ErrorClass::kLimit, "%s: no memory for a JPEG decoder", name);
  return handle.get();
}

// A decoder that has failed stands in the middle of its image: the next image gets a new one.
absl::Status Broken(tjhandle decoder, absl::string_view name) {
  absl::Status status =
      MakeError(ErrorClass::kData, "%s: broken JPEG: %s", name, absl::CHexEscape(tjGetErrorStr2(decoder)));
  ThreadsDecoder().reset();
  return status;
}

absl::string_view Hint(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\x89PNG")) return "; it is a PNG image";
  if (absl::StartsWith(bytes, "GIF8")) return "; it is a GIF image";
  if (absl::StartsWith(bytes, "BM")) return "; it may be a BMP image";
  if (absl::StartsWith(bytes, "RIFF")) return "; it may be a WebP image";
  if (absl::StartsWith(bytes, "<")) return "; it looks like a web page";
  return "";
}

const unsigned char* Data(absl::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

bool IsJpeg(absl::string_view bytes) { return absl::StartsWith(bytes, kMagic); }

absl::StatusOr<JpegInfo> ParseJpegHeader(absl::string_view bytes, absl::string_view name) {
  if (!IsJpeg(bytes)) {
    return MakeError(ErrorClass::kData, "%s: magic \"%s\" is not JPEG (expected \"%s\")%s", name,
                     absl::CHexEscape(bytes.substr(0, kMagic.size())), absl::CHexEscape(kMagic), Hint(bytes));
  }
  ATH_ASSIGN_OR_RETURN(tjhandle decoder, Decoder(name));
  int width = 0, height = 0, subsampling = 0, colors = 0;
  if (tjDecompressHeader3(decoder, Data(bytes), bytes.size(), &width, &height, &subsampling, &colors) != 0) {
    return Broken(decoder, name);
  }
  if (colors == TJCS_CMYK || colors == TJCS_YCCK) {
    return MakeError(ErrorClass::kData, "%s: the image is CMYK, for printing; only grey and RGB are read", name);
  }
  if (width > kMaxImageSide || height > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "%s: %dx%d pixels (width x height) are above the limit of %d a side", name,
                     width, height, kMaxImageSide);
  }
  JpegInfo info{height, width, colors == TJCS_GRAY ? 1 : 3};
  const int64_t decoded = info.width * info.height * info.channels;
  if (decoded > kMaxImageBytes) {
    return MakeError(ErrorClass::kLimit, "%s: %dx%d pixels of %d channels are %d bytes, above the limit of %d", name,
                     width, height, info.channels, decoded, kMaxImageBytes);
  }
  return info;
}

absl::StatusOr<Tensor> ParseJpeg(absl::string_view bytes, absl::string_view name) {
  ATH_ASSIGN_OR_RETURN(JpegInfo info, ParseJpegHeader(bytes, name));
  const int64_t pixels = info.width * info.height;
  if (pixels > kUncheckedPixels && pixels / kMaxPixelsPerByte > static_cast<int64_t>(bytes.size())) {
    return MakeError(ErrorClass::kData, "%s: %d bytes cannot hold the declared %dx%d pixels", name, bytes.size(),
                     info.width, info.height);
  }
  ATH_ASSIGN_OR_RETURN(tjhandle decoder, Decoder(name));
  ATH_ASSIGN_OR_RETURN(Tensor image, Tensor::Create(DType::kU8, {info.height, info.width, info.channels}));
  const int format = info.channels == 1 ? TJPF_GRAY : TJPF_RGB;
  if (tjDecompress2(decoder, Data(bytes), bytes.size(), image.as<uint8_t>().data(), static_cast<int>(info.width),
                    /*pitch=*/0, static_cast<int>(info.height), format, kFlags) != 0) {
    return Broken(decoder, name);
  }
  return image;
}

absl::StatusOr<Tensor> ReadJpeg(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxImageFileBytes));
  return ParseJpeg(bytes, path);
}

absl::StatusOr<std::string> FormatJpeg(const Tensor& hwc, int quality) {
  if (hwc.dtype() != DType::kU8) {
    return MakeError(ErrorClass::kDtype, "an image is u8, not %s", DTypeName(hwc.dtype()));
  }
  const Shape& s = hwc.shape();
  if (s.size() != 3 || (s[2] != 1 && s[2] != 3) || hwc.empty()) {
    return MakeError(ErrorClass::kShape, "%s is not the shape of a JPEG image (height, width, channels 1 or 3)",
                     ShapeToString(s));
  }
  if (s[0] > kMaxImageSide || s[1] > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "the image %s is above the limit of %d pixels a side", ShapeToString(s),
                     kMaxImageSide);
  }
  if (quality < 1 || quality > 100) {
    return MakeError(ErrorClass::kAttr, "the JPEG quality is %d, it must be 1 .. 100", quality);
  }
  Handle encoder(tjInitCompress());
  unsigned char* out = nullptr;
  unsigned long size = 0;  // NOLINT: the library's type
  const bool grey = s[2] == 1;
  bool ok = encoder != nullptr && tjCompress2(encoder.get(), hwc.as<uint8_t>().data(), static_cast<int>(s[1]),
                                              /*pitch=*/0, static_cast<int>(s[0]), grey ? TJPF_GRAY : TJPF_RGB, &out,
                                              &size, grey ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT) == 0;
  std::string bytes;
  if (ok) bytes.assign(reinterpret_cast<const char*>(out), size);
  tjFree(out);
  if (!ok) return MakeError(ErrorClass::kLimit, "cannot encode the image %s as JPEG", ShapeToString(s));
  return bytes;
}

}  // namespace athanor
