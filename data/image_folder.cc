#include "data/image_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "data/folder_tree.h"
#include "data/limits.h"
#include "data/parallel.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int kDepth = 4;  // a folder around all, the set, the class, and what must not be in a class
// Image headers are nearly always within this.
constexpr int64_t kHeaderBytes = 64 << 10;
constexpr int64_t kUncheckedZipBytes = 1 << 20;
constexpr std::array<absl::string_view, 4> kTestNames = {"val", "valid", "validation", "test"};  // the first there is

bool HoldsImages(const FolderTree& tree) {
  return std::any_of(tree.files.begin(), tree.files.end(), [](const auto& f) { return HasImageName(f.first); });
}

bool IsTestName(absl::string_view name) {
  return std::find(kTestNames.begin(), kTestNames.end(), name) != kTestNames.end();
}

absl::Status CheckOptions(const ImageFolderOptions& o) {
  if (o.channels != 0 && o.channels != 1 && o.channels != 3) {
    return MakeError(ErrorClass::kAttr, "image folder: channels is %d, it must be 1, 3, or 0 for what most images have",
                     o.channels);
  }
  const bool sized = o.height >= 1 && o.height <= kMaxImageSide && o.width >= 1 && o.width <= kMaxImageSide;
  if (o.fit != ImageFit::kNone && !sized) {
    return MakeError(ErrorClass::kAttr, "image folder: resizing to %d x %d (height x width): a side is 1 .. %d",
                     o.height, o.width, kMaxImageSide);
  }
  const int64_t bytes = (o.channels == 0 ? 3 : o.channels) * o.height * o.width;
  if (o.fit != ImageFit::kNone && bytes > kMaxImageBytes) {
    return MakeError(ErrorClass::kLimit,
                     "image folder: resizing to %d x %d (height x width): %d bytes an image are above the limit of %d",
                     o.height, o.width, bytes, kMaxImageBytes);
  }
  return absl::OkStatus();
}

bool IsFile(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

}  // namespace

// Makes the lists of both sets.
class ImageFolderOpener {
 public:
  ImageFolderOpener(const std::string& path, const ImageFolderOptions& options) : path_(path), options_(options) {}

  absl::StatusOr<ImageFolders> Open() {
    ATH_RETURN_IF_ERROR(CheckOptions(options_));
    ATH_RETURN_IF_ERROR(ReadTree());
    const FolderTree* root = &tree_;
    std::string inside;
    if (root->folders.size() == 1 && !HoldsImages(*root)) {
      const auto& [name, only] = *root->folders.begin();
      if (name != "train" && !only.folders.empty() && !HoldsImages(only)) {
        inside = name + "/";
        root = &only;
      }
    }
    auto train = root->folders.find("train");
    if (train != root->folders.end() && !train->second.folders.empty()) return OpenSplits(*root, inside);
    ImageFolders sets;
    ATH_ASSIGN_OR_RETURN(sets.train, OpenSet(*root, inside, nullptr));
    return sets;
  }

 private:
  std::string Where(absl::string_view inside) const { return absl::StrCat(path_, archive_ ? ":" : "/", inside); }

