// Where a loader takes its samples from.
#ifndef ATHANOR_DATA_SAMPLE_SOURCE_H_
#define ATHANOR_DATA_SAMPLE_SOURCE_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "runtime/core/shape.h"
#include "runtime/core/status.h"

namespace athanor {

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual int64_t size() const = 0;
  virtual Shape sample_shape() const = 0;

  // Writes the features of sample `index` (0 .. size()-1) as the network is to see them, and its label. Called from the
  // loader's thread, never twice at a time; must not allocate if the loader is not to, and must return in finite time:
  // the loader's destructor waits for it. An error names the file or data set; the loader adds the sample.
  virtual absl::Status Read(int64_t index, absl::Span<float> features, int32_t* label) = 0;
};

// The samples of a data set, which must outlive the source. DATA error if it is not sound (CheckDataset), ATTR error if
// the normalization does not fit it.
absl::StatusOr<std::unique_ptr<SampleSource>> MakeDatasetSource(const Dataset& dataset,
                                                                const Normalization& normalization);

}  // namespace athanor

#endif  // ATHANOR_DATA_SAMPLE_SOURCE_H_
