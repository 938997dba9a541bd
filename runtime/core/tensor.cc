#include "runtime/core/tensor.h"

#include <cstdlib>
#include <cstring>

#include "runtime/core/checked.h"

namespace athanor {

void Tensor::Free::operator()(std::byte* p) const { std::free(p); }

absl::StatusOr<Tensor> Tensor::Create(DType dtype, Shape shape) {
  Tensor t;
  ATH_ASSIGN_OR_RETURN(t.bytes_, NumBytes(dtype, shape));
  auto padded = CheckedAlignUp(t.bytes_ > 0 ? t.bytes_ : 1, 64);
  void* p = padded ? std::aligned_alloc(64, *padded) : nullptr;
  if (p == nullptr) {
    return MakeError(ErrorClass::kLimit, "no memory for a tensor %s%s of %d bytes", DTypeName(dtype),
                     ShapeToString(shape), t.bytes_);
  }
  std::memset(p, 0, *padded);
  t.data_.reset(static_cast<std::byte*>(p));
  t.dtype_ = dtype;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::Clone() const {
  if (dtype_ == DType::kUndefined) return Tensor();
  auto t = Create(dtype_, shape_);
  ATH_CHECK_OK(t.status());
  std::memcpy(t->data_.get(), data_.get(), bytes_);
  return *std::move(t);
}

absl::Status Tensor::Reshape(Shape shape) {
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(shape));
  if (elements != num_elements()) {
    return MakeError(ErrorClass::kShape, "cannot reshape %s (%d elements) to %s (%d elements)",
                     ShapeToString(shape_), num_elements(), ShapeToString(shape), elements);
  }
  shape_ = std::move(shape);
  return absl::OkStatus();
}

}  // namespace athanor
