// Plain text (UTF-8) as the numbers of its characters, for language models.
#ifndef ATHANOR_DATA_TEXT_H_
#define ATHANOR_DATA_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

struct Text {
  std::string name;                  // for messages and reports
  std::vector<std::string> symbols;  // by number: the characters, one UTF-8 string each
  std::vector<int32_t> ids;          // of each character of the text
};

// `symbols` empty: the characters of the text, sorted by code point. Otherwise those are the numbers, such as those of
// the training text; symbols of several characters ("<pad>") are in no text. A byte order mark at the start is passed
// over. DATA error naming `name`, byte (from 0), line (from 1) and value: what is not UTF-8, a NUL, a character that is
// not among the symbols; an empty text.
absl::StatusOr<Text> ParseText(absl::string_view bytes, absl::string_view name,
                               absl::Span<const std::string> symbols = {});
// The same for a file, which may be gzip. PATH or LIMIT error if it cannot be read.
absl::StatusOr<Text> ReadText(const std::string& path, absl::Span<const std::string> symbols = {});

// The symbols of `ids`, one behind the other. INDEX error for a number that has none.
absl::StatusOr<std::string> TextOfIds(absl::Span<const int32_t> ids, absl::Span<const std::string> symbols);

}  // namespace athanor

#endif  // ATHANOR_DATA_TEXT_H_
