#include "data/folder_tree.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace athanor {
namespace {

absl::Status SystemError(const std::string& path, const std::error_code& error) {
  return MakeError(ErrorClass::kPath, "%s: cannot read: %s", path, error.message());
}

absl::Status Fill(const std::string& path, int depth, FolderTree* tree) {
  std::error_code error;
  std::filesystem::directory_iterator at(path, error), end;
  for (; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string(), child = absl::StrCat(path, "/", name);
    if (IsIgnoredName(name)) continue;
    std::error_code kind_error;
    if (at->is_regular_file(kind_error)) {
      tree->files[name] = -1;
    } else if (at->is_directory(kind_error)) {
      FolderTree& folder = tree->folders[name];
      if (depth > 1) ATH_RETURN_IF_ERROR(Fill(child, depth - 1, &folder));
    } else if (kind_error) {
      return SystemError(child, kind_error);
    } else {
      return MakeError(ErrorClass::kPath, "%s: neither a file nor a folder", child);
    }
  }
  if (error) return SystemError(path, error);
  return absl::OkStatus();
}

}  // namespace

bool IsIgnoredName(const std::string& name) {
  return absl::StartsWith(name, ".") || name == "__MACOSX" || absl::EqualsIgnoreCase(name, "thumbs.db") ||
         absl::EqualsIgnoreCase(name, "desktop.ini");
}

absl::StatusOr<FolderTree> ReadFolderTree(const std::string& path, int depth) {
  FolderTree tree;
  ATH_RETURN_IF_ERROR(Fill(path, depth, &tree));
  return tree;
}

FolderTree ZipFolderTree(const ZipArchive& archive) {
  FolderTree tree;
  for (size_t i = 0; i < archive.entries().size(); ++i) {
    std::vector<std::string> parts = absl::StrSplit(archive.entries()[i].name, '/');
    const std::string file = parts.back();  // empty for a folder
    parts.pop_back();
    FolderTree* at = &tree;
    bool ignored = false;
    for (const std::string& part : parts) {
      ignored = ignored || IsIgnoredName(part);
      if (!ignored) at = &at->folders[part];
    }
    if (!ignored && !file.empty() && !IsIgnoredName(file)) at->files[file] = static_cast<int64_t>(i);
  }
  return tree;
}

}  // namespace athanor
