// Room for one sample, to look through a source outside a loader.
#ifndef ATHANOR_DATA_SAMPLE_ROOM_H_
#define ATHANOR_DATA_SAMPLE_ROOM_H_

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/sample_source.h"

namespace athanor {

// The fields are those of the source that it was made for.
class SampleRoom {
 public:
  static absl::StatusOr<SampleRoom> Create(const SampleSource& source) {
    SampleRoom room;
    for (const FieldSpec& field : source.fields()) {
      ATH_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(field.dtype, field.shape));
      room.views_.push_back(tensor.view());
      room.fields_.push_back(std::move(tensor));
    }
    return room;
  }

  // As it is in the first epoch. Errors of Read, with the sample's number.
  absl::Status Read(const SampleSource& source, int64_t index) {
    return AddContext(source.Read(index, /*epoch=*/0, views_), absl::StrCat("sample ", index));
  }
  const std::vector<Tensor>& fields() const { return fields_; }

 private:
  SampleRoom() = default;
  std::vector<Tensor> fields_;
  std::vector<TensorView> views_;
};

}  // namespace athanor

#endif  // ATHANOR_DATA_SAMPLE_ROOM_H_
