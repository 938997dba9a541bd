#include "data/npz.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "data/limits.h"
#include "data/npy.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr absl::string_view kEnding = ".npy";

std::string Listed(const std::vector<std::string>& names) {
  constexpr size_t kMaxShown = 20;
  if (names.empty()) return "no arrays";
  absl::Span<const std::string> shown = absl::MakeConstSpan(names).subspan(0, kMaxShown);
  return absl::StrCat(absl::CHexEscape(absl::StrJoin(shown, ", ")), names.size() > kMaxShown ? ", ..." : "");
}

}  // namespace

absl::StatusOr<NpzFile> NpzFile::FromArchive(absl::StatusOr<std::unique_ptr<ZipArchive>> archive) {
  if (!archive.ok()) return archive.status();
  NpzFile file;
  file.archive_ = *std::move(archive);
  for (const ZipEntry& entry : file.archive_->entries()) {
    if (!absl::EndsWith(entry.name, kEnding) || entry.name.size() == kEnding.size()) {
      return MakeError(ErrorClass::kData, "%s: the entry \"%s\" is no array (NAME.npy)", file.archive_->name(),
                       entry.name);
    }
    file.names_.emplace_back(absl::StripSuffix(entry.name, kEnding));
  }
  std::sort(file.names_.begin(), file.names_.end());
  return file;
}

absl::StatusOr<NpzFile> NpzFile::Open(const std::string& path) { return FromArchive(ZipArchive::Open(path)); }

absl::StatusOr<NpzFile> NpzFile::OpenBytes(absl::string_view bytes, absl::string_view name) {
  return FromArchive(ZipArchive::OpenBytes(bytes, name));
}

bool NpzFile::Has(absl::string_view name) const { return std::binary_search(names_.begin(), names_.end(), name); }

absl::StatusOr<int64_t> NpzFile::EntryOf(absl::string_view name) const {
  const std::optional<int64_t> entry = archive_->Find(absl::StrCat(name, kEnding));
  if (!entry) {
    return MakeError(ErrorClass::kData, "%s: there is no array \"%s\", only %s", archive_->name(),
                     absl::CHexEscape(name), Listed(names_));
  }
  return *entry;
}

absl::StatusOr<Shape> NpzFile::ReadShape(absl::string_view name) const {
  ATH_ASSIGN_OR_RETURN(const int64_t entry, EntryOf(name));
  ATH_ASSIGN_OR_RETURN(const std::string start, archive_->ReadStart(entry, kNpyHeaderBytes));
  return NpyShape(start, archive_->EntryPath(entry));
}

absl::StatusOr<Tensor> NpzFile::Read(absl::string_view name) const {
  ATH_ASSIGN_OR_RETURN(const int64_t entry, EntryOf(name));
  const std::string path = archive_->EntryPath(entry);
  ATH_ASSIGN_OR_RETURN(std::string start, archive_->ReadStart(entry, kNpyHeaderBytes));
  ATH_ASSIGN_OR_RETURN(int64_t needed, NpyFileBytes(start, path));
  const int64_t size = archive_->entries()[entry].size;
  if (needed != size) {
    return MakeError(ErrorClass::kData, "%s: by its header the array has %d bytes, there are %d", path, needed, size);
  }
  ATH_ASSIGN_OR_RETURN(std::string bytes, archive_->Read(entry, kMaxDataFileBytes));
  return ParseNpy(bytes, path);
}

absl::StatusOr<std::vector<NamedTensor>> ReadNpz(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(NpzFile file, NpzFile::Open(path));
  std::vector<NamedTensor> all;
  for (const std::string& name : file.names()) {
    ATH_ASSIGN_OR_RETURN(Tensor t, file.Read(name));
    all.push_back({name, std::move(t)});
  }
  return all;
}

absl::StatusOr<std::string> FormatNpz(absl::Span<const NamedTensor> arrays, bool deflate) {
  std::vector<ZipContent> entries;
  for (const NamedTensor& a : arrays) {
    absl::StatusOr<std::string> bytes = FormatNpyHeader(a.tensor);
    if (!bytes.ok()) return AddContext(bytes.status(), a.name);
    bytes->append(static_cast<const char*>(a.tensor.data()), a.tensor.bytes());
    entries.push_back({absl::StrCat(a.name, kEnding), *std::move(bytes)});
  }
  return FormatZip(entries, deflate);
}

absl::Status WriteNpz(const std::string& path, absl::Span<const NamedTensor> arrays, bool deflate) {
  absl::StatusOr<std::string> bytes = FormatNpz(arrays, deflate);
  if (!bytes.ok()) return AddContext(bytes.status(), path);
  return WriteFileAtomic(path, {*bytes});
}

}  // namespace athanor
