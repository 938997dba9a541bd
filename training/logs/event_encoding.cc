#include "training/logs/event_encoding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "training/logs/metrics_log.h"

namespace athanor {
namespace {

constexpr std::array<uint32_t, 256> CrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
  return table;
}

template <typename T>
std::string LittleEndian(T value) {
  std::string out;
  for (size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

// Protocol buffer wire format: a key is field << 3 | type; types 0 varint, 1 eight bytes, 2 length and bytes, 5 four
// bytes.
class Message {
 public:
  Message& Varint(int field, uint64_t value) { return Key(field, 0).Raw(value); }
  Message& Double(int field, double value) {
    return Key(field, 1).Append(LittleEndian(std::bit_cast<uint64_t>(value)));
  }
  Message& Float(int field, float value) { return Key(field, 5).Append(LittleEndian(std::bit_cast<uint32_t>(value))); }
  Message& Bytes(int field, absl::string_view bytes) { return Key(field, 2).Raw(bytes.size()).Append(bytes); }
  Message& PackedDoubles(int field, const std::vector<double>& values) {
    std::string bytes;
    for (double v : values) bytes += LittleEndian(std::bit_cast<uint64_t>(v));
    return Bytes(field, bytes);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Message& Key(int field, int type) { return Raw(static_cast<uint64_t>(field) << 3 | type); }
  Message& Raw(uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes_ += static_cast<char>((v & 0x7f) | 0x80);
    bytes_ += static_cast<char>(v);
    return *this;
  }
  Message& Append(absl::string_view bytes) {
    bytes_.append(bytes.data(), bytes.size());
    return *this;
  }
  std::string bytes_;
};

// Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log.
Message Event(double wall_time, int64_t step) {
  Message event;
  event.Double(1, wall_time);
  if (step != 0) event.Varint(2, static_cast<uint64_t>(step));
  return event;
}

// Summary: repeated 1 value { 1 tag, 2 simple_value, 5 histo }.
std::string SummaryEvent(double wall_time, int64_t step, const Message& value) {
  return Event(wall_time, step).Bytes(5, Message().Bytes(1, value.bytes()).bytes()).bytes();
}

// Upper limits of the buckets: -max .. -1e-12, 0, 1e-12 .. 1e20, max.
const std::vector<double>& BucketLimits() {
  static const std::vector<double> limits = [] {
    std::vector<double> positive;
    for (double v = 1e-12; v < 1e20; v *= 1.1) positive.push_back(v);
    positive.push_back(std::numeric_limits<double>::max());
    std::vector<double> all;
    for (auto v = positive.rbegin(); v != positive.rend(); ++v) all.push_back(-*v);
    all.push_back(0);
    all.insert(all.end(), positive.begin(), positive.end());
    return all;
  }();
  return limits;
}

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = CrcTable();
  uint32_t crc = ~0u;
  for (char c : bytes) crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

uint32_t MaskedCrc32c(absl::string_view bytes) { return std::rotr(Crc32c(bytes), 15) + 0xa282ead8u; }

std::string TfRecord(absl::string_view bytes) {
  const std::string length = LittleEndian(static_cast<uint64_t>(bytes.size()));
  return length + LittleEndian(MaskedCrc32c(length)) + std::string(bytes) + LittleEndian(MaskedCrc32c(bytes));
}

std::string FileVersionEvent(double wall_time) { return Event(wall_time, 0).Bytes(3, "brain.Event:2").bytes(); }

std::string SessionStartEvent(double wall_time, int64_t step) {
  return Event(wall_time, step).Bytes(7, Message().Varint(1, 1).bytes()).bytes();
}

std::string ScalarEvent(double wall_time, int64_t step, absl::string_view tag, float value) {
  return SummaryEvent(wall_time, step, Message().Bytes(1, tag).Float(2, value));
}

std::string HistogramEvent(double wall_time, int64_t step, absl::string_view tag, absl::Span<const float> values) {
  const Moments m = MomentsOf(values);
  const std::vector<double>& limits = BucketLimits();
  std::vector<double> counts(limits.size(), 0);
  for (float v : values) {
    if (std::isfinite(v))
      ++counts[std::upper_bound(limits.begin(), limits.end(), static_cast<double>(v)) - limits.begin()];
  }
  // From the bucket before the first that is not empty (whose limit is the first one's lower end) to the last.
  size_t begin = 0, end = counts.size();
  while (begin + 1 < end && counts[begin + 1] == 0) ++begin;
  while (end > begin + 1 && counts[end - 1] == 0) --end;
  Message histogram;
  histogram.Double(1, m.min)
      .Double(2, m.max)
      .Double(3, static_cast<double>(m.count))
      .Double(4, m.sum)
      .Double(5, m.sum_squares);
  if (m.count > 0) {
    histogram.PackedDoubles(6, {limits.begin() + begin, limits.begin() + end});
    histogram.PackedDoubles(7, {counts.begin() + begin, counts.begin() + end});
  }
  return SummaryEvent(wall_time, step, Message().Bytes(1, tag).Bytes(5, histogram.bytes()));
}

}  // namespace athanor
