#include "data/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <new>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "data/limits.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr float kScale = 1.0f / 255.0f;  // as Normalization::ScaleBy255: training and prediction see the same numbers
constexpr absl::string_view kMagic = "\x89PNG\r\n\x1a\n";
constexpr int64_t kMaxChunkBytes = 8 << 20;
// Deflate makes at most 1032 bytes of one.
constexpr int64_t kMaxDeflateRatio = 1032;
// Images above this are decoded twice, first without keeping the pixels, so that a broken one costs no memory.
constexpr int64_t kVerifyFirstBytes = 8 << 20;

// libpng reports errors by longjmp. All calls of it that may fail are in steps, plain functions of this state that hold
// no object with a destructor, run by Guarded, which holds the only setjmp and no such object either.
struct Codec {
  png_structp png = nullptr;
  png_infop info = nullptr;
  char message[128] = "unknown error";

  // Reading.
  const char* input = nullptr;
  size_t input_left = 0;
  int64_t width = 0, height = 0;
  int64_t raw_row_bytes = 0;  // as stored, without the filter byte
  int64_t row_bytes = 0;      // as decoded: 8-bit samples, or 8-bit indices of a palette
  int passes = 1;
  bool paletted = false;
  int palette_size = 0;
  std::array<std::array<uint8_t, 4>, 256> palette;  // RGBA
  bool palette_has_alpha = false;
  uint8_t* pixels = nullptr;
  int64_t stride = 0;  // 0: every row goes to the same scratch

  // Writing.
  std::string* output = nullptr;
  const uint8_t* source = nullptr;
  int color_type = 0;
};

bool Guarded(Codec* c, void (*step)(Codec*)) {
  if (setjmp(png_jmpbuf(c->png)) != 0) return false;
  step(c);
  return true;
}

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* c = static_cast<Codec*>(png_get_error_ptr(png));
  std::strncpy(c->message, message, sizeof(c->message) - 1);
  c->message[sizeof(c->message) - 1] = '\0';
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

void OnRead(png_structp png, png_bytep out, size_t n) {
  auto* c = static_cast<Codec*>(png_get_io_ptr(png));
  if (n > c->input_left) png_error(png, "truncated");
  std::memcpy(out, c->input, n);
  c->input += n;
  c->input_left -= n;
}

void OnWrite(png_structp png, png_bytep data, size_t n) {
  auto* c = static_cast<Codec*>(png_get_io_ptr(png));
  bool ok = true;
  try {
    c->output->append(reinterpret_cast<const char*>(data), n);
  } catch (const std::bad_alloc&) {
    ok = false;  // no jump out of a handler
  }
  if (!ok) png_error(png, "no memory");
}

void OnFlush(png_structp) {}

void TakePalette(Codec* c) {
  png_colorp colors = nullptr;
  if (png_get_PLTE(c->png, c->info, &colors, &c->palette_size) == 0) png_error(c->png, "no palette");
  for (int i = 0; i < c->palette_size; ++i) c->palette[i] = {colors[i].red, colors[i].green, colors[i].blue, 255};
  png_bytep alpha = nullptr;
  int alpha_size = 0;
  if (png_get_tRNS(c->png, c->info, &alpha, &alpha_size, nullptr) == 0 || alpha == nullptr) return;
  c->palette_has_alpha = true;
  for (int i = 0; i < std::min(alpha_size, c->palette_size); ++i) c->palette[i][3] = alpha[i];
}

