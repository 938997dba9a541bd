#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "data/image_folder.h"
#include "data/lazy_source.h"
#include "data/open_data_internal.h"

namespace athanor::internal {
namespace {

// "32", "224x160", "crop:224".
absl::Status ParseResize(const std::string& text, ImageFolderOptions* options) {
  if (text.empty()) return absl::OkStatus();
  absl::string_view size = text;
  options->fit = absl::ConsumePrefix(&size, "crop:") ? ImageFit::kCrop : ImageFit::kStretch;
  const std::vector<absl::string_view> sides = absl::StrSplit(size, 'x');
  if (sides.size() > 2 || !absl::SimpleAtoi(sides[0], &options->height) ||
      !absl::SimpleAtoi(sides.back(), &options->width) || options->height < 1 || options->width < 1) {
    return MakeError(ErrorClass::kReq, "resize \"%s\" is no size: 32, 224x160 (height x width) or crop:224", text);
  }
  return absl::OkStatus();
}

// The number that each class of the folder has among `classes`. DATA error for one that is not there.
absl::StatusOr<std::vector<int32_t>> NumbersOf(const ImageFolder& folder, const std::vector<std::string>& classes) {
  std::vector<int32_t> numbers;
  for (const std::string& name : folder.class_names()) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end()) {
      return MakeError(ErrorClass::kData, "%s: the class \"%s\" is none of the %d classes that are expected",
                       folder.name(), absl::CHexEscape(name), classes.size());
    }
    numbers.push_back(static_cast<int32_t>(found - classes.begin()));
  }
  return numbers;
}

// Labels are places in out->class_names. Takes what the images may use of the cache off *cache_bytes.
absl::StatusOr<std::shared_ptr<const SampleSource>> MakeSource(std::shared_ptr<const ImageFolder> folder,
                                                               int64_t* cache_bytes, OpenedData* out) {
  ATH_ASSIGN_OR_RETURN(const std::vector<int32_t> numbers, NumbersOf(*folder, out->class_names));
  LazyImages images;
  images.shape = folder->sample_shape();
  images.labels.resize(folder->size());
  for (int64_t i = 0; i < folder->size(); ++i) images.labels[i] = numbers[folder->label(i)];
  images.decode = [folder](int64_t index, absl::Span<uint8_t> pixels) { return folder->Read(index, pixels); };
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<LazyImageSource> source,
                       LazyImageSource::Create(std::move(images), *cache_bytes));
  *cache_bytes -= source->cache_bytes();
  out->memory_bytes += source->cache_bytes();
  return source;
}

}  // namespace

absl::StatusOr<OpenedData> OpenImages(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(RefuseTableOptions(spec));
  if (spec.cache_mib < 0) return MakeError(ErrorClass::kReq, "cache = %d MiB is below 0", spec.cache_mib);
  ImageFolderOptions options;
  options.channels = spec.channels;
  options.threads = spec.threads;
  ATH_RETURN_IF_ERROR(ParseResize(spec.resize, &options));
  ATH_ASSIGN_OR_RETURN(ImageFolders folders, OpenImageFolders(spec.path, options));
  if (!spec.test_path.empty()) {
    // The test images must come in the form of the training images.
    options.channels = folders.train->sample_shape()[0];
    ATH_ASSIGN_OR_RETURN(ImageFolders other, OpenImageFolders(spec.test_path, options));
    folders.test = other.test != nullptr ? other.test : other.train;
  }
  OpenedData out;
  out.name = folders.train->name();
  out.task = "classification";
  out.class_names = spec.class_names.empty() ? folders.train->class_names() : spec.class_names;
  out.classes = static_cast<int64_t>(out.class_names.size());
  int64_t cache_bytes = std::min<int64_t>(spec.cache_mib, int64_t{1} << 40) << 20;
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const SampleSource> train, MakeSource(folders.train, &cache_bytes, &out));
  std::shared_ptr<const SampleSource> test;
  if (folders.test != nullptr) {
    ATH_ASSIGN_OR_RETURN(test, MakeSource(folders.test, &cache_bytes, &out));
  }
  ATH_RETURN_IF_ERROR(PrepareSources(spec, std::move(train), std::move(test), &out));
  return out;
}

}  // namespace athanor::internal