  absl::Status ReadTree() {
    if (!IsFile(path_)) {
      ATH_ASSIGN_OR_RETURN(tree_, ReadFolderTree(path_, kDepth));
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(archive_, ZipArchive::Open(path_));
    tree_ = ZipFolderTree(*archive_);
    return absl::OkStatus();
  }

  absl::StatusOr<ImageFolders> OpenSplits(const FolderTree& root, const std::string& inside) {
    for (const auto& [name, folder] : root.folders) {
      if (name == "train" || IsTestName(name)) continue;
      return MakeError(ErrorClass::kData, "%s: a folder beside train is one of %s", Where(inside + name),
                       absl::StrJoin(kTestNames, ", "));
    }
    if (HoldsImages(root)) return InNoClass(root, inside);
    ImageFolders sets;
    ATH_ASSIGN_OR_RETURN(std::shared_ptr<ImageFolder> train,
                         OpenSet(root.folders.at("train"), inside + "train/", nullptr));
    sets.train = train;
    for (absl::string_view name : kTestNames) {
      auto test = root.folders.find(std::string(name));
      if (test == root.folders.end()) continue;
      ATH_ASSIGN_OR_RETURN(sets.test, OpenSet(test->second, absl::StrCat(inside, name, "/"), train.get()));
      break;
    }
    return sets;
  }

  absl::Status InNoClass(const FolderTree& tree, const std::string& inside) {
    auto image =
        std::find_if(tree.files.begin(), tree.files.end(), [](const auto& f) { return HasImageName(f.first); });
    return MakeError(ErrorClass::kData, "%s: the image is in no class folder (%sCLASS/%s)",
                     Where(inside + image->first), inside, image->first);
  }

  // `train` is the training set if this is the other one.
  absl::StatusOr<std::shared_ptr<ImageFolder>> OpenSet(const FolderTree& tree, const std::string& inside,
                                                       const ImageFolder* train) {
    auto set = std::make_shared<ImageFolder>();
    set->root_ = path_;
    set->name_ = inside.empty() ? path_ : Where(absl::StripSuffix(inside, "/"));
    set->archive_ = archive_;
    set->options_ = options_;
    if (HoldsImages(tree)) return InNoClass(tree, inside);
    if (tree.folders.empty()) {
      return MakeError(ErrorClass::kData, "%s: no classes: there is no folder CLASS with images", set->name_);
    }
    if (static_cast<int64_t>(tree.folders.size()) > kMaxClasses) {
      return MakeError(ErrorClass::kLimit, "%s: %d classes are above the limit of %d", set->name_, tree.folders.size(),
                       kMaxClasses);
    }
    if (train != nullptr) set->class_names_ = train->class_names_;
    for (const auto& [name, folder] : tree.folders) {
      if (train == nullptr) set->class_names_.push_back(name);
      auto known = std::lower_bound(set->class_names_.begin(), set->class_names_.end(), name);
      if (known == set->class_names_.end() || *known != name) {
        return MakeError(ErrorClass::kData, "%s: the class \"%s\" is not one of the training set's %d", set->name_,
                         name, set->class_names_.size());
      }
      const auto label = static_cast<int32_t>(known - set->class_names_.begin());
      ATH_RETURN_IF_ERROR(AddClass(folder, absl::StrCat(inside, name, "/"), label, set.get()));
    }
    ATH_RETURN_IF_ERROR(ScanHeaders(train, set.get()));
    return set;
  }

  absl::Status AddClass(const FolderTree& folder, const std::string& inside, int32_t label, ImageFolder* set) {
    if (!folder.folders.empty()) {
      return MakeError(ErrorClass::kData, "%s: a folder within a class; classes hold images only",
                       Where(inside + folder.folders.begin()->first));
    }
    if (folder.files.empty()) {
      return MakeError(ErrorClass::kData, "%s: the class has no images", Where(absl::StripSuffix(inside, "/")));
    }
    for (const auto& [name, entry] : folder.files) {
      if (!HasImageName(name)) {
        return MakeError(ErrorClass::kData, "%s: no image by its name (.png .jpg .jpeg .jpe .jfif)",
                         Where(inside + name));
      }
      if (archive_ != nullptr) ATH_RETURN_IF_ERROR(CheckZipRatio(entry));
      set->samples_.push_back({inside + name, entry, label});
    }
    return absl::OkStatus();
  }

  absl::Status CheckZipRatio(int64_t entry) const {
    const ZipEntry& e = archive_->entries()[entry];
    if (e.size <= kUncheckedZipBytes || e.size / kMaxImageZipRatio <= e.compressed_size) return absl::OkStatus();
    return MakeError(ErrorClass::kLimit, "%s: %d bytes from %d compressed ones: above the ratio of %d for images",
                     archive_->EntryPath(entry), e.size, e.compressed_size, kMaxImageZipRatio);
  }

  absl::StatusOr<ImageInfo> Header(const ImageFolder& set, int64_t index) const {
    const ImageFolder::Sample& sample = set.samples_[index];
    const std::string path = set.SamplePath(index);
    std::string start;
    if (archive_ != nullptr) {
      ATH_ASSIGN_OR_RETURN(start, archive_->ReadStart(sample.entry, kHeaderBytes));
    } else {
      ATH_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
      start.resize(std::min(file.size(), kHeaderBytes));
      ATH_RETURN_IF_ERROR(file.ReadAt(0, start.data(), start.size()));
    }
    absl::StatusOr<ImageInfo> info = ParseImageHeader(start, path);
    if (info.ok() || static_cast<int64_t>(start.size()) < kHeaderBytes) return info;
    ATH_ASSIGN_OR_RETURN(std::string all, set.ReadBytes(sample));
    return ParseImageHeader(all, path);
  }

  absl::Status ScanHeaders(const ImageFolder* train, ImageFolder* set) const {
    std::vector<ImageInfo> infos(set->size());
    ATH_RETURN_IF_ERROR(ParallelFor(set->size(), options_.threads, [&](int64_t i) -> absl::Status {
      ATH_ASSIGN_OR_RETURN(infos[i], Header(*set, i));
      return absl::OkStatus();
    }));
    if (train != nullptr) {
      set->shape_ = train->shape_;
    } else {
      const auto grey = std::count_if(infos.begin(), infos.end(), [](const ImageInfo& i) { return i.channels == 1; });
      const int64_t most = 2 * grey > set->size() ? 1 : 3;
      const bool fit = options_.fit != ImageFit::kNone;
      set->shape_ = {options_.channels != 0 ? options_.channels : most, fit ? options_.height : infos[0].height,
                     fit ? options_.width : infos[0].width};
    }
    if (options_.fit != ImageFit::kNone) return absl::OkStatus();
    for (int64_t i = 0; i < set->size(); ++i) {
      if (infos[i].height == set->shape_[1] && infos[i].width == set->shape_[2]) continue;
      return MakeError(ErrorClass::kData,
                       "%s: the image is %d x %d (height x width), %s is %d x %d; resize them all to one size",
                       set->SamplePath(i), infos[i].height, infos[i].width,
                       (train != nullptr ? train : set)->SamplePath(0), set->shape_[1], set->shape_[2]);
    }
    return absl::OkStatus();
  }

  const std::string& path_;
  const ImageFolderOptions& options_;
  FolderTree tree_;
  std::shared_ptr<const ZipArchive> archive_;
};

std::string ImageFolder::SamplePath(int64_t index) const {
  return absl::StrCat(root_, archive_ ? ":" : "/", samples_[index].path);
}

absl::StatusOr<std::string> ImageFolder::ReadBytes(const Sample& sample) const {
  if (archive_ != nullptr) return archive_->Read(sample.entry, kMaxImageFileBytes);
  return ReadFile(absl::StrCat(root_, "/", sample.path), kMaxImageFileBytes);
}

absl::Status ImageFolder::Read(int64_t index, absl::Span<uint8_t> chw) const {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadBytes(samples_[index]));
  const std::string path = SamplePath(index);
  ATH_ASSIGN_OR_RETURN(Tensor image, ParseImage(bytes, path));
  absl::StatusOr<Tensor> fitted = FitImage(std::move(image), options_.fit, shape_[1], shape_[2]);
  if (!fitted.ok()) return AddContext(fitted.status(), path);
  ImageToChannelsFirst(*fitted, shape_[0], chw);
  return absl::OkStatus();
}

