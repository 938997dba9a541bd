#include "data/utf8_decode.h"

namespace athanor {

int Utf8Length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xc2 || byte > 0xf4) return 0;
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
}

Utf8Character DecodeUtf8(absl::string_view text) {
  const int bytes = Utf8Length(text[0]);
  const auto lead = static_cast<uint8_t>(text[0]);
  if (bytes == 1) return {lead, 1};
  if (bytes == 0 || text.size() < static_cast<size_t>(bytes)) return {};
  uint32_t point = lead & (0x7f >> bytes);
  for (int i = 1; i < bytes; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    point = point << 6 | (next & 0x3f);
  }
  const bool overlong = (bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000);
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (overlong || surrogate || point >= kCodePoints) return {};
  return {point, bytes};
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const int bytes = DecodeUtf8(text).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace athanor
