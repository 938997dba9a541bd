#include "runtime/container/container.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/core/checked.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr absl::string_view kMagic = "ATHANOR";
constexpr char kZeros[kTensorAlignment] = {};

// Where the fields of the header are. All numbers are little-endian.
constexpr size_t kMajorAt = 8, kMinorAt = 10, kReservedAt = 12, kRootBytesAt = 16, kTensorOffsetAt = 24,
                 kTensorBytesAt = 32, kRootChecksumAt = 40, kTensorChecksumAt = 48, kHeaderChecksumAt = 56;

using Header = std::array<uint8_t, kHeaderBytes>;

template <typename T>
T LoadAt(const Header& h, size_t at) {
  T v = 0;
  for (size_t i = 0; i < sizeof(T); ++i) v |= static_cast<T>(static_cast<T>(h[at + i]) << (8 * i));
  return v;
}

template <typename T>
void StoreAt(T v, size_t at, Header* h) {
  for (size_t i = 0; i < sizeof(T); ++i) (*h)[at + i] = static_cast<uint8_t>(v >> (8 * i));
}

int64_t Padding(int64_t n, int64_t alignment) { return (alignment - n % alignment) % alignment; }

// XXH3 of bytes that come in pieces. The state lives on the heap: it wants 64-byte alignment, which not every stack
// frame keeps (AddressSanitizer's do not).
class Checksum {
 public:
  Checksum() : state_(XXH3_createState()) {
    ATH_CHECK(state_ != nullptr);
    XXH3_64bits_reset(state_);
  }
  ~Checksum() { XXH3_freeState(state_); }
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  void Add(const void* data, size_t bytes) { XXH3_64bits_update(state_, data, bytes); }
  uint64_t Digest() const { return XXH3_64bits_digest(state_); }

 private:
  XXH3_state_t* state_;
};

uint64_t ChecksumOf(const std::vector<absl::string_view>& pieces) {
  Checksum checksum;
  for (absl::string_view piece : pieces) checksum.Add(piece.data(), piece.size());
  return checksum.Digest();
}

absl::StatusOr<Header> MakeHeader(FileKind kind, absl::Span<const uint8_t> root, const TensorSection& tensors) {
  if (static_cast<int64_t>(root.size()) > kMaxFlatBufferBytes) {
    return MakeError(ErrorClass::kLimit, "the %s needs %d bytes apart from its tensors: above the limit of %d",
                     FileKindName(kind), root.size(), kMaxFlatBufferBytes);
  }
  Header h = {};
  std::copy(kMagic.begin(), kMagic.end(), h.begin());
  h[kMagic.size()] = static_cast<uint8_t>(kind);
  StoreAt(kFormatMajor, kMajorAt, &h);
  StoreAt(kFormatMinor, kMinorAt, &h);
  const int64_t root_end = kHeaderBytes + static_cast<int64_t>(root.size());
  StoreAt<uint64_t>(root.size(), kRootBytesAt, &h);
  StoreAt<uint64_t>(root_end + Padding(root_end, kTensorAlignment), kTensorOffsetAt, &h);
  StoreAt<uint64_t>(tensors.size(), kTensorBytesAt, &h);
  StoreAt<uint64_t>(XXH3_64bits(root.data(), root.size()), kRootChecksumAt, &h);
  StoreAt<uint64_t>(ChecksumOf(tensors.pieces()), kTensorChecksumAt, &h);
  StoreAt<uint64_t>(XXH3_64bits(h.data(), kHeaderChecksumAt), kHeaderChecksumAt, &h);
  return h;
}

std::vector<absl::string_view> PiecesOf(const Header& header, absl::Span<const uint8_t> root,
                                        const TensorSection& tensors) {
  std::vector<absl::string_view> pieces = {
      absl::string_view(reinterpret_cast<const char*>(header.data()), header.size()),
      absl::string_view(reinterpret_cast<const char*>(root.data()), root.size()),
      absl::string_view(kZeros, Padding(root.size(), kTensorAlignment)),
  };
  pieces.insert(pieces.end(), tensors.pieces().begin(), tensors.pieces().end());
  return pieces;
}

class FileSource : public ByteSource {
 public:
  explicit FileSource(InputFile file) : file_(std::move(file)) {}
  int64_t size() const override { return file_.size(); }
  absl::Status Read(int64_t offset, void* out, int64_t n) override { return file_.ReadAt(offset, out, n); }

 private:
  InputFile file_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(absl::string_view bytes) : bytes_(bytes) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  absl::Status Read(int64_t offset, void* out, int64_t n) override {
    if (n > 0) std::memcpy(out, bytes_.data() + offset, n);
    return absl::OkStatus();
  }

 private:
  absl::string_view bytes_;
};

bool AllZero(const char* bytes, int64_t n) {
  return std::all_of(bytes, bytes + n, [](char c) { return c == 0; });
}

}  // namespace

