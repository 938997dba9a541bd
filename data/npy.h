// NPY, NumPy's file for one array (format versions 1 to 3): a magic, a version, a Python literal with the element type,
// the order and the shape, and the elements.
//
// Read are little-endian f4 f8 i4 i8 u1 i1 b1 in C order. Objects (which are pickled, hence code), records, big-endian
// and Fortran-order arrays are refused by name: NumPy converts them with numpy.ascontiguousarray(a, dtype="<f4").
#ifndef ATHANOR_DATA_NPY_H_
#define ATHANOR_DATA_NPY_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

// The size must be to the byte what the header says; the tensor is allocated once that is known. DATA error naming
// `name`, the value and the rule.
absl::StatusOr<Tensor> ParseNpy(absl::string_view bytes, absl::string_view name);
// The same for a file; PATH error if it cannot be read.
absl::StatusOr<Tensor> ReadNpy(const std::string& path);

// How many bytes the whole file has by its header, so that they can be counted before they are read. `start` is the
// file's first kNpyHeaderBytes, or all of it. DATA error as above.
inline constexpr int64_t kNpyHeaderBytes = 12 + (64 << 10);
absl::StatusOr<int64_t> NpyFileBytes(absl::string_view start, absl::string_view name);
// The shape by its header, in the same way.
absl::StatusOr<Shape> NpyShape(absl::string_view start, absl::string_view name);

// What stands before the elements in a file of format version 1, padded so that they start at a multiple of 64 bytes.
// DTYPE error for bf16, which NumPy does not know.
absl::StatusOr<std::string> FormatNpyHeader(const Tensor& tensor);
// Writes the file in one step (WriteFileAtomic). The bytes depend on the tensor alone.
absl::Status WriteNpy(const std::string& path, const Tensor& tensor);

}  // namespace athanor

#endif  // ATHANOR_DATA_NPY_H_
