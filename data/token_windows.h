// Windows of a long text for a language model: x is T tokens, labels the T that follow each of them.
#ifndef ATHANOR_DATA_TOKEN_WINDOWS_H_
#define ATHANOR_DATA_TOKEN_WINDOWS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

struct TokenWindowsOptions {
  std::string name;        // of the text, for errors
  int64_t begin = 0, end = 0;  // the tokens that are used: begin <= i < end
  int64_t length = 64;     // T
  // Windows lie side by side. With a seed they begin, in each epoch, at a random one of the first T tokens, so that not
  // every epoch cuts the text at the same places.
  std::optional<uint64_t> phase_seed;
};

// Fields "x" and "labels", both s32 [T]; as many samples as whole windows fit (whatever the phase). REQ error for a
// length below 1 or a range outside; DATA error if there is not one window.
absl::StatusOr<std::shared_ptr<const SampleSource>> MakeTokenWindows(std::shared_ptr<const std::vector<int32_t>> tokens,
                                                                     const TokenWindowsOptions& options);

}  // namespace athanor

#endif  // ATHANOR_DATA_TOKEN_WINDOWS_H_
