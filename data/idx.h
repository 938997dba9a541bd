// IDX, the format of MNIST and its relatives: a big-endian header (two zero bytes, a type code, the number of
// dimensions, each dimension as 32 bits) and the elements, big-endian too.
//
//   code   0x08  0x09  0x0c  0x0d  0x0e
//   dtype  u8    s8    s32   f32   f64     (0x0b, 16-bit integers, is refused: there is no such dtype here)
#ifndef ATHANOR_DATA_IDX_H_
#define ATHANOR_DATA_IDX_H_

#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

// Takes IDX, or IDX within gzip. The size must be to the byte what the header says; the tensor is allocated once that
// is known. DATA error (LIMIT above data/limits.h) naming `name`, the value and the rule.
absl::StatusOr<Tensor> ParseIdx(absl::string_view bytes, absl::string_view name);
// The same for a file; PATH error if it cannot be read.
absl::StatusOr<Tensor> ReadIdx(const std::string& path);

// The file's bytes. DTYPE error for a dtype without a code, SHAPE error for rank 0 or a dimension of 2^32 or more.
absl::StatusOr<std::string> FormatIdx(const Tensor& tensor);
// Writes the file in one step (WriteFileAtomic), gzipped when the name ends in ".gz". The bytes depend on the tensor
// alone.
absl::Status WriteIdx(const std::string& path, const Tensor& tensor);

}  // namespace athanor

#endif  // ATHANOR_DATA_IDX_H_