int64_t TensorSection::Add(absl::string_view bytes) {
  int64_t offset = size_;
  int64_t padding = Padding(bytes.size(), kTensorAlignment);
  if (!bytes.empty()) pieces_.push_back(bytes);
  if (padding > 0) pieces_.emplace_back(kZeros, padding);
  size_ += static_cast<int64_t>(bytes.size()) + padding;
  return offset;
}

absl::StatusOr<std::string> SerializeContainer(FileKind kind, absl::Span<const uint8_t> root,
                                               const TensorSection& tensors) {
  ATH_ASSIGN_OR_RETURN(Header header, MakeHeader(kind, root, tensors));
  std::string out;
  for (absl::string_view piece : PiecesOf(header, root, tensors)) out.append(piece.data(), piece.size());
  return out;
}

absl::Status WriteContainer(const std::string& path, FileKind kind, absl::Span<const uint8_t> root,
                            const TensorSection& tensors) {
  auto header = MakeHeader(kind, root, tensors);
  if (!header.ok()) return AddContext(header.status(), path);
  return WriteFileAtomic(path, PiecesOf(*header, root, tensors));
}

absl::StatusOr<FileKind> ReadFileKind(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  std::string beginning(std::min<int64_t>(file.size(), kHeaderBytes), '\0');
  ATH_RETURN_IF_ERROR(file.ReadAt(0, beginning.data(), beginning.size()));
  if (beginning.size() > kMagic.size() && absl::StartsWith(beginning, kMagic)) {
    for (FileKind kind : {FileKind::kModel, FileKind::kPlan, FileKind::kCheckpoint}) {
      if (beginning[kMagic.size()] == static_cast<char>(kind)) return kind;
    }
  }
  return MakeError(ErrorClass::kFormat, "%s: is %s, expected an Athanor model, plan or checkpoint", path,
                   DescribeBytes(beginning));
}

absl::StatusOr<ContainerReader> ContainerReader::Open(const std::string& path, FileKind expected) {
  ATH_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  return Create(std::make_unique<FileSource>(std::move(file)), path, expected);
}

absl::StatusOr<ContainerReader> ContainerReader::FromBytes(absl::string_view bytes, absl::string_view name,
                                                           FileKind expected) {
  return Create(std::make_unique<MemorySource>(bytes), std::string(name), expected);
}

absl::StatusOr<ContainerReader> ContainerReader::Create(std::unique_ptr<ByteSource> source, std::string name,
                                                        FileKind expected) {
  ContainerReader reader;
  reader.source_ = std::move(source);
  reader.name_ = std::move(name);
  ATH_RETURN_IF_ERROR(reader.ReadHeader(expected));
  ATH_RETURN_IF_ERROR(reader.ReadRoot());
  return reader;
}

absl::Status ContainerReader::ReadHeader(FileKind expected) {
  Header h = {};
  const int64_t have = std::min<int64_t>(source_->size(), h.size());
  ATH_RETURN_IF_ERROR(source_->Read(0, h.data(), have));
  const absl::string_view beginning(reinterpret_cast<const char*>(h.data()), have);
  const std::string magic = absl::StrCat(kMagic, std::string(1, static_cast<char>(expected)));
  if (!absl::StartsWith(beginning, magic)) {
    return MakeError(ErrorClass::kFormat, "%s: is %s, expected an Athanor %s", name_, DescribeBytes(beginning),
                     FileKindName(expected));
  }
  kind_ = expected;
  if (have < kHeaderBytes) {
    return MakeError(damage(), "%s: ends inside the header, at byte %d of %d", name_, have, kHeaderBytes);
  }
  const uint16_t major = LoadAt<uint16_t>(h, kMajorAt);
  minor_ = LoadAt<uint16_t>(h, kMinorAt);
  if (major > kFormatMajor) {
    return MakeError(ErrorClass::kVersion,
                     "%s: has the format version %d.%d, but this program reads up to %d.x: it was "
                     "made by a later Athanor (or is damaged)",
                     name_, major, minor_, kFormatMajor);
  }
  if (major == 0) return MakeError(damage(), "%s: there is no format version 0", name_);
  if (LoadAt<uint64_t>(h, kHeaderChecksumAt) != XXH3_64bits(h.data(), kHeaderChecksumAt)) {
    return MakeError(damage(), "%s: is damaged: the header's checksum differs", name_);
  }
  if (LoadAt<uint32_t>(h, kReservedAt) != 0) return MakeError(damage(), "%s: reserved bytes are set", name_);

  const uint64_t root_bytes = LoadAt<uint64_t>(h, kRootBytesAt), tensor_offset = LoadAt<uint64_t>(h, kTensorOffsetAt),
                 tensor_bytes = LoadAt<uint64_t>(h, kTensorBytesAt);
  if (root_bytes > static_cast<uint64_t>(kMaxFlatBufferBytes)) {
    return MakeError(ErrorClass::kLimit, "%s: a FlatBuffers section of %d bytes is above the limit of %d", name_,
                     root_bytes, kMaxFlatBufferBytes);
  }
  const int64_t root_end = kHeaderBytes + static_cast<int64_t>(root_bytes);
  tensor_offset_ = root_end + Padding(root_end, kTensorAlignment);
  if (tensor_offset != static_cast<uint64_t>(tensor_offset_) || tensor_bytes % kTensorAlignment != 0) {
    return MakeError(damage(), "%s: sections of %d bytes, and of %d bytes at %d, do not follow each other", name_,
                     root_bytes, tensor_bytes, tensor_offset);
  }
  const int64_t size = source_->size();
  if (size < tensor_offset_ || static_cast<uint64_t>(size - tensor_offset_) != tensor_bytes) {
    return MakeError(damage(), "%s: has %d bytes, but its header says %d + %d: %s", name_, size, tensor_offset,
                     tensor_bytes,
                     size < tensor_offset_ || static_cast<uint64_t>(size - tensor_offset_) < tensor_bytes
                         ? "it is cut short"
                         : "something follows its end");
  }
  tensor_bytes_ = static_cast<int64_t>(tensor_bytes);
  root_padding_ = Padding(root_end, sizeof(uint64_t));
  root_.resize((root_bytes + root_padding_) / sizeof(uint64_t));
  root_checksum_ = LoadAt<uint64_t>(h, kRootChecksumAt);
  tensor_checksum_ = LoadAt<uint64_t>(h, kTensorChecksumAt);
  return absl::OkStatus();
}

