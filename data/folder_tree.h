// The names in a folder or a zip archive, as a tree.
#ifndef ATHANOR_DATA_FOLDER_TREE_H_
#define ATHANOR_DATA_FOLDER_TREE_H_

#include <cstdint>
#include <map>
#include <string>

#include "data/zip.h"
#include "runtime/core/status.h"

namespace athanor {

struct FolderTree {
  std::map<std::string, FolderTree> folders;
  std::map<std::string, int64_t> files;  // to the index of the archive's entry, -1 on disk
};

// Names that are passed over: hidden ones (.name), __MACOSX, Thumbs.db, desktop.ini.
bool IsIgnoredName(const std::string& name);

// Reads the names below `path`, without those passed over, down to `depth` levels of folders; what is deeper is left
// out. Links are followed. PATH error naming the folder that cannot be read, or what is neither file nor folder.
absl::StatusOr<FolderTree> ReadFolderTree(const std::string& path, int depth);
// The same of an archive's entries, of any depth.
FolderTree ZipFolderTree(const ZipArchive& archive);

}  // namespace athanor

#endif  // ATHANOR_DATA_FOLDER_TREE_H_
