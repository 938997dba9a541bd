#include "data/fingerprint.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

constexpr int64_t kSamples = 128;

}  // namespace

absl::StatusOr<uint64_t> Fingerprint(const SampleSource& source) {
  uint64_t hash = 0;
  auto add = [&hash](const void* data, size_t bytes) { hash = XXH3_64bits_withSeed(data, bytes, hash); };
  std::vector<Tensor> fields;
  std::vector<TensorView> views;
  for (const FieldSpec& field : source.fields()) {
    const std::string text = absl::StrCat(field.name, " ", DTypeName(field.dtype), " ", ShapeToString(field.shape));
    add(text.data(), text.size());
    ATH_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(field.dtype, field.shape));
    fields.push_back(std::move(tensor));
  }
  for (Tensor& field : fields) views.push_back(field.view());
  const int64_t size = source.size(), samples = std::min(size, kSamples);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t index = samples > 1 ? i * (size - 1) / (samples - 1) : 0;
    ATH_RETURN_IF_ERROR(AddContext(source.Read(index, /*epoch=*/0, views), absl::StrCat("sample ", index)));
    for (const Tensor& field : fields) add(field.data(), field.bytes());
  }
  return hash;
}

}  // namespace athanor
