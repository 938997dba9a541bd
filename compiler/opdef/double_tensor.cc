#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/opdef/contexts.h"

namespace athanor {
namespace {

template <typename T>
void Widen(const Tensor& t, std::vector<double>& out) {
  auto in = t.as<T>();
  out.assign(in.begin(), in.end());
}

// Rounds to the nearest, ties to even; values beyond the type's range become its ends, NaN becomes 0.
template <typename T>
void Narrow(const std::vector<double>& in, Tensor& t) {
  auto out = t.as<T>();
  for (size_t i = 0; i < in.size(); ++i) {
    if constexpr (std::is_same_v<T, bool>) {
      out[i] = in[i] != 0;
    } else if constexpr (std::is_floating_point_v<T>) {
      out[i] = static_cast<T>(in[i]);
    } else {
      using Limits = std::numeric_limits<T>;
      double v = std::nearbyint(in[i]);
      // The upper end of 64 bits is not a double: compare with the power of two above it.
      if (std::isnan(v)) out[i] = 0;
      else if (v < static_cast<double>(Limits::min())) out[i] = Limits::min();
      else if (v >= std::ldexp(1.0, Limits::digits)) out[i] = Limits::max();
      else out[i] = static_cast<T>(v);
    }
  }
}

float FromBf16(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float v;
  std::memcpy(&v, &wide, sizeof(v));
  return v;
}

uint16_t ToBf16(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  if (std::isnan(v)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace

DoubleTensor::DoubleTensor(Shape s, double fill) : shape(std::move(s)) {
  auto elements = NumElements(shape);
  ATH_CHECK_OK(elements.status());
  data.assign(*elements, fill);
}

DoubleTensor DoubleTensor::From(const Tensor& t) {
  DoubleTensor d;
  d.shape = t.shape();
  switch (t.dtype()) {
    case DType::kF32: Widen<float>(t, d.data); break;
    case DType::kF64: Widen<double>(t, d.data); break;
    case DType::kS32: Widen<int32_t>(t, d.data); break;
    case DType::kS64: Widen<int64_t>(t, d.data); break;
    case DType::kU8: Widen<uint8_t>(t, d.data); break;
    case DType::kS8: Widen<int8_t>(t, d.data); break;
    case DType::kBool: Widen<bool>(t, d.data); break;
    case DType::kBF16: {
      const auto* bits = static_cast<const uint16_t*>(t.data());
      for (int64_t i = 0; i < t.num_elements(); ++i) d.data.push_back(FromBf16(bits[i]));
      break;
    }
    case DType::kUndefined: break;
  }
  return d;
}

Tensor DoubleTensor::To(DType dtype) const {
  auto made = Tensor::Create(dtype, shape);
  ATH_CHECK_OK(made.status());
  Tensor t = *std::move(made);
  ATH_CHECK(t.num_elements() == size());
  switch (dtype) {
    case DType::kF32: Narrow<float>(data, t); break;
    case DType::kF64: Narrow<double>(data, t); break;
    case DType::kS32: Narrow<int32_t>(data, t); break;
    case DType::kS64: Narrow<int64_t>(data, t); break;
    case DType::kU8: Narrow<uint8_t>(data, t); break;
    case DType::kS8: Narrow<int8_t>(data, t); break;
    case DType::kBool: Narrow<bool>(data, t); break;
    case DType::kBF16: {
      auto* bits = static_cast<uint16_t*>(t.data());
      for (int64_t i = 0; i < size(); ++i) bits[i] = ToBf16(static_cast<float>(data[i]));
      break;
    }
    case DType::kUndefined: break;
  }
  return t;
}

}  // namespace athanor
