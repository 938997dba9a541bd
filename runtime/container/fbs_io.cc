#include "runtime/container/fbs_io.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

static_assert(static_cast<int>(fbs::DType::MAX) == static_cast<int>(DType::kBool));
static_assert(static_cast<size_t>(fbs::AttrType::MAX) + 1 == std::variant_size_v<AttrValue>);

flatbuffers::Offset<fbs::Attribute> WriteAttribute(flatbuffers::FlatBufferBuilder& fbb, const std::string& name,
                                                   const AttrValue& value) {
  flatbuffers::Offset<flatbuffers::String> text;
  flatbuffers::Offset<FbsVector<int64_t>> ints;
  flatbuffers::Offset<FbsVector<double>> floats;
  FbsTablesOffset<fbs::Text> strings;
  if (auto* s = std::get_if<std::string>(&value)) text = WriteString(fbb, *s);
  if (auto* v = std::get_if<Ints>(&value)) ints = fbb.CreateVector(*v);
  if (auto* v = std::get_if<Floats>(&value)) floats = fbb.CreateVector(*v);
  if (auto* v = std::get_if<Strings>(&value)) {
    std::vector<flatbuffers::Offset<fbs::Text>> items;
    for (const std::string& s : *v) items.push_back(fbs::CreateText(fbb, WriteString(fbb, s)));
    strings = fbb.CreateVector(items);
  }
  auto name_offset = WriteString(fbb, name);
  fbs::AttributeBuilder b(fbb);
  b.add_name(name_offset);
  b.add_type(static_cast<fbs::AttrType>(TypeOf(value)));
  if (auto* v = std::get_if<bool>(&value)) b.add_b(*v);
  if (auto* v = std::get_if<int64_t>(&value)) b.add_i(*v);
  if (auto* v = std::get_if<double>(&value)) b.add_f(*v);
  if (!text.IsNull()) b.add_s(text);
  if (!ints.IsNull()) b.add_ints(ints);
  if (!floats.IsNull()) b.add_floats(floats);
  if (!strings.IsNull()) b.add_strings(strings);
  return b.Finish();
}

}  // namespace

FbsTablesOffset<fbs::Attribute> WriteAttributes(flatbuffers::FlatBufferBuilder& fbb, const Attributes& attrs) {
  if (attrs.empty()) return 0;
  std::vector<flatbuffers::Offset<fbs::Attribute>> items;
  for (const auto& [name, value] : attrs.items()) items.push_back(WriteAttribute(fbb, name, value));
  return fbb.CreateVector(items);
}

FbsTablesOffset<fbs::PostOp> WritePostOps(flatbuffers::FlatBufferBuilder& fbb, const std::vector<PostOp>& post_ops) {
  if (post_ops.empty()) return 0;
  std::vector<flatbuffers::Offset<fbs::PostOp>> items;
  for (const PostOp& p : post_ops) {
    auto op = WriteString(fbb, p.op);
    auto attrs = WriteAttributes(fbb, p.attrs);
    items.push_back(fbs::CreatePostOp(fbb, op, attrs, p.operand));
  }
  return fbb.CreateVector(items);
}

int TensorTable::Add(const Tensor* tensor) {
  if (tensor == nullptr) return -1;
  auto [it, is_new] = index_.emplace(tensor, static_cast<int>(tensors_.size()));
  if (is_new) {
    tensors_.push_back(tensor);
    offsets_.push_back(section_.Add(*tensor));
  }
  return it->second;
}

FbsTablesOffset<fbs::TensorRef> TensorTable::Write(flatbuffers::FlatBufferBuilder& fbb) const {
  std::vector<flatbuffers::Offset<fbs::TensorRef>> items;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = *tensors_[i];
    items.push_back(fbs::CreateTensorRef(fbb, static_cast<fbs::DType>(t.dtype()), fbb.CreateVector(t.shape()),
                                         offsets_[i], t.bytes()));
  }
  return fbb.CreateVector(items);
}

absl::Status FbsReader::Charge(uint64_t bytes) {
  if (bytes > budget_) {
    return MakeError(ErrorClass::kLimit,
                     "%s: parts of the FlatBuffers section are shared so often that they unfold to "
                     "more than the file holds",
                     name_);
  }
  budget_ -= bytes;
  return absl::OkStatus();
}

absl::Status FbsReader::String(const flatbuffers::String* from, std::string* to) {
  to->clear();
  if (from == nullptr) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(Charge(from->size() + uint64_t{5}));  // the length and the NUL
  to->assign(from->c_str(), from->size());
  return absl::OkStatus();
}

absl::Status FbsReader::ReadDType(fbs::DType from, DType* to) {
  if (from > fbs::DType::MAX) {
    return MakeError(ErrorClass::kDtype, "%s: unknown element type %d", name_, static_cast<int>(from));
  }
  *to = static_cast<DType>(from);
  return absl::OkStatus();
}

