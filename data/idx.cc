#include "data/idx.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/gzip.h"
#include "data/limits.h"
#include "runtime/core/checked.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

static_assert(std::endian::native == std::endian::little);

struct TypeCode {
  uint8_t code;
  DType dtype;
};
constexpr TypeCode kTypeCodes[] = {
    {0x08, DType::kU8}, {0x09, DType::kS8}, {0x0c, DType::kS32}, {0x0d, DType::kF32}, {0x0e, DType::kF64},
};
constexpr uint8_t kCodeOfS16 = 0x0b;

struct Header {
  DType dtype = DType::kUndefined;
  Shape shape;
  int64_t header_bytes = 0;
  int64_t file_bytes = 0;  // header and elements
};

uint32_t LoadBigEndian(absl::string_view bytes) {
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<uint8_t>(bytes[i]);
  return v;
}

void AppendBigEndian(uint32_t v, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(v >> shift));
}

// What a file that is no IDX probably is.
absl::string_view Hint(absl::string_view start) {
  if (IsGzip(start)) return "; it is gzip within gzip";
  if (absl::StartsWith(start, "version https://git-lfs")) return "; it is a git-LFS pointer, not the data";
  if (absl::StartsWith(start, "<")) return "; it looks like a web page";
  if (absl::StartsWith(start, "\x93NUMPY")) return "; it is an NPY file";
  if (absl::StartsWith(start, "PK")) return "; it is a zip archive";
  return "";
}

absl::StatusOr<DType> DTypeFromMagic(uint32_t magic, absl::string_view start, absl::string_view name) {
  uint8_t code = magic >> 8 & 0xff;
  int rank = magic & 0xff;
  bool known = code == kCodeOfS16;
  DType dtype = DType::kUndefined;
  for (const TypeCode& t : kTypeCodes) {
    if (t.code == code) {
      known = true;
      dtype = t.dtype;
    }
  }
  if (magic >> 16 != 0 || !known || rank == 0) {
    return MakeError(ErrorClass::kData,
                     "%s: magic 0x%08x is not IDX (expected 0x00000801 .. 0x00000e%02x: two zero bytes, a type code "
                     "08 09 0c 0d 0e, 1 to %d dimensions)%s",
                     name, magic, kMaxRank, kMaxRank, Hint(start));
  }
  if (dtype == DType::kUndefined) {
    return MakeError(ErrorClass::kData, "%s: magic 0x%08x: IDX of 16-bit integers is not supported", name, magic);
  }
  if (rank > kMaxRank) {
    return MakeError(ErrorClass::kData, "%s: magic 0x%08x: %d dimensions are above the limit of %d", name, magic, rank,
                     kMaxRank);
  }
  return dtype;
}

constexpr int64_t kMaxHeaderBytes = 4 + 4 * kMaxRank;

// `start` is as much of the content as there is, up to kMaxHeaderBytes.
absl::StatusOr<Header> ParseHeader(absl::string_view start, absl::string_view name) {
  if (start.size() < 4) {
    return MakeError(ErrorClass::kData, "%s: %d bytes are too few for an IDX header", name, start.size());
  }
  uint32_t magic = LoadBigEndian(start);
  Header h;
  ATH_ASSIGN_OR_RETURN(h.dtype, DTypeFromMagic(magic, start, name));
  int rank = magic & 0xff;
  h.header_bytes = 4 + 4 * rank;
  if (static_cast<int64_t>(start.size()) < h.header_bytes) {
    return MakeError(ErrorClass::kData, "%s: the IDX header of %d bytes (%d dimensions) is cut short after %d", name,
                     h.header_bytes, rank, start.size());
  }
  for (int i = 0; i < rank; ++i) h.shape.push_back(LoadBigEndian(start.substr(4 + 4 * i, 4)));
  absl::StatusOr<int64_t> payload = NumBytes(h.dtype, h.shape);
  auto total = payload.ok() ? CheckedAdd(h.header_bytes, *payload) : std::nullopt;
  if (!total) {
    return MakeError(ErrorClass::kData, "%s: the size of the declared shape %s overflows", name,
                     ShapeToString(h.shape));
  }
  h.file_bytes = *total;
  return h;
}

absl::Status WrongSize(const Header& h, int64_t bytes, absl::string_view name) {
  std::string declared = absl::StrCat(DTypeName(h.dtype), ShapeToString(h.shape));
  if (bytes > h.file_bytes) {
    return MakeError(ErrorClass::kData, "%s: bytes follow the %d that the header's %s needs", name, h.file_bytes,
                     declared);
  }
  return MakeError(ErrorClass::kData, "%s: the header's %s needs %d bytes, there are %d", name, declared, h.file_bytes,
                   bytes);
}

