// How long the readers take, and what that is in MB/s of the file:
//
//   bazel run //benchmarks/data:read_time -- PATH...          .csv, .npz, .txt, each maybe with .gz; .zip or a folder
//   of images
//
// The first of three reads may come from the disk, the others from the page cache. "csv" makes 60 MB of CSV itself.
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/csv.h"
#include "data/image_folder.h"
#include "data/npz.h"
#include "data/text.h"

namespace athanor {
namespace {

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int64_t FileBytes(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : 0;
}

// 100,000 rows of 75 numbers and a class.
std::string MadeCsv() {
  std::string text;
  uint32_t v = 1;
  for (int row = 0; row < 100000; ++row) {
    for (int column = 0; column < 75; ++column) {
      v = v * 1664525 + 1013904223;
      absl::StrAppend(&text, static_cast<float>(v >> 8) * 0x1p-22f, ",");
    }
    absl::StrAppend(&text, v >> 29, "\n");
  }
  return text;
}

absl::Status Read(const std::string& path) {
  if (absl::StrContains(path, ".csv")) return ReadCsv(path).status();
  if (absl::EndsWith(path, ".npz")) return LoadNpzDataset(path).status();
  if (absl::StrContains(path, ".txt")) return ReadText(path).status();
  const double start = Seconds();
  ATH_ASSIGN_OR_RETURN(ImageFolders sets, OpenImageFolders(path));
  const double opened = Seconds();
  ATH_ASSIGN_OR_RETURN(Dataset train, sets.train->Load());
  int64_t images = train.size();
  if (sets.test != nullptr) {
    ATH_ASSIGN_OR_RETURN(Dataset test, sets.test->Load());
    images += test.size();
  }
  std::printf("  %lld images: listed in %.2f s, decoded in %.2f s\n", static_cast<long long>(images), opened - start,
              Seconds() - opened);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i], made = path == "csv" ? MadeCsv() : "";
    const double bytes = static_cast<double>(made.empty() ? FileBytes(path) : static_cast<int64_t>(made.size()));
    for (int repeat = 0; repeat < 3; ++repeat) {
      const double start = Seconds();
      absl::Status status = made.empty() ? Read(path) : ParseCsv(made, "made").status();
      if (!status.ok()) {
        std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
        return 1;
      }
      const double seconds = Seconds() - start;
      std::printf("%s: %.2f s, %.0f MB/s\n", path.c_str(), seconds, bytes / seconds * 1e-6);
    }
  }
  return 0;
}

}  // namespace
}  // namespace athanor

int main(int argc, char** argv) { return athanor::Main(argc, argv); }
