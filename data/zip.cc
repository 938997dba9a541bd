#include "data/zip.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "data/limits.h"
#include "runtime/core/file.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr int64_t kMaxDeflateRatio = 1032;
constexpr int64_t kMinDirectoryEntryBytes = 46;
constexpr int64_t kFirstPiece = 1 << 20;

// The bytes of the archive: a file or memory. Reading changes nothing.
class Bytes {
 public:
  explicit Bytes(InputFile file) : file_(std::move(file)) {}
  explicit Bytes(absl::string_view memory) : memory_(memory) {}

  int64_t size() const { return file_ ? file_->size() : static_cast<int64_t>(memory_.size()); }
  absl::Status ReadAt(int64_t offset, void* out, int64_t n) const {
    if (file_) return file_->ReadAt(offset, out, n);
    ATH_CHECK(offset >= 0 && n >= 0 && offset + n <= size());
    std::memcpy(out, memory_.data() + offset, n);
    return absl::OkStatus();
  }

 private:
  std::optional<InputFile> file_;
  absl::string_view memory_;
};

// What libzip reads one handle's archive through.
struct Source {
  const Bytes* bytes;
  int64_t position = 0;
  zip_error_t error;
  absl::Status status;  // of the last read that failed

  zip_int64_t Read(void* out, zip_uint64_t wanted) {
    const int64_t n = std::min<int64_t>(bytes->size() - position, std::min<uint64_t>(wanted, INT64_MAX));
    status = bytes->ReadAt(position, out, n);
    if (!status.ok()) {
      zip_error_set(&error, ZIP_ER_READ, 0);
      return -1;
    }
    position += n;
    return n;
  }

  zip_int64_t Seek(void* data, zip_uint64_t length) {
    const zip_int64_t to = zip_source_seek_compute_offset(position, bytes->size(), data, length, &error);
    if (to < 0) return -1;
    position = to;
    return 0;
  }

  zip_int64_t Stat(void* data) {
    auto* stat = static_cast<zip_stat_t*>(data);
    zip_stat_init(stat);
    stat->valid = ZIP_STAT_SIZE;
    stat->size = bytes->size();
    return sizeof(*stat);
  }

  static zip_int64_t Callback(void* user, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    auto* s = static_cast<Source*>(user);
    switch (command) {
      case ZIP_SOURCE_OPEN:
        s->position = 0;
        return 0;
      case ZIP_SOURCE_READ:
        return s->Read(data, length);
      case ZIP_SOURCE_SEEK:
        return s->Seek(data, length);
      case ZIP_SOURCE_TELL:
        return s->position;
      case ZIP_SOURCE_STAT:
        return s->Stat(data);
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->error, data, length);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
        return 0;
      case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_SEEKABLE;
      default:
        zip_error_set(&s->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
  }
};

std::string ErrorText(zip_error_t* error) { return absl::CHexEscape(zip_error_strerror(error)); }

// One thread's view of the archive.
class Handle {
 public:
  static absl::StatusOr<std::unique_ptr<Handle>> Open(const Bytes& bytes, absl::string_view name) {
    auto h = std::make_unique<Handle>();
    h->source_.bytes = &bytes;
    zip_error_init(&h->source_.error);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_function_create(Source::Callback, &h->source_, &error);
    if (source != nullptr) h->zip_ = zip_open_from_source(source, ZIP_RDONLY, &error);
    absl::Status status;
    if (h->zip_ == nullptr) {
      status = !h->source_.status.ok()
                   ? h->source_.status
                   : MakeError(ErrorClass::kData, "%s: broken ZIP archive: %s", name, ErrorText(&error));
      zip_source_free(source);
    }
    zip_error_fini(&error);
    if (!status.ok()) return status;
    return h;
  }

