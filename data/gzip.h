// gzip (RFC 1952) in memory: decoding that checks everything there is to check, and encoding that depends on the
// content alone. A stream of several members, one behind the other, is one content.
#ifndef ATHANOR_DATA_GZIP_H_
#define ATHANOR_DATA_GZIP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

// Whether `bytes` start as gzip does (1f 8b); says nothing of the rest.
bool IsGzip(absl::string_view bytes);

// Decodes piece by piece, in constant memory. `bytes` must outlive the reader; `name` names the file in errors.
// Errors are of class DATA (no gzip, truncated, CRC or length wrong, garbage after the end) or LIMIT (no memory).
class GzipReader {
 public:
  GzipReader(absl::string_view bytes, absl::string_view name);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // Decodes the next bytes into `out` and returns how many there were: fewer than asked for only at the end. A checksum
  // is checked when its member's end is reached, so all is sound only once a call has returned fewer than asked for.
  absl::StatusOr<int64_t> Read(absl::Span<char> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The size of the decoded content, after checking the stream to its end without keeping it: a small file that decodes
// to much, or is broken near its end, costs no memory. Stops early once the size is above `enough`, and then returns
// some number above it.
//
// `check`, if there is one, gets the content piece by piece and ends all with an error: so a fault of the content costs
// no memory either. Pieces are not empty; at the end it gets an empty one.
using PieceCheck = std::function<absl::Status(absl::string_view piece)>;
absl::StatusOr<int64_t> GunzippedSize(absl::string_view bytes, absl::string_view name, int64_t enough,
                                      const PieceCheck& check = nullptr);

// The decoded content, allocated once the stream has been checked. LIMIT error for more than `max_bytes`.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes, absl::string_view name, int64_t max_bytes,
                                   const PieceCheck& check = nullptr);

// `bytes` as one gzip member, best compression, without name and time. LIMIT error if there is no memory.
absl::StatusOr<std::string> Gzip(absl::string_view bytes);

// The content of a file, decoded if it is gzip, whatever its name. `max_bytes` bounds the file and the decoded content;
// `check` is for what is decoded, a plain file's content is left to the caller. PATH, LIMIT or DATA error naming the
// file.
absl::StatusOr<std::string> ReadFileMaybeGzip(const std::string& path, int64_t max_bytes,
                                              const PieceCheck& check = nullptr);

}  // namespace athanor

#endif  // ATHANOR_DATA_GZIP_H_
