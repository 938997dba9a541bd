#include "runtime/kernels/testing/data.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/core/philox.h"

namespace athanor {
namespace {

Tensor Make(DType dtype, Shape shape) {
  auto t = Tensor::Create(dtype, std::move(shape));
  ATH_CHECK_OK(t.status());
  return *std::move(t);
}

// The bits of a small number.
uint64_t BitsOf(DType dtype, int64_t v) {
  switch (dtype) {
    case DType::kF32:
      return std::bit_cast<uint32_t>(static_cast<float>(v));
    case DType::kBF16:  // exact: it has 8 bits of precision
      return std::bit_cast<uint32_t>(static_cast<float>(v)) >> 16;
    case DType::kF64:
      return std::bit_cast<uint64_t>(static_cast<double>(v));
    default:
      return static_cast<uint64_t>(v);
  }
}

}  // namespace

Tensor RandomTensor(Shape shape, uint64_t stream, double low, double high) {
  Tensor t = Make(DType::kF32, std::move(shape));
  Philox random(1, stream);
  auto values = t.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(low + (high - low) * random.Uniform(i));
  return t;
}

Tensor CountingTensor(DType dtype, Shape shape) {
  Tensor t = Make(dtype, std::move(shape));
  const size_t size = DTypeSize(dtype);
  for (int64_t i = 0; i < t.num_elements(); ++i) {
    uint64_t bits = dtype == DType::kBool ? i % 3 == 0 : BitsOf(dtype, 1 + i % 119);
    std::memcpy(static_cast<std::byte*>(t.data()) + i * size, &bits, size);  // little-endian
  }
  return t;
}

uint64_t ElementBits(const Tensor& t, int64_t i) {
  uint64_t bits = 0;
  const size_t size = DTypeSize(t.dtype());
  std::memcpy(&bits, static_cast<const std::byte*>(t.data()) + i * size, size);
  return bits;
}

bool PaddedWithZeros(const Tensor& row_major, const std::vector<std::byte>& stored) {
  auto count = [](const void* data, size_t bytes) {
    size_t others = 0;
    for (size_t at = 0; at < bytes; at += sizeof(float)) {
      float v;
      std::memcpy(&v, static_cast<const std::byte*>(data) + at, sizeof v);
      others += v != 0 || std::signbit(v);
    }
    return others;
  };
  return count(row_major.data(), row_major.bytes()) == count(stored.data(), stored.size());
}

}  // namespace athanor
