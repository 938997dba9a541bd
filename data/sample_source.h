// Where a loader takes its samples from: random access to samples of named fields.
#ifndef ATHANOR_DATA_SAMPLE_SOURCE_H_
#define ATHANOR_DATA_SAMPLE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

// What one sample has under a name: {"x", kF32, {3,32,32}}, {"labels", kS32, {}}. A network takes it by that name.
struct FieldSpec {
  std::string name;
  DType dtype = DType::kUndefined;
  Shape shape;  // of one sample; a batch has the number of samples in front

  bool operator==(const FieldSpec&) const = default;
};

// Safe to use from several threads at once.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual int64_t size() const = 0;
  // The same for the life of the source; names are different.
  virtual const std::vector<FieldSpec>& fields() const = 0;

  // Writes sample `index` (0 .. size()-1) as a network is to see it in `epoch` (0 ..): one view a field, in the order of
  // fields() and of their dtypes and shapes. A pure function of (index, epoch): nothing else may show in the result. Must
  // not allocate if a loader is not to, and must return in finite time: the loader's destructor waits for it. An error
  // names the file or data set; the loader adds the sample.
  virtual absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const = 0;
};

// Where `name` is in `fields`, or -1.
int64_t FindField(absl::Span<const FieldSpec> fields, absl::string_view name);

// The samples of a data set as fields "x" (f32, normalized) and "labels" (s32, a scalar), or, for a regression, "x" and
// "targets" (f32 [outputs]). The second form does not own the data set, which must outlive the source. DATA error if it is not sound (CheckDataset), ATTR error if the
// normalization does not fit it.
absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(std::shared_ptr<const Dataset> dataset,
                                                                const Normalization& normalization);
absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(const Dataset& dataset,
                                                                const Normalization& normalization);

}  // namespace athanor

#endif  // ATHANOR_DATA_SAMPLE_SOURCE_H_
