// Names that come from files are shown in errors and logs: they must not carry control characters there.
#ifndef ATHANOR_RUNTIME_CORE_UTF8_H_
#define ATHANOR_RUNTIME_CORE_UTF8_H_

#include "absl/strings/string_view.h"

namespace athanor {

// True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) without control characters
// (U+0000..U+001F, U+007F..U+009F) and line separators (U+2028, U+2029). True for the empty text.
bool IsPrintableUtf8(absl::string_view text);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_UTF8_H_
