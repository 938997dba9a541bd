// The symbols of a text by number: characters (UTF-8), and names such as "<pad>" that no text holds.
#ifndef ATHANOR_DATA_VOCABULARY_H_
#define ATHANOR_DATA_VOCABULARY_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

// The characters of a text, one string each. DATA error naming the first byte that is not UTF-8.
absl::StatusOr<std::vector<std::string>> SplitCharacters(absl::string_view text);

// A character as errors show it: itself in quotes, or its number (U+000A) if it cannot be seen.
std::string DescribeCharacter(absl::string_view character);

// Copyable; safe to use from several threads.
class Vocabulary {
 public:
  Vocabulary() = default;
  // By number from 0 on. DATA error for none, for an empty symbol and for one that is there twice.
  static absl::StatusOr<Vocabulary> Create(std::vector<std::string> symbols);
  // The characters of a text in the order of their code points. DATA error for a text that is empty or not UTF-8.
  static absl::StatusOr<Vocabulary> OfText(absl::string_view text);

  int64_t size() const { return static_cast<int64_t>(symbols_.size()); }
  const std::vector<std::string>& symbols() const { return symbols_; }
  // -1 when there is none.
  int32_t Find(absl::string_view symbol) const;
  // A number for each character. DATA error naming the first character that is not among the symbols, and its place.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text) const;

 private:
  std::vector<std::string> symbols_;
  std::map<std::string, int32_t, std::less<>> numbers_;
  std::array<int32_t, 128> ascii_{};  // -1: none
};

}  // namespace athanor

#endif  // ATHANOR_DATA_VOCABULARY_H_
