// NPZ, NumPy's file for several named arrays (numpy.savez, numpy.savez_compressed): a ZIP archive of NPY files.
#ifndef ATHANOR_DATA_NPZ_H_
#define ATHANOR_DATA_NPZ_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/dataset.h"
#include "data/zip.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// An open file whose arrays are read when they are asked for. Safe to use from several threads.
class NpzFile {
 public:
  // PATH error if it cannot be read; DATA error as ZipArchive's, and for an entry that is no "NAME.npy".
  static absl::StatusOr<NpzFile> Open(const std::string& path);
  // The same for bytes in memory, which must outlive this.
  static absl::StatusOr<NpzFile> OpenBytes(absl::string_view bytes, absl::string_view name);

  // Sorted bytewise.
  const std::vector<std::string>& names() const { return names_; }
  bool Has(absl::string_view name) const;
  // DATA error naming file and array: one that is not there (with those that are), a broken one, and one of another
  // size than its header says, found before memory is taken. NPY's rules are in npy.h.
  absl::StatusOr<Tensor> Read(absl::string_view name) const;
  // By its header, without the elements. DATA error as Read's.
  absl::StatusOr<Shape> ReadShape(absl::string_view name) const;

 private:
  absl::StatusOr<int64_t> EntryOf(absl::string_view name) const;
  static absl::StatusOr<NpzFile> FromArchive(absl::StatusOr<std::unique_ptr<ZipArchive>> archive);
  std::shared_ptr<const ZipArchive> archive_;
  std::vector<std::string> names_;
};

// All arrays of a file.
absl::StatusOr<std::vector<NamedTensor>> ReadNpz(const std::string& path);

// Writes arrays in one step (WriteFileAtomic), deflated or as they are. The bytes depend on the arguments alone.
absl::StatusOr<std::string> FormatNpz(absl::Span<const NamedTensor> arrays, bool deflate);
absl::Status WriteNpz(const std::string& path, absl::Span<const NamedTensor> arrays, bool deflate);

// A data set from the arrays of a file by their names, the first of these that are there:
//   x_train y_train x_test y_test (or x_val y_val)
//   train_images train_labels test_images test_labels (or val_images val_labels)
//   x y, X y, images labels, data labels, features labels, features targets, arr_0 arr_1
// Without a second set, `test` is empty.
//
// Features [n, ...] are u8 or become f32. Images [n,height,width,channels], as Keras stores them, become
// [n,channels,height,width], which are told apart by where 1 or 3 stands; [n,height,width] becomes [n,1,height,width].
// Labels are integers [n] or [n,1]; floating ones [n] or [n,outputs] are the targets of a regression, and with
// `regression` integers are, too.
// DATA error naming file, array, sample and value.
struct NpzOptions {
  int64_t classes = 0;  // 0: the highest label of both sets + 1
  bool regression = false;
};
absl::StatusOr<TrainTest> LoadNpzDataset(const std::string& path, const NpzOptions& options = {});

}  // namespace athanor

#endif  // ATHANOR_DATA_NPZ_H_
