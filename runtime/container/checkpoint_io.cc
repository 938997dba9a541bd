#include "runtime/container/checkpoint_io.h"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/container/fbs_io.h"
#include "runtime/core/utf8.h"
#include "schema/checkpoint_generated.h"

namespace athanor {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr size_t kDifferencesShown = 5;

template <typename... Args>
absl::Status CkptError(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return MakeError(ErrorClass::kCkpt, format, args...);
}

std::string Quoted(absl::string_view s) { return absl::StrCat("\"", absl::CHexEscape(s), "\""); }

bool AllFinite(const Tensor& t) {
  auto finite = [](auto v) { return std::isfinite(v); };
  switch (t.dtype()) {
    case DType::kF32:
      return std::all_of(t.as<float>().begin(), t.as<float>().end(), finite);
    case DType::kF64:
      return std::all_of(t.as<double>().begin(), t.as<double>().end(), finite);
    case DType::kBF16: {
      // An exponent of ones: the upper half of a float.
      const uint16_t* bits = static_cast<const uint16_t*>(t.data());
      return std::all_of(bits, bits + t.num_elements(), [](uint16_t v) { return (v & 0x7f80) != 0x7f80; });
    }
    default:
      return true;
  }
}

absl::Status Check(const Checkpoint& c) {
  const std::pair<const char*, int64_t> counters[] = {
      {"step", c.step}, {"epoch", c.epoch}, {"batch index", c.batch_index}};
  for (auto [what, value] : counters) {
    if (value < 0) return CkptError("the %s is %d: it cannot be negative", what, value);
  }
  if (!IsPrintableUtf8(c.model_name))
    return CkptError("the model's name %s is no printable UTF-8", Quoted(c.model_name));
  std::unordered_set<std::string_view> names;
  for (const auto& [name, tensor] : c.tensors) {
    if (name.empty() || !IsPrintableUtf8(name))
      return CkptError("the tensor's name %s is no printable UTF-8", Quoted(name));
    if (!names.insert(name).second) return CkptError("tensor %s is there twice", Quoted(name));
    if (tensor.dtype() == DType::kUndefined) return CkptError("tensor %s has no element type", Quoted(name));
  }
  return absl::OkStatus();
}

absl::Status Build(const Checkpoint& c, FlatBufferBuilder& fbb, TensorTable* tensors) {
  ATH_RETURN_IF_ERROR(Check(c));
  std::vector<Offset<fbs::NamedTensor>> named;
  for (const auto& [name, tensor] : c.tensors) {
    auto name_offset = WriteString(fbb, name);
    named.push_back(fbs::CreateNamedTensor(fbb, name_offset, tensors->Add(&tensor)));
  }
  auto model_name = WriteString(fbb, c.model_name);
  auto meta = WriteAttributes(fbb, c.meta);
  auto named_offset = fbb.CreateVector(named);
  auto refs = tensors->Write(fbb);
  fbs::FinishCheckpointBuffer(fbb, fbs::CreateCheckpoint(fbb, model_name, c.model_hash, c.step, c.epoch, c.batch_index,
                                                         c.seed, meta, named_offset, refs));
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> ParseTables(const fbs::Checkpoint& from, FbsReader& reader, LoadedTensors& tensors) {
  Checkpoint c;
  ATH_RETURN_IF_ERROR(reader.String(from.model_name(), &c.model_name));
  c.model_hash = from.model_hash();
  c.step = from.step();
  c.epoch = from.epoch();
  c.batch_index = from.batch_index();
  c.seed = from.seed();
  ATH_RETURN_IF_ERROR(reader.ReadAttributes(from.meta(), &c.meta));
  ATH_RETURN_IF_ERROR(reader.Count(from.named()));
  for (const fbs::NamedTensor* item : *from.named()) {
    auto& [name, tensor] = c.tensors.emplace_back();
    ATH_RETURN_IF_ERROR(reader.String(item->name(), &name));
    ATH_RETURN_IF_ERROR(AddContext(tensors.Take(item->tensor(), &tensor), Quoted(name)));
  }
  ATH_RETURN_IF_ERROR(tensors.CheckAllUsed());
  return c;
}

absl::StatusOr<Checkpoint> ReadFrom(absl::StatusOr<ContainerReader> opened, const CheckpointOptions& options) {
  ATH_ASSIGN_OR_RETURN(ContainerReader file, std::move(opened));
  ATH_ASSIGN_OR_RETURN(const fbs::Checkpoint* root, file.VerifyRoot<fbs::Checkpoint>(fbs::CheckpointIdentifier()));
  FbsReader reader(file);
  ATH_ASSIGN_OR_RETURN(LoadedTensors tensors, LoadTensors(file, reader, root->tensors()));
  ATH_ASSIGN_OR_RETURN(Checkpoint checkpoint, ParseTables(*root, reader, tensors));
  ATH_RETURN_IF_ERROR(AddContext(Check(checkpoint), file.name()));
  if (!options.allow_nonfinite) {
    std::string bad = FirstNonFinite(checkpoint);
    if (!bad.empty()) return CkptError("%s: tensor %s holds a NaN or an infinity", file.name(), Quoted(bad));
  }
  return checkpoint;
}

absl::Span<const uint8_t> BytesOf(const FlatBufferBuilder& fbb) { return {fbb.GetBufferPointer(), fbb.GetSize()}; }

}  // namespace

absl::Status WriteCheckpoint(const Checkpoint& checkpoint, const std::string& path) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(AddContext(Build(checkpoint, fbb, &tensors), path));
  return WriteContainer(path, FileKind::kCheckpoint, BytesOf(fbb), tensors.section());
}

