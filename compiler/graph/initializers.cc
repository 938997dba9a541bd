#include "compiler/graph/initializers.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/graph/matrix_initializers.h"
#include "runtime/core/philox.h"
#include "runtime/core/portable_math.h"

namespace athanor {
namespace {

// What every initialiser comes down to.
struct Distribution {
  enum Kind { kConstant, kUniform, kNormal, kTruncatedNormal, kOrthogonal, kIdentity, kDirac } kind = kConstant;
  double a = 0, b = 0;  // the constant; low and high; mean and standard deviation; gain; groups
  // Of a truncated normal distribution: the bounds, and the shares of the whole one below the lower and the upper one.
  // `mirrored`: of its mirror image, so that no share is close to 1, where its digits would not tell.
  double low = 0, high = 0, share_low = 0, share_high = 1;
  bool mirrored = false;
};

struct KindDef {
  absl::string_view name;
  std::vector<absl::string_view> attributes;
};

const std::array<KindDef, 15>& Kinds() {
  static const std::array<KindDef, 15> kinds = {{
      {"zeros", {}},
      {"ones", {}},
      {"constant", {"value"}},
      {"uniform", {"low", "high"}},
      {"normal", {"mean", "std"}},
      {"xavier_uniform", {"gain"}},
      {"xavier_normal", {"gain"}},
      {"kaiming_uniform", {"fan", "a", "gain", "fan_in"}},
      {"kaiming_normal", {"fan", "a", "gain", "fan_in"}},
      {"truncated_normal", {"mean", "std", "a", "b"}},
      {"lecun_uniform", {"fan_in"}},
      {"lecun_normal", {"fan_in"}},
      {"orthogonal", {"gain"}},
      {"identity", {"gain"}},
      {"dirac", {"groups"}},
  }};
  return kinds;
}

template <typename... Args>
absl::Status AttrError(const Initializer& init, const absl::FormatSpec<Args...>& format, const Args&... args) {
  return AddContext(MakeErrorFromMessage(ErrorClass::kAttr, absl::StrFormat(format, args...)),
                    absl::StrCat("initialiser ", absl::CHexEscape(init.kind)));
}

absl::Status CheckNames(const Initializer& init) {
  for (const KindDef& kind : Kinds()) {
    if (kind.name != init.kind) continue;
    for (const auto& [name, value] : init.attrs.items()) {
      if (std::find(kind.attributes.begin(), kind.attributes.end(), name) == kind.attributes.end()) {
        return AttrError(init, "unknown attribute \"%s\"; it takes: %s", absl::CHexEscape(name),
                         kind.attributes.empty() ? "none" : absl::StrJoin(kind.attributes, ", "));
      }
    }
    return absl::OkStatus();
  }
  auto name_of = [](std::string* out, const KindDef& kind) { out->append(kind.name.data(), kind.name.size()); };
  return MakeError(ErrorClass::kAttr, "unknown initialiser \"%s\"; there are: %s", absl::CHexEscape(init.kind),
                   absl::StrJoin(Kinds(), ", ", name_of));
}

// A finite number of at least `min`.
absl::StatusOr<double> Number(const Initializer& init, absl::string_view name, double otherwise,
                              double min = -std::numeric_limits<double>::infinity()) {
  const AttrValue* v = init.attrs.Find(name);
  double number = otherwise;
  if (v != nullptr) {
    if (const int64_t* i = std::get_if<int64_t>(v)) {
      number = static_cast<double>(*i);
    } else if (const double* d = std::get_if<double>(v)) {
      number = *d;
    } else {
      return AttrError(init, "attribute \"%s\" is %s, not a float", name, AttrTypeName(TypeOf(*v)));
    }
  }
  if (!std::isfinite(number)) return AttrError(init, "attribute \"%s\" is %g: it must be finite", name, number);
  if (number < min) return AttrError(init, "attribute \"%s\" is %g: the least is %g", name, number, min);
  return number;
}

struct Fans {
  double in = 0, out = 0;
};

absl::StatusOr<Fans> FansOf(const Initializer& init, const Shape& shape) {
  if (shape.size() < 2) {
    return AttrError(init, "shape %s has no fans: it needs two dimensions or more", ShapeToString(shape));
  }
  double receptive_field = 1;
  for (size_t i = 2; i < shape.size(); ++i) receptive_field *= static_cast<double>(shape[i]);
  return Fans{static_cast<double>(shape[1]) * receptive_field, static_cast<double>(shape[0]) * receptive_field};
}

absl::StatusOr<double> KaimingGain(const Initializer& init) {
  if (init.attrs.Has("a") && init.attrs.Has("gain")) return AttrError(init, "takes \"a\" or \"gain\", not both");
  ATH_ASSIGN_OR_RETURN(double slope, Number(init, "a", 0));
  return Number(init, "gain", std::sqrt(2 / (1 + slope * slope)), 0);
}

// The attribute fan_in, an int in place of what the shape tells; 0 where it is not given.
absl::StatusOr<double> GivenFanIn(const Initializer& init) {
  const AttrValue* v = init.attrs.Find("fan_in");
  if (v == nullptr) return 0;
  const int64_t* given = std::get_if<int64_t>(v);
  if (given != nullptr && *given >= 1) return static_cast<double>(*given);
  return AttrError(init, "attribute \"fan_in\" is %s: it must be an int of at least 1", AttrToString(*v));
}

// Kaiming's and LeCun's.
absl::StatusOr<double> ChosenFan(const Initializer& init, const Shape& shape) {
  std::string fan = "in";
  if (const AttrValue* v = init.attrs.Find("fan")) {
    const std::string* text = std::get_if<std::string>(v);
    if (text == nullptr || (*text != "in" && *text != "out")) {
      return AttrError(init, "attribute \"fan\" is %s: it must be \"in\" or \"out\"", AttrToString(*v));
    }
    fan = *text;
  }
  ATH_ASSIGN_OR_RETURN(double given, GivenFanIn(init));
  if (given > 0 && fan != "in") return AttrError(init, "takes \"fan_in\" only with fan=\"in\"");
  if (given > 0) return given;
  ATH_ASSIGN_OR_RETURN(Fans fans, FansOf(init, shape));
  return fan == "in" ? fans.in : fans.out;
}

absl::StatusOr<Distribution> TruncatedNormal(const Initializer& init) {
  Distribution d{Distribution::kTruncatedNormal};
  ATH_ASSIGN_OR_RETURN(d.a, Number(init, "mean", 0));
  ATH_ASSIGN_OR_RETURN(d.b, Number(init, "std", 1, 0));
  ATH_ASSIGN_OR_RETURN(d.low, Number(init, "a", -2));
  ATH_ASSIGN_OR_RETURN(d.high, Number(init, "b", 2, d.low));
  if (d.b == 0) {
    if (d.low <= d.a && d.a <= d.high) return Distribution{Distribution::kConstant, d.a};
    return AttrError(init, "with std 0, the mean %g must lie in [a, b] = [%g, %g]", d.a, d.low, d.high);
  }
  d.mirrored = d.low > d.a;
  d.share_low = NormalShareBelow((d.mirrored ? d.a - d.high : d.low - d.a) / d.b);
  d.share_high = NormalShareBelow((d.mirrored ? d.a - d.low : d.high - d.a) / d.b);
  if (d.share_high > d.share_low) return d;
  return AttrError(init, "nothing of the normal distribution of mean %g and std %g lies in [a, b] = [%g, %g]", d.a, d.b,
                   d.low, d.high);
}

absl::StatusOr<Distribution> Orthogonal(const Initializer& init, const Shape& shape) {
  if (shape.size() < 2) {
    return AttrError(init, "shape %s is no matrix: it needs two dimensions or more", ShapeToString(shape));
  }
  ATH_ASSIGN_OR_RETURN(double gain, Number(init, "gain", 1));
  return Distribution{Distribution::kOrthogonal, gain};
}

absl::StatusOr<Distribution> Identity(const Initializer& init, const Shape& shape) {
  if (shape.size() != 2) return AttrError(init, "shape %s is no matrix: it needs two dimensions", ShapeToString(shape));
  ATH_ASSIGN_OR_RETURN(double gain, Number(init, "gain", 1));
  return Distribution{Distribution::kIdentity, gain};
}

absl::StatusOr<Distribution> Dirac(const Initializer& init, const Shape& shape) {
  if (shape.size() < 3 || shape.size() > 5) {
    return AttrError(init, "shape %s is no convolution's weight: it needs three to five dimensions",
                     ShapeToString(shape));
  }
  int64_t groups = 1;
  if (const AttrValue* v = init.attrs.Find("groups")) {
    const int64_t* given = std::get_if<int64_t>(v);
    if (given == nullptr || *given < 1 || shape[0] % *given != 0) {
      return AttrError(init, "attribute \"groups\" is %s: it must be an int that divides %d", AttrToString(*v), shape[0]);
    }
    groups = *given;
  }
  return Distribution{Distribution::kDirac, static_cast<double>(groups)};
}

// By its standard deviation: a uniform distribution on +-b has b / sqrt(3).
Distribution OfStd(bool uniform, double std) {
  double bound = std::sqrt(3.0) * std;
  return uniform ? Distribution{Distribution::kUniform, -bound, bound} : Distribution{Distribution::kNormal, 0, std};
}

absl::StatusOr<Distribution> DistributionOf(const Initializer& init, const Shape& shape) {
  ATH_RETURN_IF_ERROR(CheckNames(init));
  const std::string& kind = init.kind;
  if (kind == "zeros") return Distribution{Distribution::kConstant, 0};
  if (kind == "ones") return Distribution{Distribution::kConstant, 1};
  if (kind == "constant") {
    if (!init.attrs.Has("value")) return AttrError(init, "attribute \"value\" is missing");
    ATH_ASSIGN_OR_RETURN(double value, Number(init, "value", 0));
    return Distribution{Distribution::kConstant, value};
  }
  if (kind == "uniform") {
    ATH_ASSIGN_OR_RETURN(double low, Number(init, "low", 0));
    ATH_ASSIGN_OR_RETURN(double high, Number(init, "high", 1, low));
    return Distribution{Distribution::kUniform, low, high};
  }
  if (kind == "normal") {
    ATH_ASSIGN_OR_RETURN(double mean, Number(init, "mean", 0));
    ATH_ASSIGN_OR_RETURN(double std, Number(init, "std", 1, 0));
    return Distribution{Distribution::kNormal, mean, std};
  }
  if (kind == "truncated_normal") return TruncatedNormal(init);
  if (kind == "orthogonal") return Orthogonal(init, shape);
  if (kind == "identity") return Identity(init, shape);
  if (kind == "dirac") return Dirac(init, shape);
  bool uniform = kind == "xavier_uniform" || kind == "kaiming_uniform" || kind == "lecun_uniform";
  if (kind == "xavier_uniform" || kind == "xavier_normal") {
    ATH_ASSIGN_OR_RETURN(double gain, Number(init, "gain", 1, 0));
    ATH_ASSIGN_OR_RETURN(Fans fans, FansOf(init, shape));
    return OfStd(uniform, gain * std::sqrt(2 / (fans.in + fans.out)));
  }
  double gain = 1;
  if (kind == "kaiming_uniform" || kind == "kaiming_normal") {
    ATH_ASSIGN_OR_RETURN(gain, KaimingGain(init));
  }
  ATH_ASSIGN_OR_RETURN(double fan, ChosenFan(init, shape));
  return OfStd(uniform, gain / std::sqrt(fan));
}

constexpr int64_t kChunk = 4096;  // elements; a multiple of four

double Truncated(const Distribution& d, uint32_t bits) {
  const double share = d.share_low + (d.share_high - d.share_low) * ((bits + 0.5) * 0x1p-32);
  const double x = d.b * NormalQuantile(share);
  return std::clamp(d.mirrored ? d.a - x : d.a + x, d.low, d.high);
}

// The elements [begin, begin + count): `begin` is a multiple of four. In steps whose loops become vector code.
void FillChunk(const Distribution& d, const Philox& random, int64_t begin, int64_t count, double* out) {
  if (d.kind == Distribution::kConstant) {
    std::fill_n(out, count, d.a);
    return;
  }
  // Two 32-bit numbers an element, or one.
  const int64_t per_element = d.kind == Distribution::kNormal ? 2 : 1;
  std::array<uint32_t, 2 * kChunk> bits;
  for (int64_t i = 0; i < count * per_element; i += 4) {
    const std::array<uint32_t, 4> block = random.Block((begin * per_element + i) / 4);
    std::copy_n(block.begin(), 4, bits.begin() + i);
  }
  switch (d.kind) {
    case Distribution::kNormal:
      for (int64_t i = 0; i < count; ++i) {
        out[i] = d.a + d.b * static_cast<double>(Philox::ToNormal(bits[2 * i], bits[2 * i + 1]));
      }
      return;
    case Distribution::kTruncatedNormal:
      for (int64_t i = 0; i < count; ++i) out[i] = Truncated(d, bits[i]);
      return;
    default:
      for (int64_t i = 0; i < count; ++i) {
        out[i] = d.a + (d.b - d.a) * static_cast<double>(Philox::ToUniform(bits[i]));
      }
  }
}

// Calls store(i, number) for each element, on several threads. No number depends on their number.
template <typename Store>
void Generate(const Distribution& d, const Philox& random, const Shape& shape, int64_t n, const Store& store) {
  if (d.kind >= Distribution::kOrthogonal) {
    const std::vector<double> all = d.kind == Distribution::kOrthogonal ? OrthogonalMatrix(shape, d.a, random)
                                    : d.kind == Distribution::kIdentity ? IdentityMatrix(shape, d.a)
                                                                        : DiracKernel(shape, static_cast<int64_t>(d.a));
    for (int64_t i = 0; i < n; ++i) store(i, all[i]);
    return;
  }
#pragma omp parallel for schedule(static) if (n > 16 * kChunk)
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    std::array<double, kChunk> chunk;
    const int64_t count = std::min(kChunk, n - begin);
    FillChunk(d, random, begin, count, chunk.data());
    for (int64_t k = 0; k < count; ++k) store(begin + k, chunk[k]);
  }
}

uint16_t ToBf16(double v) {
  float f = static_cast<float>(v);
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);  // to the nearest, ties to even
}