absl::StatusOr<Dataset> ImageFolder::Load() const {
  const int64_t per_image = shape_[0] * shape_[1] * shape_[2];
  if (per_image > options_.max_bytes / size()) {
    return MakeError(ErrorClass::kLimit, "%s: %d images of %d bytes are more than the limit of %d; read them on demand",
                     name_, size(), per_image, options_.max_bytes);
  }
  Dataset d;
  d.name = name_;
  d.class_names = class_names_;
  d.classes = static_cast<int64_t>(class_names_.size());
  ATH_ASSIGN_OR_RETURN(d.features, Tensor::Create(DType::kU8, {size(), shape_[0], shape_[1], shape_[2]}));
  ATH_ASSIGN_OR_RETURN(d.labels, Tensor::Create(DType::kS32, {size()}));
  absl::Span<uint8_t> pixels = d.features.as<uint8_t>();
  absl::Span<int32_t> labels = d.labels.as<int32_t>();
  ATH_RETURN_IF_ERROR(ParallelFor(size(), options_.threads, [&](int64_t i) {
    labels[i] = label(i);
    return Read(i, pixels.subspan(i * per_image, per_image));
  }));
  return d;
}

absl::StatusOr<ImageFolders> OpenImageFolders(const std::string& path, const ImageFolderOptions& options) {
  return ImageFolderOpener(path, options).Open();
}

absl::StatusOr<TrainTest> LoadImageFolders(const std::string& path, const ImageFolderOptions& options) {
  ATH_ASSIGN_OR_RETURN(ImageFolders sets, OpenImageFolders(path, options));
  TrainTest both;
  ATH_ASSIGN_OR_RETURN(both.train, sets.train->Load());
  if (sets.test != nullptr) {
    ATH_ASSIGN_OR_RETURN(both.test, sets.test->Load());
  }
  return both;
}

}  // namespace athanor