absl::Status ContainerReader::ReadRoot() {
  ATH_RETURN_IF_ERROR(source_->Read(kHeaderBytes, root_.data(), root_bytes()));
  if (XXH3_64bits(root_.data(), root_bytes()) != root_checksum_) {
    return MakeError(damage(), "%s: is damaged: the checksum of its FlatBuffers section differs", name_);
  }
  char padding[kTensorAlignment];
  const int64_t root_end = kHeaderBytes + root_bytes(), n = tensor_offset_ - root_end;
  ATH_RETURN_IF_ERROR(source_->Read(root_end, padding, n));
  if (!AllZero(padding, n)) {
    return MakeError(damage(), "%s: the padding at byte %d is not zero", name_, root_end);
  }
  return absl::OkStatus();
}

absl::Status ContainerReader::CheckPlaces(absl::Span<const TensorPlace> places) const {
  int64_t next = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const TensorPlace& p = places[i];
    const std::string who = absl::StrCat(name_, ": tensor ", i);
    if (DTypeSize(p.dtype) == 0) {
      return MakeError(ErrorClass::kDtype, "%s: unknown element type %d", who, static_cast<int>(p.dtype));
    }
    auto bytes = NumBytes(p.dtype, p.shape);
    if (!bytes.ok()) return AddContext(bytes.status(), who);
    if (static_cast<uint64_t>(*bytes) != p.bytes) {
      return MakeError(ErrorClass::kShape, "%s: %s%s has %d bytes, not %d", who, DTypeName(p.dtype),
                       ShapeToString(p.shape), *bytes, p.bytes);
    }
    if (p.offset != static_cast<uint64_t>(next)) {
      return MakeError(damage(), "%s: lies at %d instead of %d: tensors overlap or have gaps", who, p.offset, next);
    }
    if (p.bytes > static_cast<uint64_t>(tensor_bytes_ - next)) {
      return MakeError(damage(), "%s: %d bytes at %d are beyond the section's %d", who, p.bytes, p.offset,
                       tensor_bytes_);
    }
    next += *bytes + Padding(*bytes, kTensorAlignment);  // within the section, whose size is a multiple too
  }
  if (next != tensor_bytes_) {
    return MakeError(damage(), "%s: the tensors take %d bytes, but their section has %d", name_, next, tensor_bytes_);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Tensor>> ContainerReader::ReadTensors(absl::Span<const TensorPlace> places) {
  ATH_RETURN_IF_ERROR(CheckPlaces(places));
  Checksum checksum;
  std::vector<Tensor> tensors;
  for (const TensorPlace& p : places) {
    auto tensor = Tensor::Create(p.dtype, p.shape);
    if (!tensor.ok()) return AddContext(tensor.status(), name_);
    const int64_t at = tensor_offset_ + static_cast<int64_t>(p.offset), n = tensor->bytes();
    ATH_RETURN_IF_ERROR(source_->Read(at, tensor->data(), n));
    checksum.Add(tensor->data(), n);
    char padding[kTensorAlignment];
    const int64_t pad = Padding(n, kTensorAlignment);
    ATH_RETURN_IF_ERROR(source_->Read(at + n, padding, pad));
    checksum.Add(padding, pad);
    if (!AllZero(padding, pad)) return MakeError(damage(), "%s: the padding at byte %d is not zero", name_, at + n);
    tensors.push_back(*std::move(tensor));
  }
  if (checksum.Digest() != tensor_checksum_) {
    return MakeError(damage(), "%s: is damaged: the checksum of its tensors differs", name_);
  }
  return tensors;
}

}  // namespace athanor
