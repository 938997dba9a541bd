#include "data/fingerprint.h"

#include <xxhash.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "data/sample_room.h"

namespace athanor {
namespace {

constexpr int64_t kSamples = 128;

}  // namespace

absl::StatusOr<uint64_t> Fingerprint(const SampleSource& source) {
  uint64_t hash = 0;
  auto add = [&hash](const void* data, size_t bytes) { hash = XXH3_64bits_withSeed(data, bytes, hash); };
  for (const FieldSpec& field : source.fields()) {
    const std::string text = absl::StrCat(field.name, " ", DTypeName(field.dtype), " ", ShapeToString(field.shape));
    add(text.data(), text.size());
  }
  ATH_ASSIGN_OR_RETURN(SampleRoom room, SampleRoom::Create(source));
  const int64_t size = source.size(), samples = std::min(size, kSamples);
  for (int64_t i = 0; i < samples; ++i) {
    ATH_RETURN_IF_ERROR(room.Read(source, samples > 1 ? i * (size - 1) / (samples - 1) : 0));
    for (const Tensor& field : room.fields()) add(field.data(), field.bytes());
  }
  return hash;
}

}  // namespace athanor
