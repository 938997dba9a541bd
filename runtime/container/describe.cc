#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/container/container.h"

namespace athanor {
namespace {

struct Magic {
  size_t offset;
  absl::string_view bytes;
  absl::string_view what;
};

constexpr Magic kMagics[] = {
    {0, "\x89PNG\r\n\x1a\n", "a PNG image"},
    {0, "\xff\xd8\xff", "a JPEG image"},
    {0, "\x1f\x8b", "gzip data"},
    {0, "PK\x03\x04", "a zip archive (.npz, .pt or .keras)"},
    {0, "PK\x05\x06", "an empty zip archive"},
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file"},
    {0, "\x93NUMPY", "a NumPy array (.npy)"},
    {0, "\x28\xb5\x2f\xfd", "Zstandard data"},
    {0,
     "\x7f"
     "ELF",
     "a program or library (ELF)"},
    {0, "GGUF", "a GGUF model"},
    {4, "TFL3", "a TensorFlow Lite model"},
    {4, "ORTM", "an ONNX Runtime model (.ort)"},
    {0, "version https://git-lfs", "a Git LFS pointer, not the file itself (git lfs pull fetches it)"},
    {0, "graph \"", "the text form of a graph"},
    {0, "{", "JSON text"},
};

bool IsPickle(absl::string_view b) { return b.size() >= 2 && b[0] == '\x80' && b[1] >= 2 && b[1] <= 5; }

// A 64-bit length, then JSON.
bool IsSafetensors(absl::string_view b) {
  if (b.size() < 9 || b[8] != '{') return false;
  return b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] == 0;
}

bool IsIdx(absl::string_view b) {
  return b.size() >= 4 && b[0] == 0 && b[1] == 0 && b[2] >= 8 && b[2] <= 14 && b[3] >= 1 && b[3] <= 8;
}

// A protobuf message that begins with ir_version (field 1, a small number) and goes on with a field of ModelProto.
bool IsOnnx(absl::string_view b) {
  if (b.size() < 3 || b[0] != 0x08 || b[1] < 1 || b[1] > 64) return false;
  return absl::StrContains("\x12\x1a\x22\x28\x32\x3a\x42\x72", b[2]);
}

}  // namespace

absl::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kModel:
      return "model";
    case FileKind::kPlan:
      return "plan";
    case FileKind::kCheckpoint:
      return "checkpoint";
  }
  return "unknown";
}

std::string DescribeBytes(absl::string_view beginning) {
  if (beginning.empty()) return "empty";
  if (beginning.size() >= 8 && absl::StartsWith(beginning, "ATHANOR")) {
    for (FileKind kind : {FileKind::kModel, FileKind::kPlan, FileKind::kCheckpoint}) {
      if (beginning[7] == static_cast<char>(kind)) return absl::StrCat("an Athanor ", FileKindName(kind));
    }
    return "an Athanor file of an unknown kind";
  }
  for (const Magic& m : kMagics) {
    if (beginning.size() >= m.offset && absl::StartsWith(beginning.substr(m.offset), m.bytes)) {
      return std::string(m.what);
    }
  }
  if (IsPickle(beginning)) return "a Python pickle, which is never loaded, since loading it could run code";
  if (IsSafetensors(beginning)) return "a safetensors file";
  if (IsIdx(beginning)) return "an IDX data file (MNIST)";
  if (IsOnnx(beginning)) return "an ONNX model";
  return "of no known kind";
}

}  // namespace athanor
