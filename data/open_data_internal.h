// The parts of OpenData: one function a kind of data.
#ifndef ATHANOR_DATA_OPEN_DATA_INTERNAL_H_
#define ATHANOR_DATA_OPEN_DATA_INTERNAL_H_

#include <memory>
#include <string>

#include "data/open_data.h"

namespace athanor::internal {

// From the stored samples (u8 or f32 "x", "labels") to all of `out` that is about sources: split, normalization,
// augmentation. `test` may be null.
absl::Status PrepareSources(const DataSpec& spec, std::shared_ptr<const SampleSource> train,
                            std::shared_ptr<const SampleSource> test, OpenedData* out);

absl::StatusOr<OpenedData> OpenImages(const DataSpec& spec);  // folders and zip archives
absl::StatusOr<OpenedData> OpenText(const DataSpec& spec);    // characters
absl::StatusOr<OpenedData> OpenTask(const DataSpec& spec);    // "task:NAME"
absl::StatusOr<OpenedData> OpenCsv(const DataSpec& spec);
absl::StatusOr<OpenedData> OpenNpz(const DataSpec& spec);

// REQ error if the specification asks for a size or for channels, which only folders and archives of images can have; the
// second also if it asks for augmentation or one-hot labels, which this `kind` of data cannot have.
absl::Status RefuseResize(const DataSpec& spec);
absl::Status RefuseImageOptions(const DataSpec& spec, const std::string& kind);
// REQ error for an option of tables; `numbers`: but regression.
absl::Status RefuseTableOptions(const DataSpec& spec, bool numbers = false);

}  // namespace athanor::internal

#endif  // ATHANOR_DATA_OPEN_DATA_INTERNAL_H_