absl::StatusOr<std::string> SerializeCheckpoint(const Checkpoint& checkpoint) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(Build(checkpoint, fbb, &tensors));
  return SerializeContainer(FileKind::kCheckpoint, BytesOf(fbb), tensors.section());
}

absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& path, const CheckpointOptions& options) {
  return ReadFrom(ContainerReader::Open(path, FileKind::kCheckpoint), options);
}

absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view bytes, absl::string_view name,
                                           const CheckpointOptions& options) {
  return ReadFrom(ContainerReader::FromBytes(bytes, name, FileKind::kCheckpoint), options);
}

absl::Status DiffAgainst(const Checkpoint& checkpoint, absl::Span<const TensorSpec> expected,
                         absl::string_view plan_name) {
  std::unordered_map<std::string_view, const Tensor*> have;
  for (const auto& [name, tensor] : checkpoint.tensors) have.emplace(name, &tensor);
  std::unordered_set<std::string_view> wanted;
  std::vector<std::string> differences;
  auto type = [](DType dtype, const Shape& shape) { return absl::StrCat(DTypeName(dtype), ShapeToString(shape)); };
  for (const TensorSpec& spec : expected) {
    wanted.insert(spec.name);
    auto it = have.find(spec.name);
    if (it == have.end()) {
      differences.push_back(absl::StrCat(Quoted(spec.name), " is missing"));
    } else if (it->second->dtype() != spec.dtype || it->second->shape() != spec.shape) {
      differences.push_back(absl::StrCat(Quoted(spec.name), " is ", type(it->second->dtype(), it->second->shape()),
                                         " instead of ", type(spec.dtype, spec.shape)));
    }
  }
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (wanted.count(name) == 0) {
      differences.push_back(absl::StrCat(Quoted(name), " (", type(tensor.dtype(), tensor.shape()), ") is too many"));
    }
  }
  if (differences.empty()) return absl::OkStatus();
  const size_t total = differences.size();
  if (total > kDifferencesShown) {
    differences.resize(kDifferencesShown);
    differences.push_back(absl::StrCat("and ", total - kDifferencesShown, " more"));
  }
  return CkptError("the checkpoint of model %s does not fit %s: %d differences: %s", Quoted(checkpoint.model_name),
                   plan_name, total, absl::StrJoin(differences, "; "));
}

std::string FirstNonFinite(const Checkpoint& checkpoint) {
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!AllFinite(tensor)) return name;
  }
  return "";
}

}  // namespace athanor
