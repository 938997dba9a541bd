#include "data/vocabulary.h"

#include <set>

#include "runtime/core/utf8.h"

namespace athanor {
namespace {

// Bytes of the character that begins here; 0 if it is not UTF-8.
size_t CharacterBytes(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < n) return 0;
  // U+0080..U+009F and the line separators are no printable characters, but they are UTF-8.
  if (n == 2 && lead == 0xC2) return (static_cast<unsigned char>(text[1]) & 0xC0) == 0x80 ? 2 : 0;
  if (text.substr(0, 3) == "\xE2\x80\xA8" || text.substr(0, 3) == "\xE2\x80\xA9") return 3;
  return IsPrintableUtf8(text.substr(0, n)) ? n : 0;
}

uint32_t CodePoint(absl::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  uint32_t point = character.size() == 1 ? lead : lead & (0x7F >> character.size());
  for (size_t i = 1; i < character.size(); ++i) point = point << 6 | (static_cast<unsigned char>(character[i]) & 0x3F);
  return point;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitCharacters(absl::string_view text) {
  std::vector<std::string> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t n = CharacterBytes(text.substr(at));
    if (n == 0) {
      return MakeError(ErrorClass::kData, "byte %d (0x%02x) of the text is not UTF-8", at,
                       static_cast<unsigned char>(text[at]));
    }
    characters.emplace_back(text.substr(at, n));
    at += n;
  }
  return characters;
}

std::string DescribeCharacter(absl::string_view character) {
  if (character != " " && IsPrintableUtf8(character)) return absl::StrFormat("\"%s\"", character);
  return absl::StrFormat("U+%04X", CodePoint(character));
}

absl::StatusOr<Vocabulary> Vocabulary::Create(std::vector<std::string> symbols) {
  if (symbols.empty()) return MakeError(ErrorClass::kData, "the vocabulary has no symbols");
  Vocabulary v;
  v.ascii_.fill(-1);
  for (size_t i = 0; i < symbols.size(); ++i) {
    const std::string& symbol = symbols[i];
    const auto number = static_cast<int32_t>(i);
    if (symbol.empty()) return MakeError(ErrorClass::kData, "symbol %d of the vocabulary is empty", i);
    if (!v.numbers_.emplace(symbol, number).second) {
      return MakeError(ErrorClass::kData, "symbol %d of the vocabulary, \"%s\", is there before, as number %d", i, symbol,
                       v.numbers_[symbol]);
    }
    const auto first = static_cast<unsigned char>(symbol[0]);
    if (symbol.size() == 1 && first < 128) v.ascii_[first] = number;
  }
  v.symbols_ = std::move(symbols);
  return v;
}

absl::StatusOr<Vocabulary> Vocabulary::OfText(absl::string_view text) {
  if (text.empty()) return MakeError(ErrorClass::kData, "the text is empty");
  ATH_ASSIGN_OR_RETURN(std::vector<std::string> characters, SplitCharacters(text));
  // UTF-8 sorts as its code points do.
  const std::set<std::string> all(characters.begin(), characters.end());
  return Create({all.begin(), all.end()});
}

int32_t Vocabulary::Find(absl::string_view symbol) const {
  if (symbol.size() == 1 && static_cast<unsigned char>(symbol[0]) < 128) {
    return symbols_.empty() ? -1 : ascii_[static_cast<unsigned char>(symbol[0])];
  }
  auto it = numbers_.find(std::string(symbol));
  return it == numbers_.end() ? -1 : it->second;
}

absl::StatusOr<std::vector<int32_t>> Vocabulary::Encode(absl::string_view text) const {
  ATH_ASSIGN_OR_RETURN(std::vector<std::string> characters, SplitCharacters(text));
  std::vector<int32_t> numbers;
  numbers.reserve(characters.size());
  for (size_t i = 0; i < characters.size(); ++i) {
    numbers.push_back(Find(characters[i]));
    if (numbers.back() < 0) {
      return MakeError(ErrorClass::kData, "character %d, %s, is not among the %d of the vocabulary", i + 1,
                       DescribeCharacter(characters[i]), size());
    }
  }
  return numbers;
}

}  // namespace athanor
