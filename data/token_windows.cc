#include "data/token_windows.h"

#include <algorithm>
#include <utility>

#include "runtime/core/philox.h"

namespace athanor {
namespace {

// DO NOT CHANGE: keeps the phases' streams apart from those of other users of the seed ("phas").
constexpr uint64_t kPhaseStreams = uint64_t{0x70686173} << 32;

class TokenWindows : public SampleSource {
 public:
  TokenWindows(std::shared_ptr<const std::vector<int32_t>> tokens, const TokenWindowsOptions& options, int64_t windows)
      : tokens_(std::move(tokens)),
        options_(options),
        windows_(windows),
        fields_({{"x", DType::kS32, {options.length}}, {"labels", DType::kS32, {options.length}}}) {}

  int64_t size() const override { return windows_; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  absl::Status Read(int64_t index, int64_t epoch, absl::Span<const TensorView> out) const override {
    const int64_t t = options_.length;
    int64_t phase = 0;
    if (options_.phase_seed) {
      const uint32_t bits = Philox(*options_.phase_seed, kPhaseStreams ^ static_cast<uint64_t>(epoch)).Block(0)[0];
      phase = static_cast<int64_t>(uint64_t{bits} * static_cast<uint64_t>(t) >> 32);
    }
    const int32_t* first = tokens_->data() + options_.begin + phase + index * t;
    std::copy(first, first + t, out[0].as<int32_t>().data());
    std::copy(first + 1, first + 1 + t, out[1].as<int32_t>().data());
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const std::vector<int32_t>> tokens_;
  const TokenWindowsOptions options_;
  const int64_t windows_;
  const std::vector<FieldSpec> fields_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const SampleSource>> MakeTokenWindows(std::shared_ptr<const std::vector<int32_t>> tokens,
                                                                     const TokenWindowsOptions& options) {
  constexpr int64_t kMaxLength = int64_t{1} << 24;
  if (options.length < 1 || options.length > kMaxLength) {
    return MakeError(ErrorClass::kReq, "%s: the sequence length is %d, it must be 1 .. %d", options.name,
                     options.length, kMaxLength);
  }
  const int64_t n = options.end - options.begin;
  if (options.begin < 0 || n < 0 || options.end > static_cast<int64_t>(tokens->size())) {
    return MakeError(ErrorClass::kReq, "%s: the tokens %d .. %d are not among the %d there are", options.name,
                     options.begin, options.end, tokens->size());
  }
  // The last window needs one token more for its labels, and room for the largest phase.
  const int64_t windows = (n - 1 - (options.phase_seed ? options.length - 1 : 0)) / options.length;
  if (windows < 1) {
    return MakeError(ErrorClass::kData, "%s: %d characters do not hold a sequence of %d%s", options.name, n,
                     options.length, options.phase_seed ? " at every phase" : "");
  }
  return std::shared_ptr<const SampleSource>(new TokenWindows(std::move(tokens), options, windows));
}

}  // namespace athanor
