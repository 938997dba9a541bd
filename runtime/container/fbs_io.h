// Between the structures that models, plans and checkpoints share and their FlatBuffers tables (schema/common.fbs).
#ifndef ATHANOR_RUNTIME_CONTAINER_FBS_IO_H_
#define ATHANOR_RUNTIME_CONTAINER_FBS_IO_H_

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/container/container.h"
#include "runtime/core/attributes.h"
#include "runtime/kernels/kernel.h"
#include "schema/common_generated.h"

namespace athanor {

template <typename T>
using FbsVector = flatbuffers::Vector<T>;
template <typename Table>
using FbsTables = flatbuffers::Vector<flatbuffers::Offset<Table>>;
template <typename Table>
using FbsTablesOffset = flatbuffers::Offset<FbsTables<Table>>;

// --- writing; a null offset (nothing stored) for what is empty ---

FbsTablesOffset<fbs::Attribute> WriteAttributes(flatbuffers::FlatBufferBuilder& fbb, const Attributes& attrs);
FbsTablesOffset<fbs::PostOp> WritePostOps(flatbuffers::FlatBufferBuilder& fbb, const std::vector<PostOp>& post_ops);
inline flatbuffers::Offset<flatbuffers::String> WriteString(flatbuffers::FlatBufferBuilder& fbb, const std::string& s) {
  return fbb.CreateString(s.data(), s.size());
}
inline flatbuffers::Offset<flatbuffers::String> WriteOptional(flatbuffers::FlatBufferBuilder& fbb,
                                                              const std::string& s) {
  return s.empty() ? 0 : WriteString(fbb, s);
}

// The tensors of a file: each once, however often it is shared. Keeps the pointers' tensors borrowed.
class TensorTable {
 public:
  // The tensor's index; -1 for null.
  int Add(const Tensor* tensor);
  FbsTablesOffset<fbs::TensorRef> Write(flatbuffers::FlatBufferBuilder& fbb) const;
  const TensorSection& section() const { return section_; }

 private:
  std::map<const Tensor*, int> index_;
  std::vector<const Tensor*> tensors_;
  std::vector<int64_t> offsets_;
  TensorSection section_;
};

// --- reading ---

// Copies verified tables out. FlatBuffers may refer to one vector from many tables, so that a small file could unfold
// to a huge graph: the reader takes out no more bytes than the file has.
class FbsReader {
 public:
  explicit FbsReader(const ContainerReader& file)
      : name_(file.name()), budget_(file.root_bytes()), damage_(file.damage()) {}

  const std::string& name() const { return name_; }
  // "CLASS: FILE: message" with the class for damaged files.
  absl::Status Damage(absl::string_view message) const { return MakeError(damage_, "%s: %s", name_, message); }

  // Counts what is taken out; LIMIT error when it is more than the file has.
  absl::Status Charge(uint64_t bytes);
  // Charges each table of the list; a null list is empty.
  template <typename Table>
  absl::Status Count(const FbsTables<Table>* tables) {
    return tables == nullptr ? absl::OkStatus() : Charge(uint64_t{8} * tables->size());
  }
  absl::Status String(const flatbuffers::String* from, std::string* to);  // null: empty
  template <typename From, typename To>
  absl::Status Numbers(const FbsVector<From>* from, std::vector<To>* to) {
    to->clear();
    if (from == nullptr || from->size() == 0) return absl::OkStatus();
    ATH_RETURN_IF_ERROR(Charge(uint64_t{sizeof(From)} * from->size()));
    // FlatBuffers' verifier looks at the place of the length only.
    if (reinterpret_cast<uintptr_t>(from->Data()) % sizeof(From) != 0) return Damage("a list of numbers is misaligned");
    to->reserve(from->size());
    for (From v : *from) to->push_back(v);
    return absl::OkStatus();
  }
  absl::Status ReadDType(fbs::DType from, DType* to);
  absl::Status ReadAttributes(const FbsTables<fbs::Attribute>* from, Attributes* to);
  absl::Status ReadPostOps(const FbsTables<fbs::PostOp>* from, std::vector<PostOp>* to);
  absl::Status ReadPlaces(const FbsTables<fbs::TensorRef>* from, std::vector<TensorPlace>* to);

 private:
  absl::Status ReadValue(const fbs::Attribute& from, AttrValue* to);

  std::string name_;
  uint64_t budget_;
  ErrorClass damage_;
};

// Hands out the tensors of a file by index.
class LoadedTensors {
 public:
  LoadedTensors(std::string name, ErrorClass damage, std::vector<Tensor> tensors)
      : name_(std::move(name)),
        damage_(damage),
        tensors_(std::move(tensors)),
        shared_(tensors_.size()),
        used_(tensors_.size(), 0) {}
  // The tensor, the same one for each call with the index; null for -1. An error for an index that is out of range.
  absl::Status Get(int index, std::shared_ptr<const Tensor>* out);
  // The tensor as the caller's own. An error for an index that is out of range, -1 included, or was taken before.
  absl::Status Take(int index, Tensor* out);
  // An error if some tensor was never asked for: files carry nothing that belongs to nobody.
  absl::Status CheckAllUsed() const;

 private:
  absl::Status CheckIndex(int index) const;

  std::string name_;
  ErrorClass damage_;
  std::vector<Tensor> tensors_;
  std::vector<std::shared_ptr<const Tensor>> shared_;
  std::vector<char> used_;
};

// FbsReader::ReadPlaces and ContainerReader::ReadTensors in one.
absl::StatusOr<LoadedTensors> LoadTensors(ContainerReader& file, FbsReader& reader,
                                          const FbsTables<fbs::TensorRef>* refs);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CONTAINER_FBS_IO_H_
