// Image folders as a source of samples that are decoded when they are asked for, for sets that memory does not hold.
#ifndef ATHANOR_DATA_IMAGE_FOLDER_SOURCE_H_
#define ATHANOR_DATA_IMAGE_FOLDER_SOURCE_H_

#include <memory>

#include "data/image_folder.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

// Fields "x" (f32 [channels,height,width], normalized) and "labels" (s32, a scalar): the same samples, in the same
// order, as a source of folder->Load(). ATTR error if the normalization does not fit.
absl::StatusOr<std::unique_ptr<SampleSource>> MakeImageFolderSource(std::shared_ptr<const ImageFolder> folder,
                                                                    const Normalization& normalization);

}  // namespace athanor

#endif  // ATHANOR_DATA_IMAGE_FOLDER_SOURCE_H_
