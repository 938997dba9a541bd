// Dense row-major tensors on the host: what readers give, files hold and sessions take and return.
#ifndef ATHANOR_RUNTIME_CORE_TENSOR_H_
#define ATHANOR_RUNTIME_CORE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"
#include "runtime/core/status.h"

namespace athanor {

// A borrowed, writable view of dense row-major elements.
struct TensorView {
  DType dtype = DType::kUndefined;
  Shape shape;
  void* data = nullptr;
  int64_t bytes = 0;

  template <typename T>
  absl::Span<T> as() const {
    ATH_CHECK(DTypeOf<T>() == dtype);
    return absl::Span<T>(static_cast<T*>(data), bytes / sizeof(T));
  }
};

// Owns 64-byte-aligned memory. Movable; copies are explicit (Clone).
class Tensor {
 public:
  Tensor() = default;
  // Zero-filled. SHAPE or LIMIT error for a shape that cannot be held.
  static absl::StatusOr<Tensor> Create(DType dtype, Shape shape);
  // For shapes known to be good (tests, our own constants): CHECK-fails otherwise.
  template <typename T>
  static Tensor Of(Shape shape, absl::Span<const T> values);
  template <typename T>
  static Tensor Scalar(T value) {
    return Of<T>({}, absl::Span<const T>(&value, 1));
  }

  Tensor Clone() const;

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t num_elements() const { return dtype_ == DType::kUndefined ? 0 : bytes_ / int64_t(DTypeSize(dtype_)); }
  int64_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  TensorView view() { return TensorView{dtype_, shape_, data_.get(), bytes_}; }

  template <typename T>
  absl::Span<T> as() {
    ATH_CHECK(DTypeOf<T>() == dtype_);
    return absl::Span<T>(reinterpret_cast<T*>(data_.get()), num_elements());
  }
  template <typename T>
  absl::Span<const T> as() const {
    ATH_CHECK(DTypeOf<T>() == dtype_);
    return absl::Span<const T>(reinterpret_cast<const T*>(data_.get()), num_elements());
  }

  // SHAPE error if the element counts differ.
  absl::Status Reshape(Shape shape);

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  DType dtype_ = DType::kUndefined;
  Shape shape_;
  int64_t bytes_ = 0;
  std::unique_ptr<std::byte[], Free> data_;
};

template <typename T>
Tensor Tensor::Of(Shape shape, absl::Span<const T> values) {
  auto t = Create(DTypeOf<T>(), std::move(shape));
  ATH_CHECK_OK(t.status());
  ATH_CHECK(static_cast<int64_t>(values.size()) == t->num_elements());
  std::copy(values.begin(), values.end(), t->template as<T>().begin());
  return *std::move(t);
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_TENSOR_H_
