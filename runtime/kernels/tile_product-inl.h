// Products of small matrices that are in the cache, for the instruction set being compiled: Highway's foreach_target.h
// includes this file once for each. A tile of the result is held in registers over the whole depth.
#if defined(ATHANOR_RUNTIME_KERNELS_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_TILE_PRODUCT_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_TILE_PRODUCT_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_TILE_PRODUCT_INL_H_
#endif

#include "runtime/kernels/softmax_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// c = a b, c + a b, or c by row times `factors` + a b.
enum class TileUpdate { kSet, kAdd, kScaleAdd };

// The matrices: c [rows, columns] and b [depth, columns] have contiguous rows, `*_stride` apart. Element (r, d) of a is
// a[r * a_stride + d], or a[r + d * a_stride] where it is transposed. Every element of c is the same sum in the same
// order, wherever in a tile it stands.
struct TileProductArgs {
  int64_t rows, columns, depth;
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  float* c;
  int64_t c_stride;
  TileUpdate update;
  const float* factors = nullptr;
};

#if HWY_TARGET <= HWY_AVX3  // 32 registers
inline constexpr int kTileRows = 8;
#else
inline constexpr int kTileRows = 6;
#endif

// kRows rows by kVectors vectors of c, from row r and column j on; in the last vector only `count` lanes, where kPart.
template <bool kTransposed, int kRows, int kVectors, bool kPart>
HWY_INLINE void ProductTile(const TileProductArgs& p, int64_t r0, int64_t j, int64_t count) {
  const FloatTag d;
  const int64_t lanes = FloatLanes(), a_stride = p.a_stride, b_stride = p.b_stride;
  FloatVec sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* a = p.a + (kTransposed ? r0 : r0 * a_stride);
  const float* b = p.b + j;
  for (int64_t i = 0; i < p.depth; ++i) {
    FloatVec row[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = kPart ? LoadPart(b, count, 0) : hn::LoadU(d, b + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const FloatVec factor = hn::Set(d, kTransposed ? a[r] : a[r * a_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
    a += kTransposed ? a_stride : 1;
    b += b_stride;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* c = p.c + (r0 + r) * p.c_stride + j + v * lanes;
      FloatVec y = sum[r][v];
      if (p.update != TileUpdate::kSet) {
        const FloatVec old = kPart ? LoadPart(c, count, 0) : hn::LoadU(d, c);
        y = p.update == TileUpdate::kAdd ? hn::Add(old, y) : hn::MulAdd(old, hn::Set(d, p.factors[r0 + r]), y);
      }
      if (kPart) {
        StorePart(y, c, count);
      } else {
        hn::StoreU(y, d, c);
      }
    }
  }
}

// All rows of the columns j.. of one tile.
template <bool kTransposed, int kVectors, bool kPart>
void ProductColumns(const TileProductArgs& p, int64_t j, int64_t count) {
  int64_t r = 0;
  for (; r + kTileRows <= p.rows; r += kTileRows) ProductTile<kTransposed, kTileRows, kVectors, kPart>(p, r, j, count);
  if (r + 4 <= p.rows) {
    ProductTile<kTransposed, 4, kVectors, kPart>(p, r, j, count);
    r += 4;
  }
  if (r + 2 <= p.rows) {
    ProductTile<kTransposed, 2, kVectors, kPart>(p, r, j, count);
    r += 2;
  }
  if (r < p.rows) ProductTile<kTransposed, 1, kVectors, kPart>(p, r, j, count);
}

template <bool kTransposed>
void TileProduct(const TileProductArgs& p) {
  const int64_t lanes = FloatLanes();
  int64_t j = 0;
  for (; j + 2 * lanes <= p.columns; j += 2 * lanes) ProductColumns<kTransposed, 2, false>(p, j, lanes);
  if (j + lanes <= p.columns) {
    ProductColumns<kTransposed, 1, false>(p, j, lanes);
    j += lanes;
  }
  if (j < p.columns) ProductColumns<kTransposed, 1, true>(p, j, p.columns - j);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_TILE_PRODUCT_INL_H_
