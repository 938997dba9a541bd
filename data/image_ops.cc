#include "data/image_ops.h"

namespace athanor {
namespace {

float Grey(float r, float g, float b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }

float Clamp(float x, float bound) { return std::min(std::max(x, 0.0f), bound); }

}  // namespace

void AdjustBrightness(float* image, const ImageSize& size, float factor, float bound) {
  const int64_t n = size.elements();
  for (int64_t i = 0; i < n; ++i) image[i] = Clamp(image[i] * factor, bound);
}

void AdjustContrast(float* image, const ImageSize& size, float factor, float bound) {
  const int64_t pixels = size.height * size.width, n = size.elements();
  const float *r = image, *g = image + pixels, *b = image + 2 * pixels;
  double sum = 0;
  if (size.channels == 1) {
    for (int64_t i = 0; i < pixels; ++i) sum += r[i];
  } else {
    for (int64_t i = 0; i < pixels; ++i) sum += Grey(r[i], g[i], b[i]);
  }
  const float rest = (1 - factor) * static_cast<float>(sum / static_cast<double>(pixels));
  for (int64_t i = 0; i < n; ++i) image[i] = Clamp(image[i] * factor + rest, bound);
}

void AdjustSaturation(float* image, const ImageSize& size, float factor, float bound) {
  if (size.channels == 1) return;
  const int64_t pixels = size.height * size.width;
  float *r = image, *g = image + pixels, *b = image + 2 * pixels;
  for (int64_t i = 0; i < pixels; ++i) {
    const float rest = (1 - factor) * Grey(r[i], g[i], b[i]);
    r[i] = Clamp(r[i] * factor + rest, bound);
    g[i] = Clamp(g[i] * factor + rest, bound);
    b[i] = Clamp(b[i] * factor + rest, bound);
  }
}

}  // namespace athanor