template <typename Int>
absl::Status FillInts(const Initializer& init, const Distribution& d, Tensor* t) {
  if (d.kind != Distribution::kConstant) {
    return MakeError(ErrorClass::kDtype, "initialiser %s makes floating numbers, not %s", init.kind,
                     DTypeName(t->dtype()));
  }
  // As doubles, the limits of 64 bits round up: hence the strict comparison.
  const double low = static_cast<double>(std::numeric_limits<Int>::min()),
               high = static_cast<double>(std::numeric_limits<Int>::max()) + 1;
  if (d.a != std::floor(d.a) || d.a < low || d.a >= high) {
    return MakeError(ErrorClass::kDtype, "initialiser %s: %g is no %s", init.kind, d.a, DTypeName(t->dtype()));
  }
  Int* out = static_cast<Int*>(t->data());
  std::fill(out, out + t->num_elements(), static_cast<Int>(d.a));
  return absl::OkStatus();
}

absl::Status Fill(const Initializer& init, const Distribution& d, const Philox& random, Tensor* t) {
  const int64_t n = t->num_elements();
  switch (t->dtype()) {
    case DType::kF32: {
      float* out = static_cast<float*>(t->data());
      Generate(d, random, t->shape(), n, [out](int64_t i, double v) { out[i] = static_cast<float>(v); });
      return absl::OkStatus();
    }
    case DType::kF64: {
      double* out = static_cast<double*>(t->data());
      Generate(d, random, t->shape(), n, [out](int64_t i, double v) { out[i] = v; });
      return absl::OkStatus();
    }
    case DType::kBF16: {
      uint16_t* out = static_cast<uint16_t*>(t->data());
      Generate(d, random, t->shape(), n, [out](int64_t i, double v) { out[i] = ToBf16(v); });
      return absl::OkStatus();
    }
    case DType::kS32:
      return FillInts<int32_t>(init, d, t);
    case DType::kS64:
      return FillInts<int64_t>(init, d, t);
    case DType::kU8:
      return FillInts<uint8_t>(init, d, t);
    case DType::kS8:
      return FillInts<int8_t>(init, d, t);
    case DType::kBool:
      return FillInts<bool>(init, d, t);
    case DType::kUndefined:
      break;
  }
  return MakeError(ErrorClass::kDtype, "initialiser %s: the element type is undefined", init.kind);
}

}  // namespace

