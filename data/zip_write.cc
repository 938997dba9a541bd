#include <zip.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "data/zip.h"

namespace athanor {
namespace {

constexpr zip_uint16_t kTime = 0, kDate = 1 << 5 | 1;  // 1980-01-01 00:00, the first that ZIP knows

absl::Status Add(zip_t* zip, const ZipContent& entry, bool deflate) {
  if (zip_name_locate(zip, entry.name.c_str(), 0) >= 0) {
    return MakeError(ErrorClass::kReq, "the entry \"%s\" is there twice", absl::CHexEscape(entry.name));
  }
  zip_source_t* content = zip_source_buffer(zip, entry.bytes.data(), entry.bytes.size(), 0);
  const zip_int64_t index = content == nullptr ? -1 : zip_file_add(zip, entry.name.c_str(), content, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(content);
  } else if (zip_set_file_compression(zip, index, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) == 0 &&
             zip_file_set_dostime(zip, index, kTime, kDate, 0) == 0) {
    return absl::OkStatus();
  }
  return MakeError(ErrorClass::kLimit, "cannot add the entry \"%s\": %s", absl::CHexEscape(entry.name),
                   zip_strerror(zip));
}

absl::Status AddAllAndClose(zip_t* zip, absl::Span<const ZipContent> entries, bool deflate) {
  absl::Status status;
  for (const ZipContent& entry : entries) {
    if (status.ok()) status = Add(zip, entry, deflate);
  }
  if (status.ok() && zip_close(zip) != 0) {
    status = MakeError(ErrorClass::kLimit, "cannot make the archive: %s", zip_strerror(zip));
  }
  // A successful close has freed it.
  if (!status.ok()) zip_discard(zip);
  return status;
}

absl::StatusOr<std::string> ReadBack(zip_source_t* source) {
  zip_stat_t s;
  bool ok = zip_source_stat(source, &s) == 0 && zip_source_open(source) == 0;
  std::string bytes;
  if (ok) {
    bytes.resize(s.size);
    ok = zip_source_read(source, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size());
    zip_source_close(source);
  }
  if (!ok) return MakeError(ErrorClass::kLimit, "cannot make the archive");
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> FormatZip(absl::Span<const ZipContent> entries, bool deflate) {
  // libzip makes no archive without entries.
  if (entries.empty()) return std::string("PK\x05\x06", 4) + std::string(18, '\0');
  zip_error_t error;
  zip_error_init(&error);
  std::unique_ptr<zip_source_t, void (*)(zip_source_t*)> source(zip_source_buffer_create(nullptr, 0, 0, &error),
                                                                zip_source_free);
  zip_t* zip = source == nullptr ? nullptr : zip_open_from_source(source.get(), ZIP_TRUNCATE, &error);
  zip_error_fini(&error);
  if (zip == nullptr) return MakeError(ErrorClass::kLimit, "no memory to make an archive");
  zip_source_keep(source.get());  // one reference is the archive's, one ours
  ATH_RETURN_IF_ERROR(AddAllAndClose(zip, entries, deflate));
  return ReadBack(source.get());
}

}  // namespace athanor
