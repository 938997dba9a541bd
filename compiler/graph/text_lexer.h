// The tokens of the text of graphs and of programs, for their parsers.
#ifndef ATHANOR_COMPILER_GRAPH_TEXT_LEXER_H_
#define ATHANOR_COMPILER_GRAPH_TEXT_LEXER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "runtime/core/attributes.h"
#include "runtime/core/status.h"

namespace athanor::internal {

// A cursor. What parses a token skips the space and comments before it; what finds no token leaves the cursor where it
// was.
class TextLexer {
 public:
  TextLexer(absl::string_view text, absl::string_view name) : text_(text), name_(name) {}

  size_t position() const { return pos_; }
  // "FORMAT: NAME:LINE:COLUMN: message", for the place where the next token begins, or for a position.
  absl::Status Error(absl::string_view message) const;
  // "NAME:LINE:COLUMN"
  std::string Place(size_t position) const;
  absl::Status ErrorAt(size_t position, absl::string_view message, ErrorClass c = ErrorClass::kFormat) const;

  bool AtEnd() const { return SkipSpace(pos_) == text_.size(); }
  // The next character behind the space; '\0' at the end.
  char Peek() const;
  bool TryToken(absl::string_view token);
  absl::Status Expect(absl::string_view token);
  // A word of the language: it must end where the name does.
  bool TryKeyword(absl::string_view word);
  // A name, plain or quoted. `what` is for the error.
  absl::Status Name(absl::string_view what, std::string* out);
  absl::Status String(absl::string_view what, std::string* out);
  // "%" and a name.
  absl::Status ValueName(std::string* out);
  // A maximal run of letters, digits and "_+-.", and with `parens` of "()".
  absl::string_view Atom(bool parens = false);
  absl::Status Integer(absl::string_view what, int64_t* out);
  // "{a=1, ...}"
  absl::Status Attrs(Attributes* out);
  // The comment that follows on this line, without "; "; empty when there is none.
  absl::Status TrailingComment(std::string* out);

 private:
  size_t SkipSpace(size_t at) const;
  std::string NextForError() const;
  absl::Status AttrValueOf(AttrValue* out);
  absl::Status ListOf(AttrValue* out);
  absl::Status NumberOf(AttrValue* out);

  absl::string_view text_, name_;
  size_t pos_ = 0;
};

}  // namespace athanor::internal

#endif  // ATHANOR_COMPILER_GRAPH_TEXT_LEXER_H_