// Step: everything before the pixels, and what they are to be turned into.
void ReadInfo(Codec* c) {
  png_set_user_limits(c->png, kMaxImageSide, kMaxImageSide);
  png_set_chunk_malloc_max(c->png, kMaxChunkBytes);
  png_set_crc_action(c->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  // Skips all but IHDR, PLTE, tRNS, IDAT and IEND: text and profiles may be compressed bombs.
  png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(c->png, c->info);
  c->width = png_get_image_width(c->png, c->info);
  c->height = png_get_image_height(c->png, c->info);
  c->raw_row_bytes = png_get_rowbytes(c->png, c->info);

  int color = png_get_color_type(c->png, c->info), depth = png_get_bit_depth(c->png, c->info);
  c->paletted = color == PNG_COLOR_TYPE_PALETTE;
  if (c->paletted) {
    // Expanded by us: libpng takes an index outside the palette for black.
    TakePalette(c);
    png_set_packing(c->png);
  } else {
    bool transparent = png_get_valid(c->png, c->info, PNG_INFO_tRNS) != 0;
    if (depth == 16) png_set_scale_16(c->png);
    if (depth < 8) png_set_expand_gray_1_2_4_to_8(c->png);
    if (transparent) png_set_tRNS_to_alpha(c->png);
    if ((transparent || (color & PNG_COLOR_MASK_ALPHA) != 0) && (color & PNG_COLOR_MASK_COLOR) == 0) {
      png_set_gray_to_rgb(c->png);
    }
  }
  c->passes = png_set_interlace_handling(c->png);
  png_read_update_info(c->png, c->info);
  c->row_bytes = png_get_rowbytes(c->png, c->info);
}

// Step: the pixels, and what is behind them to the end of the image.
void ReadPixels(Codec* c) {
  for (int pass = 0; pass < c->passes; ++pass) {
    for (int64_t y = 0; y < c->height; ++y) png_read_row(c->png, c->pixels + y * c->stride, nullptr);
  }
  png_read_end(c->png, nullptr);
}

class Reader {
 public:
  Reader(absl::string_view bytes, absl::string_view name) : name_(name) {
    codec_.input = bytes.data();
    codec_.input_left = bytes.size();
    codec_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec_, OnError, OnWarning);
    if (codec_.png != nullptr) codec_.info = png_create_info_struct(codec_.png);
    if (codec_.info != nullptr) png_set_read_fn(codec_.png, &codec_, OnRead);
  }
  ~Reader() { png_destroy_read_struct(&codec_.png, &codec_.info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const Codec& info() const { return codec_; }
  int64_t decoded_channels() const { return codec_.row_bytes / codec_.width; }

  absl::Status Info() {
    if (codec_.info == nullptr) return MakeError(ErrorClass::kLimit, "%s: no memory for libpng", name_);
    if (!Guarded(&codec_, ReadInfo)) return Broken();
    return absl::OkStatus();
  }

  // After Info. `stride` 0: all rows are written over each other.
  absl::Status Pixels(uint8_t* pixels, int64_t stride) {
    codec_.pixels = pixels;
    codec_.stride = stride;
    if (!Guarded(&codec_, ReadPixels)) return Broken();
    return absl::OkStatus();
  }

 private:
  absl::Status Broken() const {
    return MakeError(ErrorClass::kData, "%s: broken PNG: %s", name_, absl::CHexEscape(codec_.message));
  }

  absl::string_view name_;
  Codec codec_;
};

absl::string_view Hint(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) return "; it is a JPEG image";
  if (absl::StartsWith(bytes, "GIF8")) return "; it is a GIF image";
  if (absl::StartsWith(bytes, "BM")) return "; it may be a BMP image";
  return "";
}

// What can be judged before libpng sees the bytes, with the numbers in the message.
absl::Status CheckStart(absl::string_view bytes, absl::string_view name) {
  if (!absl::StartsWith(bytes, kMagic)) {
    return MakeError(ErrorClass::kData, "%s: magic \"%s\" is not PNG (expected \"%s\")%s", name,
                     absl::CHexEscape(bytes.substr(0, kMagic.size())), absl::CHexEscape(kMagic), Hint(bytes));
  }
  constexpr size_t kWidthAt = 16, kHeightAt = 20;
  if (bytes.size() < kHeightAt + 4 || bytes.substr(12, 4) != "IHDR") {
    return MakeError(ErrorClass::kData, "%s: no PNG image header in %d bytes", name, bytes.size());
  }
  int64_t width = png_get_uint_32(reinterpret_cast<png_const_bytep>(bytes.data() + kWidthAt));
  int64_t height = png_get_uint_32(reinterpret_cast<png_const_bytep>(bytes.data() + kHeightAt));
  if (width > kMaxImageSide || height > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "%s: %dx%d pixels (width x height) are above the limit of %d a side", name,
                     width, height, kMaxImageSide);
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const Codec& c, int64_t channels, int64_t file_bytes, absl::string_view name) {
  // All below 2^14 a side and 2^3 bytes a pixel: no product overflows.
  int64_t raw = c.raw_row_bytes * c.height, decoded = c.width * c.height * channels;
  if (decoded > kMaxImageBytes) {
    return MakeError(ErrorClass::kLimit, "%s: %dx%d pixels of %d channels are %d bytes, above the limit of %d", name,
                     c.width, c.height, channels, decoded, kMaxImageBytes);
  }
  if (raw / kMaxDeflateRatio > file_bytes) {
    return MakeError(ErrorClass::kData, "%s: %d bytes cannot hold the declared %dx%d pixels", name, file_bytes, c.width,
                     c.height);
  }
  return absl::OkStatus();
}

absl::Status VerifyWithoutKeeping(absl::string_view bytes, absl::string_view name) {
  Reader reader(bytes, name);
  ATH_RETURN_IF_ERROR(reader.Info());
  ATH_ASSIGN_OR_RETURN(Tensor row, Tensor::Create(DType::kU8, {reader.info().row_bytes}));
  return reader.Pixels(row.as<uint8_t>().data(), 0);
}

absl::StatusOr<Tensor> ExpandPalette(const Tensor& indices, const Codec& c, absl::string_view name) {
  int64_t channels = c.palette_has_alpha ? 4 : 3;
  ATH_ASSIGN_OR_RETURN(Tensor image, Tensor::Create(DType::kU8, {c.height, c.width, channels}));
  absl::Span<const uint8_t> in = indices.as<uint8_t>();
  uint8_t* out = image.as<uint8_t>().data();
  for (size_t i = 0; i < in.size(); ++i, out += channels) {
    if (in[i] >= c.palette_size) {
      return MakeError(ErrorClass::kData, "%s: the pixel in row %d, column %d has palette index %d of %d", name,
                       i / c.width, i % c.width, in[i], c.palette_size);
    }
    std::copy_n(c.palette[in[i]].begin(), channels, out);
  }
  return image;
}

}  // namespace