absl::StatusOr<Tensor> Initialize(const Initializer& init, const Shape& shape, uint64_t seed, uint64_t stream,
                                  DType dtype) {
  ATH_ASSIGN_OR_RETURN(Distribution d, DistributionOf(init, shape));
  ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(dtype, shape));
  ATH_RETURN_IF_ERROR(Fill(init, d, Philox(seed, stream), &t));
  return t;
}

uint64_t InitializerStream(absl::string_view variable_name) {
  return XXH3_64bits(variable_name.data(), variable_name.size());
}

absl::Status InitializeVariables(Graph* graph, uint64_t seed) {
  std::vector<std::pair<Value*, std::shared_ptr<const Tensor>>> made;
  for (Value& v : graph->values) {
    if (!IsVariable(v.kind) || v.data != nullptr) continue;
    std::string who = absl::StrCat("variable %", absl::CHexEscape(v.name));
    if (v.init.kind.empty()) return MakeError(ErrorClass::kAttr, "%s: has neither data nor an initialiser", who);
    if (!v.type.concrete()) {
      return MakeError(ErrorClass::kShape, "%s: the type %s is not fixed", who, v.type.ToString());
    }
    auto t = Initialize(v.init, v.type.shape(), seed, InitializerStream(v.name), v.type.dtype);
    if (!t.ok()) return AddContext(t.status(), who);
    made.emplace_back(&v, std::make_shared<const Tensor>(*std::move(t)));
  }
  for (auto& [value, data] : made) value->data = std::move(data);
  return absl::OkStatus();
}

}  // namespace athanor
