// The characters of UTF-8 text, one by one.
#ifndef ATHANOR_DATA_UTF8_DECODE_H_
#define ATHANOR_DATA_UTF8_DECODE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace athanor {

inline constexpr uint32_t kCodePoints = 0x110000;

struct Utf8Character {
  uint32_t point = 0;
  int bytes = 0;  // 0: not UTF-8
};

// By its first byte; 0 if no character starts with it.
int Utf8Length(char lead);

// The first of `text`, which is not empty. RFC 3629: no overlong forms, no surrogates, at most U+10FFFF.
Utf8Character DecodeUtf8(absl::string_view text);

// Unlike IsPrintableUtf8, whatever the characters are.
bool IsUtf8(absl::string_view text);

}  // namespace athanor

#endif  // ATHANOR_DATA_UTF8_DECODE_H_
