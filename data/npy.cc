#include "data/npy.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/limits.h"
#include "runtime/core/checked.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr absl::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderText = kNpyHeaderBytes - 12;

struct TypeText {
  absl::string_view text;  // without the byte order
  DType dtype;
};
constexpr TypeText kTypes[] = {
    {"f4", DType::kF32}, {"f8", DType::kF64}, {"i4", DType::kS32},  {"i8", DType::kS64},
    {"u1", DType::kU8},  {"i1", DType::kS8},  {"b1", DType::kBool},
};

struct Header {
  DType dtype = DType::kUndefined;
  Shape shape;
};

// Text from a file, made safe for a message.
std::string Quoted(absl::string_view text) {
  constexpr size_t kMaxShown = 40;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxShown)), text.size() > kMaxShown ? "..." : "", "\"");
}

absl::StatusOr<DType> DTypeFromDescr(absl::string_view descr) {
  absl::string_view type = descr;
  char order = '=';
  if (!type.empty() && absl::StrContains("<>|=", type[0])) {
    order = type[0];
    type.remove_prefix(1);
  }
  if (absl::StartsWith(type, "O")) {
    return MakeError(ErrorClass::kData, "dtype %s: Python objects are pickled, and pickles are never read",
                     Quoted(descr));
  }
  for (const TypeText& t : kTypes) {
    if (t.text != type) continue;
    if (order == '>' && DTypeSize(t.dtype) > 1) {
      return MakeError(ErrorClass::kData, "dtype %s is big-endian; only little-endian is read", Quoted(descr));
    }
    return t.dtype;
  }
  return MakeError(ErrorClass::kData, "dtype %s is not supported (only f4 f8 i4 i8 u1 i1 b1)", Quoted(descr));
}

// Parses the header's text: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, keys in any order, each once.
class HeaderParser {
 public:
  explicit HeaderParser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<Header> Parse() {
    if (!Take("{")) return Unexpected("'{'");
    while (!Take("}")) {
      ATH_RETURN_IF_ERROR(Item());
      if (Take(",")) continue;
      if (!Take("}")) return Unexpected("',' or '}'");
      break;
    }
    SkipSpace();
    if (!rest_.empty()) return Unexpected("nothing more");
    if (!dtype_) return MakeError(ErrorClass::kData, "the header has no 'descr'");
    if (!fortran_order_) return MakeError(ErrorClass::kData, "the header has no 'fortran_order'");
    if (!shape_) return MakeError(ErrorClass::kData, "the header has no 'shape'");
    if (*fortran_order_) {
      return MakeError(ErrorClass::kData, "the array is in Fortran order; only C order is read");
    }
    return Header{*dtype_, *std::move(shape_)};
  }

 private:
  void SkipSpace() { rest_ = absl::StripLeadingAsciiWhitespace(rest_); }

