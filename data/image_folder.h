// Folders of images, where the folder is the class, on disk or in a zip archive that is read in place:
//
//   ROOT/CLASS/image.jpg                                       one set
//   ROOT/train/CLASS/image.png, ROOT/test/CLASS/image.png      two sets; val, valid or validation is taken before test
//
// A single folder around all that is looked through. The classes are the folders' names, sorted bytewise; they give the
// labels. Images are PNG or JPEG files. Hidden files and folders (.name), __MACOSX, Thumbs.db and desktop.ini are
// passed over, as is what stands beside the class folders and is no image. All else in a class folder is an error
// naming it.
#ifndef ATHANOR_DATA_IMAGE_FOLDER_H_
#define ATHANOR_DATA_IMAGE_FOLDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/zip.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct ImageFolderOptions {
  int64_t channels = 0;            // 1 or 3; 0: what most training images have
  ImageFit fit = ImageFit::kNone;  // kNone: all images have one size, or it is an error naming the first that differs
  int64_t height = 0, width = 0;   // for the other fits
  int threads = 0;                 // 0: DefaultThreads()
  int64_t max_bytes = int64_t{4} << 30;  // what Load may take
};

// One set of labelled images: a list made at the open, images decoded when they are read. Every header has been looked
// at by then. Safe to use from several threads.
class ImageFolder {
 public:
  int64_t size() const { return static_cast<int64_t>(samples_.size()); }
  const std::string& name() const { return name_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  const Shape& sample_shape() const { return shape_; }  // [channels, height, width]
  int32_t label(int64_t index) const { return samples_[index].label; }
  // "ROOT/cat/1.jpg" or "x.zip:cat/1.jpg".
  std::string SamplePath(int64_t index) const;

  // Decodes one image to u8 of sample_shape(). PATH, LIMIT or DATA error naming the file (archive and entry), the value
  // and the rule.
  absl::Status Read(int64_t index, absl::Span<uint8_t> chw) const;
  // All images in memory, in the order of the list. LIMIT error with both numbers if that is more than the options'
  // max_bytes.
  absl::StatusOr<Dataset> Load() const;

 private:
  friend class ImageFolderOpener;
  struct Sample {
    std::string path;    // within the root
    int64_t entry = -1;  // in the archive
    int32_t label = 0;
  };
  absl::StatusOr<std::string> ReadBytes(const Sample& sample) const;

  std::string root_, name_;
  std::shared_ptr<const ZipArchive> archive_;  // null for files
  ImageFolderOptions options_;
  std::vector<Sample> samples_;
  std::vector<std::string> class_names_;
  Shape shape_;
};

struct ImageFolders {
  std::shared_ptr<const ImageFolder> train;
  std::shared_ptr<const ImageFolder> test;  // null if there is one set only
};

// `path` is a folder or a zip archive. Finds all there is to find without decoding: no classes, a class without images,
// files that are no images, broken headers, sizes that differ; the two sets have the same classes and sizes.
// PATH, LIMIT, DATA or ATTR error naming the file or folder.
absl::StatusOr<ImageFolders> OpenImageFolders(const std::string& path, const ImageFolderOptions& options = {});

// All of it in memory; without a second set, `test` is empty.
absl::StatusOr<TrainTest> LoadImageFolders(const std::string& path, const ImageFolderOptions& options = {});

}  // namespace athanor

#endif  // ATHANOR_DATA_IMAGE_FOLDER_H_