template <typename T, typename Bits>
void SwapBytes(absl::Span<T> values) {
  static_assert(sizeof(T) == sizeof(Bits));
  for (T& v : values) {
    Bits bits = std::bit_cast<Bits>(v);
    if constexpr (sizeof(Bits) == 4) {
      bits = __builtin_bswap32(bits);
    } else {
      bits = __builtin_bswap64(bits);
    }
    v = std::bit_cast<T>(bits);
  }
}

void SwapBytes(Tensor* t) {
  if (t->dtype() == DType::kS32) SwapBytes<int32_t, uint32_t>(t->as<int32_t>());
  if (t->dtype() == DType::kF32) SwapBytes<float, uint32_t>(t->as<float>());
  if (t->dtype() == DType::kF64) SwapBytes<double, uint64_t>(t->as<double>());
}

absl::StatusOr<Tensor> ParsePlain(absl::string_view bytes, absl::string_view name) {
  ATH_ASSIGN_OR_RETURN(Header h, ParseHeader(bytes.substr(0, kMaxHeaderBytes), name));
  if (static_cast<int64_t>(bytes.size()) != h.file_bytes) return WrongSize(h, bytes.size(), name);
  ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(h.dtype, h.shape));
  std::memcpy(t.data(), bytes.data() + h.header_bytes, t.bytes());
  return t;
}

absl::StatusOr<Tensor> ParseGzipped(absl::string_view bytes, absl::string_view name) {
  char start[kMaxHeaderBytes];
  GzipReader first(bytes, name);
  ATH_ASSIGN_OR_RETURN(int64_t n, first.Read(absl::MakeSpan(start)));
  ATH_ASSIGN_OR_RETURN(Header h, ParseHeader(absl::string_view(start, n), name));
  if (h.file_bytes > kMaxDataFileBytes) {
    return MakeError(ErrorClass::kLimit, "%s: %s%s of %d bytes is above the limit of %d", name, DTypeName(h.dtype),
                     ShapeToString(h.shape), h.file_bytes, kMaxDataFileBytes);
  }
  ATH_ASSIGN_OR_RETURN(int64_t size, GunzippedSize(bytes, name, h.file_bytes));
  if (size != h.file_bytes) return WrongSize(h, size, name);

  ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(h.dtype, h.shape));
  GzipReader reader(bytes, name);
  ATH_RETURN_IF_ERROR(reader.Read(absl::MakeSpan(start, h.header_bytes)).status());
  ATH_RETURN_IF_ERROR(reader.Read(absl::MakeSpan(static_cast<char*>(t.data()), t.bytes())).status());
  return t;
}

}  // namespace

absl::StatusOr<Tensor> ParseIdx(absl::string_view bytes, absl::string_view name) {
  absl::StatusOr<Tensor> t = IsGzip(bytes) ? ParseGzipped(bytes, name) : ParsePlain(bytes, name);
  if (t.ok()) SwapBytes(&*t);
  return t;
}

absl::StatusOr<Tensor> ReadIdx(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxDataFileBytes));
  return ParseIdx(bytes, path);
}

absl::StatusOr<std::string> FormatIdx(const Tensor& tensor) {
  auto type = std::find_if(std::begin(kTypeCodes), std::end(kTypeCodes),
                           [&](const TypeCode& t) { return t.dtype == tensor.dtype(); });
  if (type == std::end(kTypeCodes)) {
    return MakeError(ErrorClass::kDtype, "IDX has no type for %s", DTypeName(tensor.dtype()));
  }
  if (tensor.shape().empty()) return MakeError(ErrorClass::kShape, "IDX has no scalars");
  std::string out;
  AppendBigEndian(type->code << 8 | static_cast<uint32_t>(tensor.shape().size()), &out);
  for (int64_t dim : tensor.shape()) {
    if (dim >> 32 != 0) {
      return MakeError(ErrorClass::kShape, "%s: IDX has 32 bits for a dimension", ShapeToString(tensor.shape()));
    }
    AppendBigEndian(static_cast<uint32_t>(dim), &out);
  }
  Tensor swapped = tensor.Clone();
  SwapBytes(&swapped);
  out.append(static_cast<const char*>(swapped.data()), swapped.bytes());
  return out;
}

absl::Status WriteIdx(const std::string& path, const Tensor& tensor) {
  absl::StatusOr<std::string> bytes = FormatIdx(tensor);
  if (bytes.ok() && absl::EndsWith(path, ".gz")) bytes = Gzip(*bytes);
  if (!bytes.ok()) return AddContext(bytes.status(), path);
  return WriteFileAtomic(path, {*bytes});
}

}  // namespace athanor