  Handle() = default;
  ~Handle() {
    if (zip_ != nullptr) zip_discard(zip_);
    zip_error_fini(&source_.error);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  zip_t* zip() { return zip_; }
  const absl::Status& read_status() const { return source_.status; }

 private:
  Source source_;
  zip_t* zip_ = nullptr;
};

uint64_t LittleEndian(absl::string_view bytes, size_t at, int n) {
  uint64_t v = 0;
  for (int i = n - 1; i >= 0; --i) v = v << 8 | static_cast<uint8_t>(bytes[at + i]);
  return v;
}

// libzip takes memory for as many entries as the archive claims to have: the claim of the 64-bit form, which stands
// before the end record, must be one that the file can hold.
absl::Status CheckClaims(const Bytes& bytes, absl::string_view name) {
  constexpr int64_t kEnd = 22, kLocator = 20, kEnd64 = 56, kMaxComment = 65535;
  const int64_t tail_bytes = std::min(bytes.size(), kMaxComment + kEnd + kLocator);
  std::string tail(tail_bytes, '\0');
  ATH_RETURN_IF_ERROR(bytes.ReadAt(bytes.size() - tail_bytes, tail.data(), tail_bytes));
  bool found = false;
  for (size_t at = 0; (at = tail.find("PK\x05\x06", at)) != std::string::npos; ++at) {
    found = true;
    if (at < kLocator || tail.compare(at - kLocator, 4, "PK\x06\x07") != 0) continue;
    const uint64_t offset = LittleEndian(tail, at - kLocator + 8, 8);
    if (offset > static_cast<uint64_t>(bytes.size()) || bytes.size() - static_cast<int64_t>(offset) < kEnd64) continue;
    char record[kEnd64];
    ATH_RETURN_IF_ERROR(bytes.ReadAt(offset, record, kEnd64));
    const uint64_t entries = LittleEndian(absl::string_view(record, kEnd64), 32, 8);
    if (entries > static_cast<uint64_t>(bytes.size() / kMinDirectoryEntryBytes)) {
      return MakeError(ErrorClass::kData, "%s: %d bytes cannot hold the declared %d entries", name, bytes.size(),
                       entries);
    }
  }
  if (!found) {
    return MakeError(ErrorClass::kData, "%s: not a ZIP archive, or a truncated one: no end record in its %d bytes",
                     name, bytes.size());
  }
  return absl::OkStatus();
}

absl::Status CheckName(absl::string_view entry, absl::string_view archive) {
  auto bad = [&](absl::string_view rule) {
    return MakeError(ErrorClass::kPath, "%s: the entry \"%s\" %s", archive, absl::CHexEscape(entry), rule);
  };
  if (entry.empty()) return bad("has no name");
  if (!IsPrintableUtf8(entry)) return bad("has a name with control characters");
  if (absl::StrContains(entry, '\\')) return bad("has a name with a backslash");
  if (entry[0] == '/' || (entry.size() > 1 && entry[1] == ':')) return bad("has an absolute name");
  for (absl::string_view part : absl::StrSplit(absl::StripSuffix(entry, "/"), '/')) {
    if (part.empty() || part == "." || part == "..") return bad("has a name with the part \"\", \".\" or \"..\"");
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const zip_stat_t& s, const std::string& path) {
  if (s.encryption_method != ZIP_EM_NONE) {
    return MakeError(ErrorClass::kData, "%s: the entry is encrypted; only entries without a password are read", path);
  }
  if (s.comp_method != ZIP_CM_STORE && s.comp_method != ZIP_CM_DEFLATE) {
    return MakeError(ErrorClass::kData, "%s: compression method %d is not read (only 0, stored, and 8, deflated)", path,
                     s.comp_method);
  }
  const int64_t ratio = s.comp_method == ZIP_CM_STORE ? 1 : kMaxDeflateRatio;
  if (s.size > static_cast<uint64_t>(INT64_MAX) || s.size / ratio > s.comp_size) {
    return MakeError(ErrorClass::kData, "%s: %d compressed bytes cannot hold the declared %d", path, s.comp_size,
                     s.size);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsZip(absl::string_view bytes) {
  return absl::StartsWith(bytes, "PK\x03\x04") || absl::StartsWith(bytes, "PK\x05\x06");
}

struct ZipArchive::State {
  State(Bytes b, absl::string_view n) : bytes(std::move(b)), name(n) {}

  Bytes bytes;
  std::string name;
  std::vector<ZipEntry> entries;
  std::vector<zip_uint64_t> index_of_entry;  // libzip's
  std::mutex mutex;
  std::vector<std::unique_ptr<Handle>> idle;  // guarded by mutex

  absl::StatusOr<std::unique_ptr<Handle>> Take() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (!idle.empty()) {
        std::unique_ptr<Handle> h = std::move(idle.back());
        idle.pop_back();
        return h;
      }
    }
    return Handle::Open(bytes, name);
  }
  void GiveBack(std::unique_ptr<Handle> h) {
    std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(h));
  }

  absl::Status List(zip_t* zip);
  absl::Status CheckAll() const;
  absl::StatusOr<std::string> ReadUpTo(int64_t index, int64_t bytes_wanted);
  absl::Status ReadFrom(Handle* handle, int64_t index, int64_t bytes_wanted, std::string* content);
};

absl::Status ZipArchive::State::List(zip_t* zip) {
  const zip_int64_t n = zip_get_num_entries(zip, 0);
  std::vector<std::pair<ZipEntry, zip_uint64_t>> all;
  all.reserve(n);
  for (zip_int64_t i = 0; i < n; ++i) {
    zip_stat_t s;
    if (zip_stat_index(zip, i, 0, &s) != 0 || s.name == nullptr) {
      return MakeError(ErrorClass::kData, "%s: broken ZIP archive: entry %d has no name or sizes", name, i);
    }
    ATH_RETURN_IF_ERROR(CheckName(s.name, name));
    ATH_RETURN_IF_ERROR(CheckEntry(s, absl::StrCat(name, ":", s.name)));
    all.push_back({{s.name, static_cast<int64_t>(s.size), static_cast<int64_t>(s.comp_size)}, s.index});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first.name < b.first.name; });
  for (auto& [entry, index] : all) {
    entries.push_back(std::move(entry));
    index_of_entry.push_back(index);
  }
  return CheckAll();
}

absl::Status ZipArchive::State::CheckAll() const {
  int64_t left = bytes.size();
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && entries[i].name == entries[i - 1].name) {
      return MakeError(ErrorClass::kData, "%s: the entry \"%s\" is there twice", name, entries[i].name);
    }
    if (entries[i].compressed_size > left) {
      return MakeError(ErrorClass::kData,
                       "%s: the entries together are larger than the archive of %d bytes: they overlap", name,
                       bytes.size());
    }
    left -= entries[i].compressed_size;
  }
  return absl::OkStatus();
}