absl::StatusOr<Tensor> ParsePng(absl::string_view bytes, absl::string_view name) {
  ATH_RETURN_IF_ERROR(CheckStart(bytes, name));
  Reader reader(bytes, name);
  ATH_RETURN_IF_ERROR(reader.Info());
  const Codec& c = reader.info();
  int64_t channels = c.paletted ? 4 : reader.decoded_channels();
  ATH_RETURN_IF_ERROR(CheckSizes(c, channels, bytes.size(), name));
  if (c.width * c.height * channels > kVerifyFirstBytes) ATH_RETURN_IF_ERROR(VerifyWithoutKeeping(bytes, name));

  ATH_ASSIGN_OR_RETURN(Tensor image, Tensor::Create(DType::kU8, {c.height, c.width, reader.decoded_channels()}));
  ATH_RETURN_IF_ERROR(reader.Pixels(image.as<uint8_t>().data(), c.row_bytes));
  if (c.paletted) return ExpandPalette(image, c, name);
  return image;
}

absl::StatusOr<Tensor> ReadPng(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxImageFileBytes));
  return ParsePng(bytes, path);
}

namespace {

// Step.
void WriteImage(Codec* c) {
  png_set_IHDR(c->png, c->info, c->width, c->height, 8, c->color_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(c->png, c->info);
  for (int64_t y = 0; y < c->height; ++y) png_write_row(c->png, c->source + y * c->row_bytes);
  png_write_end(c->png, c->info);
}

absl::Status CheckImage(const Tensor& hwc) {
  if (hwc.dtype() != DType::kU8) {
    return MakeError(ErrorClass::kDtype, "an image is u8, not %s", DTypeName(hwc.dtype()));
  }
  const Shape& s = hwc.shape();
  if (s.size() != 3 || (s[2] != 1 && s[2] != 3 && s[2] != 4) || hwc.empty()) {
    return MakeError(ErrorClass::kShape, "%s is not the shape of an image (height, width, channels 1, 3 or 4)",
                     ShapeToString(s));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FormatPng(const Tensor& hwc) {
  ATH_RETURN_IF_ERROR(CheckImage(hwc));
  const Shape& s = hwc.shape();
  if (s[0] > kMaxImageSide || s[1] > kMaxImageSide) {
    return MakeError(ErrorClass::kLimit, "the image %s is above the limit of %d pixels a side", ShapeToString(s),
                     kMaxImageSide);
  }
  std::string out;
  Codec c;
  c.height = s[0];
  c.width = s[1];
  c.row_bytes = s[1] * s[2];
  c.source = hwc.as<uint8_t>().data();
  c.color_type = s[2] == 1 ? PNG_COLOR_TYPE_GRAY : s[2] == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
  c.output = &out;
  c.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &c, OnError, OnWarning);
  if (c.png != nullptr) c.info = png_create_info_struct(c.png);
  bool ok = c.info != nullptr;
  if (ok) {
    png_set_write_fn(c.png, &c, OnWrite, OnFlush);
    ok = Guarded(&c, WriteImage);
  }
  png_destroy_write_struct(&c.png, &c.info);
  if (!ok) return MakeError(ErrorClass::kLimit, "cannot encode the image %s: %s", ShapeToString(s), c.message);
  return out;
}

absl::Status WritePng(const std::string& path, const Tensor& hwc) {
  absl::StatusOr<std::string> bytes = FormatPng(hwc);
  if (!bytes.ok()) return AddContext(bytes.status(), path);
  return WriteFileAtomic(path, {*bytes});
}

absl::StatusOr<Tensor> ImageToInput(const Tensor& hwc, const Shape& chw) {
  ATH_RETURN_IF_ERROR(CheckImage(hwc));
  const int64_t height = hwc.shape()[0], width = hwc.shape()[1], from = hwc.shape()[2];
  const int64_t to = chw.empty() ? 0 : chw[0];
  if (chw.size() != 3 || (to != 1 && to != 3 && !(to == 4 && from == 4))) {
    return MakeError(ErrorClass::kShape, "an image of %d channels cannot be made an input of shape %s", from,
                     ShapeToString(chw));
  }
  if (height != chw[1] || width != chw[2]) {
    return MakeError(ErrorClass::kShape, "the image is %d x %d (height x width), the network takes %d x %d", height,
                     width, chw[1], chw[2]);
  }
  ATH_ASSIGN_OR_RETURN(Tensor input, Tensor::Create(DType::kF32, {1, to, height, width}));
  const uint8_t* in = hwc.as<uint8_t>().data();
  float* out = input.as<float>().data();
  const int64_t plane = height * width;
  for (int64_t i = 0; i < plane; ++i, in += from) {
    if (to == 1 && from > 1) {
      out[i] = (0.299f * in[0] + 0.587f * in[1] + 0.114f * in[2]) * kScale;
      continue;
    }
    for (int64_t c = 0; c < to; ++c) out[c * plane + i] = in[from == 1 ? 0 : c] * kScale;
  }
  return input;
}

}  // namespace athanor
