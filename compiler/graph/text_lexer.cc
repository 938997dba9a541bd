#include "compiler/graph/text_lexer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"

namespace athanor::internal {
namespace {

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNameChar(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '/' || c == '$'; }
bool IsAtomChar(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '+' || c == '-'; }

}  // namespace

std::string TextLexer::Place(size_t position) const {
  position = SkipSpace(std::min(position, text_.size()));
  absl::string_view before = text_.substr(0, position);
  int64_t line = 1 + std::count(before.begin(), before.end(), '\n');
  size_t start = before.rfind('\n');
  size_t column = start == before.npos ? position + 1 : position - start;
  return absl::StrCat(name_, ":", line, ":", column);
}

absl::Status TextLexer::ErrorAt(size_t position, absl::string_view message, ErrorClass c) const {
  return MakeError(c, "%s: %s", Place(position), message);
}

absl::Status TextLexer::Error(absl::string_view message) const { return ErrorAt(pos_, message); }

std::string TextLexer::NextForError() const {
  size_t at = SkipSpace(pos_);
  if (at == text_.size()) return "the text ends";
  absl::string_view rest = text_.substr(at, 20);
  size_t length = 1;
  while (length < rest.size() && IsNameChar(rest[0]) && IsNameChar(rest[length])) ++length;
  return absl::StrCat("found \"", absl::CHexEscape(rest.substr(0, length)), "\"");
}

size_t TextLexer::SkipSpace(size_t at) const {
  while (at < text_.size()) {
    if (text_[at] == ';') {
      size_t end = text_.find('\n', at);
      at = end == text_.npos ? text_.size() : end;
    } else if (absl::ascii_isspace(text_[at])) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

char TextLexer::Peek() const {
  size_t at = SkipSpace(pos_);
  return at < text_.size() ? text_[at] : '\0';
}

bool TextLexer::TryToken(absl::string_view token) {
  size_t at = SkipSpace(pos_);
  if (!absl::StartsWith(text_.substr(at), token)) return false;
  pos_ = at + token.size();
  return true;
}

absl::Status TextLexer::Expect(absl::string_view token) {
  if (TryToken(token)) return absl::OkStatus();
  return Error(absl::StrCat("expected \"", token, "\", but ", NextForError()));
}

bool TextLexer::TryKeyword(absl::string_view word) {
  size_t at = SkipSpace(pos_), end = at + word.size();
  if (!absl::StartsWith(text_.substr(at), word)) return false;
  if (end < text_.size() && IsNameChar(text_[end])) return false;
  pos_ = end;
  return true;
}

absl::Status TextLexer::Name(absl::string_view what, std::string* out) {
  size_t at = SkipSpace(pos_), end = at;
  if (at < text_.size() && text_[at] == '"') return String(what, out);
  if (at == text_.size() || !IsNameStart(text_[at])) {
    return Error(absl::StrCat("expected ", what, ", but ", NextForError()));
  }
  while (end < text_.size() && IsNameChar(text_[end])) ++end;
  out->assign(text_.data() + at, end - at);
  pos_ = end;
  return absl::OkStatus();
}

absl::Status TextLexer::String(absl::string_view what, std::string* out) {
  size_t at = SkipSpace(pos_);
  if (at == text_.size() || text_[at] != '"') {
    return Error(absl::StrCat("expected ", what, " in quotes, but ", NextForError()));
  }
  size_t end = at + 1;
  while (end < text_.size() && text_[end] != '"' && text_[end] != '\n') end += text_[end] == '\\' ? 2 : 1;
  if (end >= text_.size() || text_[end] != '"') return Error("a quoted text does not end on its line");
  std::string why;
  if (!absl::CUnescape(text_.substr(at + 1, end - at - 1), out, &why)) {
    return Error(absl::StrCat("bad escape in a quoted text: ", why));
  }
  pos_ = end + 1;
  return absl::OkStatus();
}

absl::Status TextLexer::ValueName(std::string* out) {
  size_t at = SkipSpace(pos_), end = at + 1;
  if (at == text_.size() || text_[at] != '%') {
    return Error(absl::StrCat("expected a value like %x, but ", NextForError()));
  }
  if (end < text_.size() && text_[end] == '"') {
    pos_ = end;
    return String("a value's name", out);
  }
  while (end < text_.size() && IsNameChar(text_[end])) ++end;
  if (end == at + 1) return Error("\"%\" without a value's name");
  out->assign(text_.data() + at + 1, end - at - 1);
  pos_ = end;
  return absl::OkStatus();
}

absl::string_view TextLexer::Atom(bool parens) {
  size_t at = SkipSpace(pos_), end = at;
  while (end < text_.size() && (IsAtomChar(text_[end]) || (parens && (text_[end] == '(' || text_[end] == ')')))) {
    ++end;
  }
  if (end != at) pos_ = end;
  return text_.substr(at, end - at);
}

absl::Status TextLexer::Integer(absl::string_view what, int64_t* out) {
  size_t at = pos_;
  absl::string_view atom = Atom();
  if (absl::SimpleAtoi(atom, out)) return absl::OkStatus();
  pos_ = at;
  return Error(absl::StrCat("expected ", what, " (a 64-bit integer), but ", NextForError()));
}

absl::Status TextLexer::NumberOf(AttrValue* out) {
  size_t at = pos_;
  absl::string_view atom = Atom();
  int64_t i;
  double d;
  if (atom == "true" || atom == "false") {
    *out = atom == "true";
  } else if (absl::SimpleAtoi(atom, &i)) {
    *out = i;
  } else if (atom.find_first_of(".en") != atom.npos && ParseElement(atom, DType::kF64, &d)) {  // no overflowing integer
    *out = d;
  } else {
    pos_ = at;
    return Error(absl::StrCat("expected an attribute's value, but ", NextForError()));
  }
  return absl::OkStatus();
}

absl::Status TextLexer::ListOf(AttrValue* out) {
  ATH_RETURN_IF_ERROR(Expect("["));
  Ints ints;
  Floats floats;  // all numbers, and whether one of them is no integer
  bool any_float = false;
  Strings strings;
  bool is_text = Peek() == '"';
  do {
    if (is_text) {
      strings.emplace_back();
      ATH_RETURN_IF_ERROR(String("a text", &strings.back()));
      continue;
    }
    size_t at = pos_;
    AttrValue v;
    ATH_RETURN_IF_ERROR(NumberOf(&v));
    if (const int64_t* i = std::get_if<int64_t>(&v)) {
      ints.push_back(*i);
      floats.push_back(static_cast<double>(*i));
    } else if (const double* d = std::get_if<double>(&v)) {
      any_float = true;
      floats.push_back(*d);
    } else {
      return ErrorAt(at, "a list holds numbers or texts");
    }
  } while (TryToken(","));
  if (is_text) {
    *out = std::move(strings);
  } else if (any_float) {
    *out = std::move(floats);
  } else {
    *out = std::move(ints);
  }
  return Expect("]");
}

absl::Status TextLexer::AttrValueOf(AttrValue* out) {
  if (Peek() == '[') return ListOf(out);
  if (Peek() == '"') return String("a text", &out->emplace<std::string>());
  if (TryKeyword("ints")) {
    out->emplace<Ints>();
  } else if (TryKeyword("floats")) {
    out->emplace<Floats>();
  } else if (TryKeyword("strings")) {
    out->emplace<Strings>();
  } else {
    return NumberOf(out);
  }
  ATH_RETURN_IF_ERROR(Expect("["));
  return Expect("]");
}

absl::Status TextLexer::Attrs(Attributes* out) {
  ATH_RETURN_IF_ERROR(Expect("{"));
  if (TryToken("}")) return absl::OkStatus();
  do {
    size_t at = pos_;
    std::string name;
    AttrValue value;
    ATH_RETURN_IF_ERROR(Name("an attribute's name", &name));
    if (out->Has(name)) return ErrorAt(at, absl::StrCat("attribute \"", absl::CHexEscape(name), "\" is given twice"));
    ATH_RETURN_IF_ERROR(Expect("="));
    ATH_RETURN_IF_ERROR(AttrValueOf(&value));
    out->Set(name, std::move(value));
  } while (TryToken(","));
  return Expect("}");
}

absl::Status TextLexer::TrailingComment(std::string* out) {
  size_t at = pos_;
  while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
  if (at == text_.size() || text_[at] != ';') return absl::OkStatus();
  size_t end = std::min(text_.find('\n', at), text_.size());
  absl::string_view comment = text_.substr(at + 1, end - at - 1);
  if (!comment.empty() && comment.back() == '\r') comment.remove_suffix(1);
  if (!comment.empty() && comment.front() == ' ') comment.remove_prefix(1);
  std::string why;
  // ErrorAt would skip a comment, so the error is placed by the token before it.
  if (!absl::CUnescape(comment, out, &why)) return Error(absl::StrCat("bad escape in the comment before this: ", why));
  pos_ = end;
  return absl::OkStatus();
}

}  // namespace athanor::internal
