// The bytes of TensorBoard's event files: TFRecord framing around Event messages (tensorflow/core/util/event.proto),
// encoded by hand.
#ifndef ATHANOR_TRAINING_LOGS_EVENT_ENCODING_H_
#define ATHANOR_TRAINING_LOGS_EVENT_ENCODING_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace athanor {

// CRC-32C (Castagnoli).
uint32_t Crc32c(absl::string_view bytes);
// As TFRecord files store it, so that a checksum of bytes that hold checksums is sound.
uint32_t MaskedCrc32c(absl::string_view bytes);

// Length, checksum of the length, the bytes, checksum of the bytes.
std::string TfRecord(absl::string_view bytes);

// Events. `wall_time` in seconds since 1970.
std::string FileVersionEvent(double wall_time);
// Tells TensorBoard that a run begins anew at `step`: what other files of the folder have from there on is dropped.
std::string SessionStartEvent(double wall_time, int64_t step);
std::string ScalarEvent(double wall_time, int64_t step, absl::string_view tag, float value);
// In TensorFlow's buckets, whose limits grow by a tenth each. What is not finite is left out.
std::string HistogramEvent(double wall_time, int64_t step, absl::string_view tag, absl::Span<const float> values);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_LOGS_EVENT_ENCODING_H_
