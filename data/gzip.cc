#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int kGzipOnly = 15 + 16;  // zlib's windowBits: the largest window, a gzip header and trailer
constexpr size_t kScratchBytes = 64 << 10;
constexpr size_t kMaxStep = std::numeric_limits<uInt>::max();  // zlib counts in uInt

}  // namespace

bool IsGzip(absl::string_view bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

struct GzipReader::State {
  z_stream stream = {};
  absl::string_view rest;  // not yet given to zlib, apart from what stream.avail_in counts
  std::string name;
  bool ended = false;  // between members or at the end
  absl::Status status;

  int64_t Unread() const { return static_cast<int64_t>(rest.size()) + stream.avail_in; }
  void Feed();
  absl::Status Step();
  absl::Status NextMember();
};

void GzipReader::State::Feed() {
  if (stream.avail_in != 0) return;
  size_t n = std::min(rest.size(), kMaxStep);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
  stream.avail_in = static_cast<uInt>(n);
  rest.remove_prefix(n);
}

// Decodes until the output is full, the member ends or the input does.
absl::Status GzipReader::State::Step() {
  int64_t unread_before = Unread();
  uInt room_before = stream.avail_out;
  int result = inflate(&stream, Z_NO_FLUSH);
  if (result == Z_STREAM_END) {
    ended = true;
    return absl::OkStatus();
  }
  if (result == Z_MEM_ERROR) return MakeError(ErrorClass::kLimit, "%s: no memory to decode gzip", name);
  if (result != Z_OK && result != Z_BUF_ERROR) {
    return MakeError(ErrorClass::kData, "%s: broken gzip data: %s", name, stream.msg ? stream.msg : "zlib error");
  }
  if (Unread() == unread_before && stream.avail_out == room_before) {
    return MakeError(ErrorClass::kData, "%s: truncated gzip data: it ends within the compressed stream", name);
  }
  return absl::OkStatus();
}

absl::Status GzipReader::State::NextMember() {
  rest = absl::string_view(reinterpret_cast<const char*>(stream.next_in), Unread());
  stream.avail_in = 0;
  if (!IsGzip(rest)) {
    return MakeError(ErrorClass::kData, "%s: %d bytes of garbage follow the gzip data", name, rest.size());
  }
  inflateReset(&stream);
  ended = false;
  return absl::OkStatus();
}

GzipReader::GzipReader(absl::string_view bytes, absl::string_view name) : state_(std::make_unique<State>()) {
  state_->name = std::string(name);
  state_->rest = bytes;
  if (!IsGzip(bytes)) {
    state_->status = MakeError(ErrorClass::kData, "%s: not gzip (it does not start with 1f 8b)", name);
  } else if (inflateInit2(&state_->stream, kGzipOnly) != Z_OK) {
    state_->status = MakeError(ErrorClass::kLimit, "%s: no memory to decode gzip", name);
  }
}

GzipReader::~GzipReader() { inflateEnd(&state_->stream); }

absl::StatusOr<int64_t> GzipReader::Read(absl::Span<char> out) {
  State& s = *state_;
  size_t done = 0;
  while (s.status.ok() && done < out.size()) {
    if (s.ended && s.Unread() == 0) break;
    if (s.ended) {
      s.status = s.NextMember();
      continue;
    }
    s.Feed();
    uInt room = static_cast<uInt>(std::min(out.size() - done, kMaxStep));
    s.stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    s.stream.avail_out = room;
    s.status = s.Step();
    done += room - s.stream.avail_out;
  }
  if (!s.status.ok()) return s.status;
  return static_cast<int64_t>(done);
}

absl::StatusOr<int64_t> GunzippedSize(absl::string_view bytes, absl::string_view name, int64_t enough,
                                      const PieceCheck& check) {
  GzipReader reader(bytes, name);
  std::vector<char> scratch(kScratchBytes);
  int64_t size = 0;
  while (true) {
    ATH_ASSIGN_OR_RETURN(int64_t n, reader.Read(absl::MakeSpan(scratch)));
    size += n;
    if (size > enough) return size;
    if (check && n > 0) ATH_RETURN_IF_ERROR(check(absl::string_view(scratch.data(), n)));
    if (n == static_cast<int64_t>(scratch.size())) continue;
    if (check) ATH_RETURN_IF_ERROR(check(""));
    return size;
  }
}

absl::StatusOr<std::string> Gunzip(absl::string_view bytes, absl::string_view name, int64_t max_bytes,
                                   const PieceCheck& check) {
  ATH_ASSIGN_OR_RETURN(int64_t size, GunzippedSize(bytes, name, max_bytes, check));
  if (size > max_bytes) {
    return MakeError(ErrorClass::kLimit, "%s: decodes to more than the limit of %d bytes", name, max_bytes);
  }
  try {
    std::string content(size, '\0');
    GzipReader reader(bytes, name);
    ATH_RETURN_IF_ERROR(reader.Read(absl::MakeSpan(content.data(), content.size())).status());
    return content;
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "%s: no memory for its %d decoded bytes", name, size);
  }
}

absl::StatusOr<std::string> Gzip(absl::string_view bytes) {
  z_stream stream = {};
  std::string out;
  constexpr int kMemLevel = 9;
  bool ok = deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipOnly, kMemLevel, Z_DEFAULT_STRATEGY) == Z_OK;
  std::vector<char> scratch(kScratchBytes);
  for (int result = Z_OK; ok && result != Z_STREAM_END;) {
    if (stream.avail_in == 0) {
      absl::string_view piece = bytes.substr(0, kMaxStep);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
      stream.avail_in = static_cast<uInt>(piece.size());
      bytes.remove_prefix(piece.size());
    }
    stream.next_out = reinterpret_cast<Bytef*>(scratch.data());
    stream.avail_out = static_cast<uInt>(scratch.size());
    result = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    ok = result == Z_OK || result == Z_STREAM_END;
    out.append(scratch.data(), scratch.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  if (!ok) return MakeError(ErrorClass::kLimit, "no memory to encode gzip");
  return out;
}

absl::StatusOr<std::string> ReadFileMaybeGzip(const std::string& path, int64_t max_bytes,
                                              const PieceCheck& check) {
  absl::StatusOr<std::string> content = ReadFile(path, max_bytes);
  if (!content.ok() || !IsGzip(*content)) return content;
  return Gunzip(*content, path, max_bytes, check);
}

}  // namespace athanor
