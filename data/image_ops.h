// Changes of one image [channels, height, width] in memory, for augmentation: plain loops with nothing random in them.
// Nothing is allocated.
#ifndef ATHANOR_DATA_IMAGE_OPS_H_
#define ATHANOR_DATA_IMAGE_OPS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace athanor {

struct ImageSize {
  int64_t channels = 0, height = 0, width = 0;
  int64_t rows() const { return channels * height; }
  int64_t elements() const { return channels * height * width; }
};

// Left becomes right.
template <typename T>
void FlipImage(const T* in, const ImageSize& size, T* out) {
  for (int64_t r = 0; r < size.rows(); ++r, in += size.width, out += size.width) {
    std::reverse_copy(in, in + size.width, out);
  }
}

// The image moved up by `dy` and left by `dx` (each between -(side-1) and side-1): out[y][x] = in[y + dy][x + dx]. What
// comes from outside is 0, or the image mirrored at its edge pixel (as "reflect" of torch and NumPy).
template <typename T>
void ShiftImage(const T* in, const ImageSize& size, int64_t dy, int64_t dx, bool reflect, T* out) {
  const int64_t h = size.height, w = size.width;
  auto mirrored = [](int64_t i, int64_t n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; };
  const int64_t begin = std::max<int64_t>(0, -dx), end = std::min(w, w - dx);  // columns that come from inside
  for (int64_t c = 0; c < size.channels; ++c, in += h * w) {
    for (int64_t y = 0; y < h; ++y, out += w) {
      const bool inside = y + dy >= 0 && y + dy < h;
      if (!inside && !reflect) {
        std::fill(out, out + w, T{0});
        continue;
      }
      const T* row = in + mirrored(y + dy, h) * w;
      std::memcpy(out + begin, row + begin + dx, (end - begin) * sizeof(T));
      for (int64_t x = 0; x < begin; ++x) out[x] = reflect ? row[mirrored(x + dx, w)] : T{0};
      for (int64_t x = end; x < w; ++x) out[x] = reflect ? row[mirrored(x + dx, w)] : T{0};
    }
  }
}

// Zero in the square of `side` pixels whose first row and column these are, as far as it lies in the image.
template <typename T>
void CutOut(T* image, const ImageSize& size, int64_t top, int64_t left, int64_t side) {
  const int64_t begin = std::max<int64_t>(0, left), end = std::min(size.width, left + side);
  for (int64_t c = 0; c < size.channels; ++c) {
    for (int64_t y = std::max<int64_t>(0, top); y < std::min(size.height, top + side); ++y) {
      T* row = image + (c * size.height + y) * size.width;
      if (begin < end) std::fill(row + begin, row + end, T{0});
    }
  }
}

// As torchvision.transforms.functional defines them for float tensors, on values 0 .. bound: a blend of the image
// (share `factor`, which may be above 1) with black, with the mean of its grey image, and with its grey image, brought
// back to 0 .. bound. Grey is 0.2989 R + 0.587 G + 0.114 B; an image of one channel is its own, and has no saturation.
// Channels are 1 or 3.
void AdjustBrightness(float* image, const ImageSize& size, float factor, float bound);
void AdjustContrast(float* image, const ImageSize& size, float factor, float bound);
void AdjustSaturation(float* image, const ImageSize& size, float factor, float bound);

}  // namespace athanor

#endif  // ATHANOR_DATA_IMAGE_OPS_H_
