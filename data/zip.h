// ZIP archives, through libzip: reading entries in place, and writing small archives whole.
#ifndef ATHANOR_DATA_ZIP_H_
#define ATHANOR_DATA_ZIP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/core/status.h"

namespace athanor {

// Whether `bytes` start as a ZIP archive does (PK 3 4, or PK 5 6 if it is empty); says nothing of the rest.
bool IsZip(absl::string_view bytes);

struct ZipEntry {
  std::string name;             // with '/'; that of a folder ends with '/'
  int64_t size = 0;             // decoded
  int64_t compressed_size = 0;  // in the archive
};

// An open archive, read at any entry. Safe to use from several threads, each of which gets a decoder of its own; all
// read the file that was opened, also if it is replaced meanwhile.
//
// Entries are stored or deflated. Refused at the open, naming archive and entry: other compressions, encryption, names
// that lead outside (absolute, "..", backslash, control characters: PATH error), one name twice, entries that overlap
// and sizes that the bytes cannot hold (DATA error).
class ZipArchive {
 public:
  // PATH error if the file cannot be read, DATA error if it is no sound archive.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> Open(const std::string& path);
  // The same for an archive in memory, which must outlive this; `name` is that of the file in errors.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> OpenBytes(absl::string_view bytes, absl::string_view name);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::string& name() const;
  // Sorted by name, bytewise.
  const std::vector<ZipEntry>& entries() const;
  // The index in entries() of this name.
  std::optional<int64_t> Find(absl::string_view entry_name) const;
  // "archive.zip:entry", for messages.
  std::string EntryPath(int64_t index) const;

  // The decoded content. LIMIT error above `max_bytes`, before memory is taken; DATA error naming archive and entry if
  // it is broken: length and CRC are checked.
  absl::StatusOr<std::string> Read(int64_t index, int64_t max_bytes) const;
  // The first `bytes` of the content, or all of it if it has fewer; the CRC is not checked.
  absl::StatusOr<std::string> ReadStart(int64_t index, int64_t bytes) const;

 private:
  struct State;
  explicit ZipArchive(std::unique_ptr<State> state);
  static absl::StatusOr<std::unique_ptr<ZipArchive>> OpenState(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ZipContent {
  std::string name;
  std::string bytes;
};

// An archive of these entries in this order, each stored or deflated. The bytes depend on the arguments alone: the
// entries have the time 1980-01-01. LIMIT error if there is no memory, REQ error for a name that is there twice.
absl::StatusOr<std::string> FormatZip(absl::Span<const ZipContent> entries, bool deflate);

}  // namespace athanor

#endif  // ATHANOR_DATA_ZIP_H_
