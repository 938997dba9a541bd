// The file form of models, plans and checkpoints: a header of 64 bytes, a FlatBuffers section, and a section of raw
// tensors, each at a multiple of 64 bytes. The grammar and the rules for new versions are in schema/README.md.
//
// A file is checked before anything in it is believed: sizes against the file's real size before memory is taken,
// checksums before use, then FlatBuffers' structure. What the fields mean is checked by the callers (model_io.h,
// plan_io.h, checkpoint_io.h).
#ifndef ATHANOR_RUNTIME_CONTAINER_CONTAINER_H_
#define ATHANOR_RUNTIME_CONTAINER_CONTAINER_H_

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/tensor.h"

namespace athanor {

// DO NOT CHANGE THE VALUES: the eighth byte of a file.
enum class FileKind : char { kModel = 'M', kPlan = 'P', kCheckpoint = 'C' };
// "model", "plan", "checkpoint"
absl::string_view FileKindName(FileKind kind);

inline constexpr int64_t kHeaderBytes = 64;
inline constexpr int64_t kTensorAlignment = 64;
inline constexpr uint16_t kFormatMajor = 1, kFormatMinor = 0;
// FlatBuffers' offsets have 32 bits; its verifier takes less than 2 GiB.
inline constexpr int64_t kMaxFlatBufferBytes = int64_t{1} << 30;

// What bytes are, by their beginning, for messages: "an Athanor plan", "a PNG image", "a zip archive (.npz, .pt)";
// "of no known kind".
std::string DescribeBytes(absl::string_view beginning);

// The kind of an Athanor file. FORMAT error saying what the file is when it is something else.
absl::StatusOr<FileKind> ReadFileKind(const std::string& path);

// --- writing ---

// Collects borrowed tensors in the order in which they will lie in the file.
class TensorSection {
 public:
  // Returns the tensor's offset in the section. The bytes must outlive the writing.
  int64_t Add(absl::string_view bytes);
  int64_t Add(const Tensor& t) { return Add(absl::string_view(static_cast<const char*>(t.data()), t.bytes())); }
  int64_t size() const { return size_; }
  const std::vector<absl::string_view>& pieces() const { return pieces_; }  // with the padding

 private:
  std::vector<absl::string_view> pieces_;
  int64_t size_ = 0;
};

// `root` is a finished FlatBuffers buffer. LIMIT error if it is too large.
absl::StatusOr<std::string> SerializeContainer(FileKind kind, absl::Span<const uint8_t> root,
                                               const TensorSection& tensors);
// Atomically (see file.h). PATH errors.
absl::Status WriteContainer(const std::string& path, FileKind kind, absl::Span<const uint8_t> root,
                            const TensorSection& tensors);

// --- reading ---

// A tensor's place as the FlatBuffers section gives it: untrusted.
struct TensorPlace {
  DType dtype = DType::kUndefined;
  Shape shape;
  uint64_t offset = 0, bytes = 0;
};

// A random-access source of bytes: a file or a memory.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t size() const = 0;
  // Fills `n` bytes; FORMAT error when they are not there any more, PATH error when they cannot be read.
  virtual absl::Status Read(int64_t offset, void* out, int64_t n) = 0;
};

class ContainerReader {
 public:
  // Reads and checks the header and the FlatBuffers section's checksum. FORMAT errors (what is wrong; what the file is,
  // if it is another kind of file; CKPT for a damaged checkpoint), VERSION (made by a later version), LIMIT, PATH.
  static absl::StatusOr<ContainerReader> Open(const std::string& path, FileKind expected);
  // The same of bytes in memory, which must outlive the reader. `name` is for errors.
  static absl::StatusOr<ContainerReader> FromBytes(absl::string_view bytes, absl::string_view name, FileKind expected);

  const std::string& name() const { return name_; }
  uint16_t minor_version() const { return minor_; }
  int64_t root_bytes() const { return static_cast<int64_t>(root_.size() * sizeof(uint64_t)) - root_padding_; }
  // The class of errors that say the file is damaged.
  ErrorClass damage() const { return kind_ == FileKind::kCheckpoint ? ErrorClass::kCkpt : ErrorClass::kFormat; }

  // The verified root table; valid as long as the reader. FORMAT error.
  template <typename Root>
  absl::StatusOr<const Root*> VerifyRoot(const char* identifier) const {
    flatbuffers::Verifier verifier(root_data(), root_bytes(), kMaxDepth, MaxTables());
    if (!verifier.VerifyBuffer<Root>(identifier)) {
      return MakeError(damage(), "%s: the FlatBuffers section is malformed", name_);
    }
    return flatbuffers::GetRoot<Root>(root_data());
  }

  // Reads all tensors of the file, whose places must be the section's: in order, without gaps or overlaps, of the size
  // of their type, with zeros between them; and checks the section's checksum. FORMAT, SHAPE, DTYPE and LIMIT errors.
  absl::StatusOr<std::vector<Tensor>> ReadTensors(absl::Span<const TensorPlace> places);

 private:
  static constexpr int kMaxDepth = 64;

  static absl::StatusOr<ContainerReader> Create(std::unique_ptr<ByteSource> source, std::string name,
                                                FileKind expected);
  absl::Status ReadHeader(FileKind expected);
  absl::Status ReadRoot();
  absl::Status CheckPlaces(absl::Span<const TensorPlace> places) const;
  const uint8_t* root_data() const { return reinterpret_cast<const uint8_t*>(root_.data()); }
  // A table takes at least 8 bytes, so honest files stay below; with sharing a small file could claim very many.
  flatbuffers::uoffset_t MaxTables() const { return static_cast<flatbuffers::uoffset_t>(root_bytes() / 8 + 1); }

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  FileKind kind_ = FileKind::kModel;
  uint16_t minor_ = 0;
  std::vector<uint64_t> root_;  // aligned for the largest scalars
  int64_t root_padding_ = 0;    // bytes of root_ behind the FlatBuffers section
  int64_t tensor_offset_ = 0, tensor_bytes_ = 0;
  uint64_t root_checksum_ = 0, tensor_checksum_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CONTAINER_CONTAINER_H_
