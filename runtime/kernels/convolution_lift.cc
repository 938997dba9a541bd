#include "runtime/kernels/convolution_lift.h"

#include <algorithm>

#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// The same bytes where dimension b is of size 1.
constexpr char kNameless[] = "Abc8a", kOnes[] = "Acb8a";

bool HasName(const std::string& layout, size_t rank) {
  return LayoutBytes(MemoryDesc{DType::kF32, Shape(rank, 1), layout}).ok();
}

const Ints* FindInts(const CallSpec& spec, const char* attr) {
  const AttrValue* found = spec.attrs.Find(attr);
  return found == nullptr ? nullptr : std::get_if<Ints>(found);
}
bool HasInts(const CallSpec& spec, const char* attr, size_t size) {
  const Ints* found = FindInts(spec, attr);
  return found != nullptr && found->size() == size;
}

// Inserts `value` before each number.
void InsertBeforeEach(const char* attr, int64_t value, CallSpec* spec) {
  Ints lifted;
  for (int64_t last : *FindInts(*spec, attr)) {
    lifted.push_back(value);
    lifted.push_back(last);
  }
  spec->attrs.Set(attr, std::move(lifted));
}

void Lift(MemoryDesc* desc) {
  const size_t rank = desc->dims.size();
  if (rank == 0) return;
  const bool one_b = rank > 1 && desc->dims[1] == 1;
  if (!desc->any()) desc->layout = LiftedLayout(desc->layout, rank, one_b).value_or("");
  desc->dims.insert(desc->dims.end() - 1, 1);
}

bool IsBias(const CallSpec& spec, bool output, size_t i) {
  const bool weights = spec.kernel == "convolution_backward_weights";
  return weights ? output && i == 1 : !output && i == 2 && spec.attrs.Bool("bias");
}

}  // namespace

bool IsOneDimensional(const CallSpec& spec) {
  const AttrValue* bias = spec.attrs.Find("bias");
  if (spec.inputs.size() < 2 || spec.outputs.empty()) return false;
  for (const MemoryDesc* desc : {&spec.inputs[0], &spec.inputs[1], &spec.outputs[0]}) {
    if (desc->dims.size() != 3) return false;
  }
  return HasInts(spec, "strides", 1) && HasInts(spec, "dilations", 1) && HasInts(spec, "pads", 2) &&
         (bias == nullptr || std::holds_alternative<bool>(*bias));
}

CallSpec Lifted(CallSpec spec) {
  InsertBeforeEach("strides", 1, &spec);
  InsertBeforeEach("dilations", 1, &spec);
  InsertBeforeEach("pads", 0, &spec);
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    if (!IsBias(spec, false, i)) Lift(&spec.inputs[i]);
  }
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    if (!IsBias(spec, true, i)) Lift(&spec.outputs[i]);
  }
  return spec;
}

void Unlift(const CallSpec& spec, KernelInfo* info) {
  auto unlift = [](const MemoryDesc& given, MemoryDesc* desc) {
    if (given.dims.size() == desc->dims.size()) return;
    desc->dims = given.dims;
    const bool one_b = given.dims.size() > 1 && given.dims[1] == 1;
    desc->layout = UnliftedLayout(desc->layout, given.dims.size(), one_b).value_or("");
  };
  for (size_t i = 0; i < spec.inputs.size(); ++i) unlift(spec.inputs[i], &info->inputs[i]);
  for (size_t i = 0; i < spec.outputs.size(); ++i) unlift(spec.outputs[i], &info->outputs[i]);
}

std::optional<std::string> LiftedLayout(const std::string& layout, size_t rank, bool one_b) {
  if (one_b && layout == kOnes) return LiftedLayout(kNameless, rank);
  const char last = static_cast<char>('a' + rank - 1), last_block = static_cast<char>('A' + rank - 1);
  std::string lifted;
  bool put_in = false;
  for (char letter : layout) {
    if (letter != last && letter != last_block) {
      lifted.push_back(letter);
      continue;
    }
    if (!put_in) lifted.push_back(last);
    put_in = true;
    lifted.push_back(static_cast<char>(letter + 1));
  }
  if (!put_in || !HasName(lifted, rank + 1)) return std::nullopt;
  return lifted;
}

std::optional<std::string> UnliftedLayout(const std::string& layout, size_t rank, bool one_b) {
  const char out = static_cast<char>('a' + rank - 1), out_block = static_cast<char>('A' + rank - 1);
  std::string result;
  for (char letter : layout) {
    if (letter == out_block) return std::nullopt;
    if (letter == out) continue;
    const bool is_last = letter == out + 1 || letter == out_block + 1;
    result.push_back(is_last ? static_cast<char>(letter - 1) : letter);
  }
  if (one_b && result == kNameless) result = kOnes;
  if (!HasName(result, rank)) return std::nullopt;
  return result;
}

}  // namespace athanor
