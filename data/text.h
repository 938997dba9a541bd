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

// The last `test_fraction` (between 0 and 1) of `ids`, rounded down, is the test part: what follows is not known while
// training. ATTR error for a fraction out of range, DATA error if a part would be empty. The parts are views.
struct TextSplit {
  absl::Span<const int32_t> train, test;
};
absl::StatusOr<TextSplit> SplitText(absl::Span<const int32_t> ids, double test_fraction);

// Pieces of a text as samples of a language model: window i is the `length` characters from i * stride on, its labels
// those one further. Stride `length` gives each character once an epoch, stride 1 every window there is; over a part
// that starts elsewhere the text is cut at other places. Does not own the text, which must outlive it. Safe to use from
// several threads.
class TextWindows {
 public:
  // ATTR error for a length or stride below 1, DATA error if the text has not one window: length + 1 characters.
  static absl::StatusOr<TextWindows> Create(absl::Span<const int32_t> ids, int64_t length, int64_t stride);

  int64_t size() const { return size_; }
  int64_t length() const { return length_; }
  // `x` and `labels` have length() elements; 0 <= index < size().
  void Get(int64_t index, absl::Span<int32_t> x, absl::Span<int32_t> labels) const;

 private:
  absl::Span<const int32_t> ids_;
  int64_t length_ = 0, stride_ = 0, size_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_DATA_TEXT_H_
