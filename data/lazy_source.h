// Images that are decoded when they are read, and kept if there is room.
#ifndef ATHANOR_DATA_LAZY_SOURCE_H_
#define ATHANOR_DATA_LAZY_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/sample_source.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct LazyImages {
  Shape shape;                  // of one image: [channels, height, width]
  std::vector<int32_t> labels;  // of each
  // Writes image `index` as u8 of `shape`; from several threads at once. An error names the file.
  std::function<absl::Status(int64_t index, absl::Span<uint8_t> out)> decode;
};

// Fields "x" (u8) and "labels" (s32). The first read of an image decodes it; the later ones copy it from memory, if it
// is among the first images that fit in the limit, else decode it anew.
class LazyImageSource : public SampleSource {
 public:
  // LIMIT error if there is no memory for the cache.
  static absl::StatusOr<std::shared_ptr<LazyImageSource>> Create(LazyImages images, int64_t cache_bytes);

  int64_t size() const override { return static_cast<int64_t>(images_.labels.size()); }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override;

  int64_t cached_images() const { return cached_; }  // that the cache has room for
  int64_t cache_bytes() const { return cache_.bytes(); }
  int64_t decodes() const { return decodes_; }  // so far

 private:
  explicit LazyImageSource(LazyImages images);
  enum State : uint8_t { kEmpty, kBeingWritten, kThere };

  const LazyImages images_;
  const std::vector<FieldSpec> fields_;
  int64_t image_bytes_ = 0;
  int64_t cached_ = 0;
  mutable Tensor cache_;  // u8 [cached_, image_bytes_]; a row belongs to who made its state kBeingWritten, until kThere
  mutable std::vector<std::atomic<uint8_t>> states_;
  mutable std::atomic<int64_t> decodes_{0};
};

}  // namespace athanor

#endif  // ATHANOR_DATA_LAZY_SOURCE_H_