absl::Status FbsReader::ReadValue(const fbs::Attribute& from, AttrValue* to) {
  switch (from.type()) {
    case fbs::AttrType::Bool:
      *to = from.b();
      return absl::OkStatus();
    case fbs::AttrType::Int:
      *to = from.i();
      return absl::OkStatus();
    case fbs::AttrType::Float:
      *to = from.f();
      return absl::OkStatus();
    case fbs::AttrType::String:
      if (from.s() == nullptr) break;
      return String(from.s(), &to->emplace<std::string>());
    case fbs::AttrType::Ints:
      if (from.ints() == nullptr) break;
      return Numbers(from.ints(), &to->emplace<Ints>());
    case fbs::AttrType::Floats:
      if (from.floats() == nullptr) break;
      return Numbers(from.floats(), &to->emplace<Floats>());
    case fbs::AttrType::Strings: {
      if (from.strings() == nullptr) break;
      ATH_RETURN_IF_ERROR(Count(from.strings()));
      Strings& strings = to->emplace<Strings>();
      for (const fbs::Text* text : *from.strings()) {
        ATH_RETURN_IF_ERROR(String(text->value(), &strings.emplace_back()));
      }
      return absl::OkStatus();
    }
  }
  return Damage(absl::StrCat("has no value of type ", static_cast<int>(from.type())));
}

absl::Status FbsReader::ReadAttributes(const FbsTables<fbs::Attribute>* from, Attributes* to) {
  if (from == nullptr) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(Count(from));
  for (const fbs::Attribute* item : *from) {
    std::string name;
    AttrValue value;
    ATH_RETURN_IF_ERROR(String(item->name(), &name));
    std::string who = absl::StrCat("attribute \"", absl::CHexEscape(name), "\"");
    ATH_RETURN_IF_ERROR(AddContext(ReadValue(*item, &value), who));
    if (to->Has(name)) return Damage(absl::StrCat(who, " is given twice"));
    to->Set(name, std::move(value));
  }
  return absl::OkStatus();
}

absl::Status FbsReader::ReadPostOps(const FbsTables<fbs::PostOp>* from, std::vector<PostOp>* to) {
  if (from == nullptr) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(Count(from));
  for (const fbs::PostOp* item : *from) {
    PostOp& p = to->emplace_back();
    ATH_RETURN_IF_ERROR(String(item->op(), &p.op));
    ATH_RETURN_IF_ERROR(ReadAttributes(item->attrs(), &p.attrs));
    p.operand = item->operand();
  }
  return absl::OkStatus();
}

absl::Status FbsReader::ReadPlaces(const FbsTables<fbs::TensorRef>* from, std::vector<TensorPlace>* to) {
  ATH_RETURN_IF_ERROR(Count(from));
  for (const fbs::TensorRef* item : *from) {
    TensorPlace& p = to->emplace_back();
    ATH_RETURN_IF_ERROR(ReadDType(item->dtype(), &p.dtype));
    ATH_RETURN_IF_ERROR(Numbers(item->dims(), &p.shape));
    p.offset = item->offset();
    p.bytes = item->bytes();
  }
  return absl::OkStatus();
}

absl::Status LoadedTensors::CheckIndex(int index) const {
  if (index >= 0 && index < static_cast<int>(tensors_.size())) return absl::OkStatus();
  return MakeError(damage_, "%s: there is no tensor %d of %d", name_, index, tensors_.size());
}

absl::Status LoadedTensors::Get(int index, std::shared_ptr<const Tensor>* out) {
  if (index == -1) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(CheckIndex(index));
  used_[index] = 1;
  if (shared_[index] == nullptr) shared_[index] = std::make_shared<const Tensor>(std::move(tensors_[index]));
  *out = shared_[index];
  return absl::OkStatus();
}

absl::Status LoadedTensors::Take(int index, Tensor* out) {
  ATH_RETURN_IF_ERROR(CheckIndex(index));
  if (used_[index]) return MakeError(damage_, "%s: tensor %d belongs to two", name_, index);
  used_[index] = 1;
  *out = std::move(tensors_[index]);
  return absl::OkStatus();
}

absl::Status LoadedTensors::CheckAllUsed() const {
  for (size_t i = 0; i < used_.size(); ++i) {
    if (!used_[i]) return MakeError(damage_, "%s: tensor %d belongs to nothing", name_, i);
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedTensors> LoadTensors(ContainerReader& file, FbsReader& reader,
                                          const FbsTables<fbs::TensorRef>* refs) {
  std::vector<TensorPlace> places;
  ATH_RETURN_IF_ERROR(reader.ReadPlaces(refs, &places));
  ATH_ASSIGN_OR_RETURN(auto tensors, file.ReadTensors(places));
  return LoadedTensors(file.name(), file.damage(), std::move(tensors));
}

}  // namespace athanor