// The content grows as the data comes: what a wrong size claims costs nothing.
absl::Status ZipArchive::State::ReadFrom(Handle* handle, int64_t index, int64_t bytes_wanted, std::string* content) {
  const std::string path = absl::StrCat(name, ":", entries[index].name);
  auto failed = [&](zip_error_t* error) {
    if (!handle->read_status().ok()) return AddContext(handle->read_status(), path);
    return MakeError(ErrorClass::kData, "%s: broken entry: %s", path, ErrorText(error));
  };
  zip_file_t* file = zip_fopen_index(handle->zip(), index_of_entry[index], 0);
  if (file == nullptr) return failed(zip_get_error(handle->zip()));
  std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> closer(file, zip_fclose);
  int64_t have = 0;
  while (have < bytes_wanted) {
    if (have == static_cast<int64_t>(content->size())) {
      content->resize(std::min(bytes_wanted, std::max(kFirstPiece, 2 * have)));
    }
    const zip_int64_t n = zip_fread(file, content->data() + have, content->size() - have);
    if (n < 0) return failed(zip_file_get_error(file));
    if (n == 0) {
      return MakeError(ErrorClass::kData, "%s: broken entry: it has %d bytes, not the declared %d", path, have,
                       entries[index].size);
    }
    have += n;
  }
  if (bytes_wanted < entries[index].size) return absl::OkStatus();
  char more;  // the CRC is checked at the end, which only another read finds
  const zip_int64_t n = zip_fread(file, &more, 1);
  if (n < 0) return failed(zip_file_get_error(file));
  if (n > 0) {
    return MakeError(ErrorClass::kData, "%s: broken entry: it has more than the declared %d bytes", path, have);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ZipArchive::State::ReadUpTo(int64_t index, int64_t bytes_wanted) {
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Handle> handle, Take());
  std::string content;
  absl::Status status;
  try {
    status = ReadFrom(handle.get(), index, std::min(bytes_wanted, entries[index].size), &content);
  } catch (const std::bad_alloc&) {
    status = MakeError(ErrorClass::kLimit, "%s:%s: no memory for its %d bytes", name, entries[index].name,
                       entries[index].size);
  }
  GiveBack(std::move(handle));
  if (!status.ok()) return status;
  return content;
}

ZipArchive::ZipArchive(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZipArchive::~ZipArchive() = default;

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::OpenState(std::unique_ptr<State> state) {
  ATH_RETURN_IF_ERROR(CheckClaims(state->bytes, state->name));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Handle> handle, Handle::Open(state->bytes, state->name));
  ATH_RETURN_IF_ERROR(state->List(handle->zip()));
  state->GiveBack(std::move(handle));
  return std::unique_ptr<ZipArchive>(new ZipArchive(std::move(state)));
}

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::Open(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  return OpenState(std::make_unique<State>(Bytes(std::move(file)), path));
}

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::OpenBytes(absl::string_view bytes, absl::string_view name) {
  return OpenState(std::make_unique<State>(Bytes(bytes), name));
}

const std::string& ZipArchive::name() const { return state_->name; }
const std::vector<ZipEntry>& ZipArchive::entries() const { return state_->entries; }

std::optional<int64_t> ZipArchive::Find(absl::string_view entry_name) const {
  const std::vector<ZipEntry>& all = state_->entries;
  auto at = std::lower_bound(all.begin(), all.end(), entry_name,
                             [](const ZipEntry& e, absl::string_view wanted) { return e.name < wanted; });
  if (at == all.end() || at->name != entry_name) return std::nullopt;
  return at - all.begin();
}

std::string ZipArchive::EntryPath(int64_t index) const {
  return absl::StrCat(state_->name, ":", state_->entries[index].name);
}

absl::StatusOr<std::string> ZipArchive::Read(int64_t index, int64_t max_bytes) const {
  const int64_t size = state_->entries[index].size;
  if (size > max_bytes) {
    return MakeError(ErrorClass::kLimit, "%s: %d bytes are above the limit of %d", EntryPath(index), size, max_bytes);
  }
  return state_->ReadUpTo(index, size);
}

absl::StatusOr<std::string> ZipArchive::ReadStart(int64_t index, int64_t bytes) const {
  return state_->ReadUpTo(index, bytes);
}

}  // namespace athanor