  bool Take(absl::string_view token) {
    SkipSpace();
    if (!absl::StartsWith(rest_, token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  absl::Status Unexpected(absl::string_view expected) {
    return MakeError(ErrorClass::kData, "the header has %s where %s should be", Quoted(rest_), expected);
  }

  absl::StatusOr<absl::string_view> String() {
    SkipSpace();
    size_t end = absl::string_view::npos;
    if (!rest_.empty() && (rest_[0] == '\'' || rest_[0] == '"')) end = rest_.find(rest_[0], 1);
    if (end == absl::string_view::npos) return Unexpected("a string");
    absl::string_view value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return value;
  }

  absl::StatusOr<bool> Bool() {
    if (Take("True")) return true;
    if (Take("False")) return false;
    return Unexpected("True or False");
  }

  absl::StatusOr<int64_t> Int() {
    SkipSpace();
    size_t n = !rest_.empty() && rest_[0] == '-' ? 1 : 0;
    while (n < rest_.size() && absl::ascii_isdigit(rest_[n])) ++n;
    int64_t value;
    if (!absl::SimpleAtoi(rest_.substr(0, n), &value)) return Unexpected("a dimension of at most 64 bits");
    if (value < 0) return MakeError(ErrorClass::kData, "the shape has the negative dimension %d", value);
    rest_.remove_prefix(n);
    return value;
  }

  absl::StatusOr<Shape> Tuple() {
    if (!Take("(")) return Unexpected("'('");
    Shape shape;
    while (!Take(")")) {
      if (shape.size() == kMaxRank) {
        return MakeError(ErrorClass::kData, "the shape has more than %d dimensions", kMaxRank);
      }
      ATH_ASSIGN_OR_RETURN(int64_t dim, Int());
      shape.push_back(dim);
      if (Take(",")) continue;
      if (!Take(")")) return Unexpected("',' or ')'");
      break;
    }
    return shape;
  }

  absl::Status Item() {
    ATH_ASSIGN_OR_RETURN(absl::string_view key, String());
    if (!Take(":")) return Unexpected("':'");
    if (key == "descr" && !dtype_) {
      SkipSpace();
      if (absl::StartsWith(rest_, "[")) return MakeError(ErrorClass::kData, "arrays of records are not supported");
      ATH_ASSIGN_OR_RETURN(absl::string_view descr, String());
      ATH_ASSIGN_OR_RETURN(dtype_, DTypeFromDescr(descr));
    } else if (key == "fortran_order" && !fortran_order_) {
      ATH_ASSIGN_OR_RETURN(fortran_order_, Bool());
    } else if (key == "shape" && !shape_) {
      ATH_ASSIGN_OR_RETURN(shape_, Tuple());
    } else {
      return MakeError(ErrorClass::kData, "the header's key %s is unknown or there twice", Quoted(key));
    }
    return absl::OkStatus();
  }

  absl::string_view rest_;
  std::optional<DType> dtype_;
  std::optional<bool> fortran_order_;
  std::optional<Shape> shape_;
};

// Cuts magic, version, header length and header text off the front of `bytes`; returns the text.
absl::StatusOr<absl::string_view> TakeHeaderText(absl::string_view* bytes) {
  if (!absl::StartsWith(*bytes, kMagic)) {
    absl::string_view hint = absl::StartsWith(*bytes, "PK") ? "; it is a zip archive (an NPZ file?)" : "";
    return MakeError(ErrorClass::kData, "magic %s is not NPY (expected %s)%s", Quoted(bytes->substr(0, 6)),
                     Quoted(kMagic), hint);
  }
  if (bytes->size() < 8) return MakeError(ErrorClass::kData, "%d bytes are too few for an NPY header", bytes->size());
  int major = static_cast<uint8_t>((*bytes)[6]), minor = static_cast<uint8_t>((*bytes)[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return MakeError(ErrorClass::kData, "NPY version %d.%d is not supported (only 1.0, 2.0, 3.0)", major, minor);
  }
  size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes->size() < 8 + length_bytes) {
    return MakeError(ErrorClass::kData, "%d bytes are too few for an NPY header", bytes->size());
  }
  uint32_t length = 0;
  std::memcpy(&length, bytes->data() + 8, length_bytes);
  bytes->remove_prefix(8 + length_bytes);
  if (length > bytes->size()) {
    return MakeError(ErrorClass::kData, "the header's length of %d is more than the %d bytes there are", length,
                     bytes->size());
  }
  if (length > kMaxHeaderText) {
    return MakeError(ErrorClass::kData, "the header's length of %d is above the limit of %d", length, kMaxHeaderText);
  }
  absl::string_view text = bytes->substr(0, length);
  bytes->remove_prefix(length);
  return text;
}

// A bool that is neither 0 nor 1 would be undefined behaviour to read.
absl::Status CheckBools(absl::string_view elements) {
  for (size_t i = 0; i < elements.size(); ++i) {
    if (static_cast<uint8_t>(elements[i]) > 1) {
      return MakeError(ErrorClass::kData, "element %d is %d, a bool is 0 or 1", i, static_cast<uint8_t>(elements[i]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ElementBytes(const Header& h) {
  absl::StatusOr<int64_t> needed = NumBytes(h.dtype, h.shape);
  if (!needed.ok()) {
    return MakeError(ErrorClass::kData, "the size of the declared shape %s overflows", ShapeToString(h.shape));
  }
  return needed;
}

absl::StatusOr<int64_t> FileBytes(absl::string_view start) {
  absl::string_view rest = start;
  ATH_ASSIGN_OR_RETURN(absl::string_view text, TakeHeaderText(&rest));
  ATH_ASSIGN_OR_RETURN(Header h, HeaderParser(text).Parse());
  ATH_ASSIGN_OR_RETURN(int64_t elements, ElementBytes(h));
  const std::optional<int64_t> total = CheckedAdd(static_cast<int64_t>(start.size() - rest.size()), elements);
  if (!total) {
    return MakeError(ErrorClass::kData, "the size of the declared shape %s overflows", ShapeToString(h.shape));
  }
  return *total;
}

absl::StatusOr<Tensor> Parse(absl::string_view bytes) {
  ATH_ASSIGN_OR_RETURN(absl::string_view text, TakeHeaderText(&bytes));
  ATH_ASSIGN_OR_RETURN(Header h, HeaderParser(text).Parse());
  absl::StatusOr<int64_t> needed = ElementBytes(h);
  if (!needed.ok()) return needed.status();
  if (*needed != static_cast<int64_t>(bytes.size())) {
    return MakeError(ErrorClass::kData, "the header's %s%s needs %d bytes of elements, there are %d",
                     DTypeName(h.dtype), ShapeToString(h.shape), *needed, bytes.size());
  }
  if (h.dtype == DType::kBool) ATH_RETURN_IF_ERROR(CheckBools(bytes));
  ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(h.dtype, std::move(h.shape)));
  std::memcpy(t.data(), bytes.data(), bytes.size());
  return t;
}

}  // namespace

absl::StatusOr<Tensor> ParseNpy(absl::string_view bytes, absl::string_view name) {
  absl::StatusOr<Tensor> t = Parse(bytes);
  if (!t.ok()) return AddContext(t.status(), name);
  return t;
}

absl::StatusOr<int64_t> NpyFileBytes(absl::string_view start, absl::string_view name) {
  absl::StatusOr<int64_t> bytes = FileBytes(start);
  if (!bytes.ok()) return AddContext(bytes.status(), name);
  return bytes;
}

absl::StatusOr<Shape> NpyShape(absl::string_view start, absl::string_view name) {
  absl::StatusOr<absl::string_view> text = TakeHeaderText(&start);
  if (!text.ok()) return AddContext(text.status(), name);
  absl::StatusOr<Header> header = HeaderParser(*text).Parse();
  if (!header.ok()) return AddContext(header.status(), name);
  return std::move(header->shape);
}

absl::StatusOr<Tensor> ReadNpy(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxDataFileBytes));
  return ParseNpy(bytes, path);
}

absl::StatusOr<std::string> FormatNpyHeader(const Tensor& tensor) {
  absl::string_view type;
  for (const TypeText& t : kTypes) {
    if (t.dtype == tensor.dtype()) type = t.text;
  }
  if (type.empty()) return MakeError(ErrorClass::kDtype, "NPY has no type for %s", DTypeName(tensor.dtype()));
  const Shape& shape = tensor.shape();
  std::string text = absl::StrCat("{'descr': '", DTypeSize(tensor.dtype()) > 1 ? "<" : "|", type,
                                  "', 'fortran_order': False, 'shape': (", absl::StrJoin(shape, ", "),
                                  shape.size() == 1 ? ",), }" : "), }");
  // At most kMaxRank dimensions: the text is far below version 1's limit of 64 KiB.
  constexpr size_t kBeforeText = 10, kAlignment = 64;
  text.append(kAlignment - 1 - (kBeforeText + text.size()) % kAlignment, ' ');
  text.push_back('\n');
  std::string out(kMagic);
  out += {1, 0, static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return out + text;
}

absl::Status WriteNpy(const std::string& path, const Tensor& tensor) {
  absl::StatusOr<std::string> header = FormatNpyHeader(tensor);
  if (!header.ok()) return AddContext(header.status(), path);
  absl::string_view elements(static_cast<const char*>(tensor.data()), tensor.bytes());
  return WriteFileAtomic(path, {*header, elements});
}

}  // namespace athanor
