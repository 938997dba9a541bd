#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/batch_file.h"
#include "cli/command.h"
#include "cli/data_flags.h"
#include "cli/tables.h"
#include "data/augment.h"
#include "data/loader.h"
#include "data/normalize_spec.h"
#include "data/open_data.h"
#include "data/parallel.h"
#include "training/metrics.h"

namespace athanor {
namespace {

struct Flags {
  DataSpec spec;
  std::string batches_to, split = "train";
  int64_t batch = 64, epochs = 1;
  bool drop_last = false;
};

constexpr size_t kBadShown = 20;  // bad samples that are named

// What a pass over all samples of a set found.
struct Scan {
  int64_t samples = 0;
  std::vector<int64_t> class_counts;    // of a classification
  std::vector<double> sum, squares;     // of each channel of x, as stored
  int64_t values = 0;                   // of each channel
  std::map<int64_t, std::string> bad;   // sample to error
};

class Scanner {
 public:
  Scanner(const OpenedData& data, const SampleSource& source)
      : source_(source),
        x_(FindField(source.fields(), "x")),
        labels_(FindField(source.fields(), "labels")),
        counted_(data.task == "classification" && source.fields()[labels_].dtype == DType::kS32) {
    scan_.samples = source.size();
    if (counted_) scan_.class_counts.resize(data.classes);
    if (source.fields()[x_].dtype == DType::kF32) {
      const int64_t channels = NumChannels(source.fields()[x_].shape);
      scan_.sum.resize(channels);
      scan_.squares.resize(channels);
    }
  }

  absl::StatusOr<Scan> Run(int threads) {
    constexpr int64_t kBlock = 64;
    const int64_t blocks = (source_.size() + kBlock - 1) / kBlock;
    ATH_RETURN_IF_ERROR(ParallelFor(blocks, threads, [&](int64_t block) -> absl::Status {
      std::vector<Tensor> sample;
      std::vector<TensorView> views;
      for (const FieldSpec& field : source_.fields()) {
        ATH_ASSIGN_OR_RETURN(Tensor t, Tensor::Create(field.dtype, field.shape));
        sample.push_back(std::move(t));
        views.push_back(sample.back().view());
      }
      for (int64_t i = block * kBlock; i < std::min(source_.size(), (block + 1) * kBlock); ++i) {
        absl::Status status = source_.Read(i, /*epoch=*/0, views);
        Add(i, status, sample);
      }
      return absl::OkStatus();
    }));
    return std::move(scan_);
  }

 private:
  void Add(int64_t index, const absl::Status& status, const std::vector<Tensor>& sample) {
    const size_t channels = scan_.sum.size();
    std::vector<double> sum(channels), squares(channels);
    if (status.ok() && channels > 0) {
      absl::Span<const float> x = sample[x_].as<float>();
      for (size_t i = 0, part = x.size() / channels; i < x.size(); ++i) {
        sum[i / part] += x[i];
        squares[i / part] += double{x[i]} * x[i];
      }
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (!status.ok()) {
      scan_.bad[index] = std::string(status.message());
      return;
    }
    if (counted_) ++scan_.class_counts[sample[labels_].as<int32_t>()[0]];
    for (size_t c = 0; c < channels; ++c) scan_.sum[c] += sum[c], scan_.squares[c] += squares[c];
    if (channels > 0) scan_.values += sample[x_].num_elements() / static_cast<int64_t>(channels);
  }

  const SampleSource& source_;
  const int64_t x_, labels_;
  const bool counted_;
  std::mutex mutex_;
  Scan scan_;
};

std::string Fields(const std::vector<FieldSpec>& fields) {
  return absl::StrJoin(fields, ", ", [](std::string* out, const FieldSpec& f) {
    absl::StrAppend(out, f.name, " ", DTypeName(f.dtype), ShapeToString(f.shape));
  });
}

void PrintClasses(const OpenedData& data, const std::vector<std::pair<std::string, Scan>>& scans) {
  std::printf("%-24s", "class");
  for (const auto& [name, scan] : scans) std::printf("%12s", name.c_str());
  std::printf("\n");
  constexpr int64_t kClassesShown = 200;
  for (int64_t c = 0; c < std::min(data.classes, kClassesShown); ++c) {
    std::printf("%-24s", data.class_names.empty() ? absl::StrCat(c).c_str() : DisplayName(data.class_names[c]).c_str());
    for (const auto& [name, scan] : scans) std::printf("%12s", WithCommas(scan.class_counts[c]).c_str());
    std::printf("\n");
  }
  if (data.classes > kClassesShown) std::printf("... and %s more\n", WithCommas(data.classes - kClassesShown).c_str());
}

void PrintStatistics(const Scan& scan) {
  constexpr size_t kChannelsShown = 64;
  std::vector<std::string> mean, std;
  for (size_t c = 0; c < std::min(scan.sum.size(), kChannelsShown); ++c) {
    const double m = scan.sum[c] / static_cast<double>(scan.values);
    mean.push_back(absl::StrFormat("%.5g", m));
    const double variance = scan.squares[c] / static_cast<double>(scan.values) - m * m;
    std.push_back(absl::StrFormat("%.5g", std::sqrt(std::max(0.0, variance))));
  }
  const char* more = scan.sum.size() > kChannelsShown ? ", ..." : "";
  std::printf("x as stored, by channel: mean %s%s; standard deviation %s%s\n", absl::StrJoin(mean, ", ").c_str(), more,
              absl::StrJoin(std, ", ").c_str(), more);
}

// The characters, those that cannot be seen by their bytes.
void PrintVocabulary(const OpenedData& data) {
  std::string text;
  for (const std::string& token : data.vocabulary) {
    const bool control = token.size() == 1 && (static_cast<unsigned char>(token[0]) <= ' ' || token[0] == 0x7f);
    absl::StrAppend(&text, " ", control ? absl::StrFormat("\\x%02x", token[0]) : token);
  }
  std::printf("vocabulary: %d:%s\n", static_cast<int>(data.vocabulary.size()), text.c_str());
}

using Sets = std::vector<std::pair<std::string, std::shared_ptr<const SampleSource>>>;

Sets SetsOf(const OpenedData& data) {
  Sets sets = {{"train", data.train_plain}};
  if (data.validation != nullptr) sets.push_back({"validation", data.validation});
  if (data.test != nullptr) sets.push_back({"test", data.test});
  return sets;
}

absl::StatusOr<int> Describe(DataSpec spec) {
  ATH_RETURN_IF_ERROR(ParseNormalizeSpec(spec.normalize).status());
  ATH_ASSIGN_OR_RETURN(const Augmentation augmentation, Augmentation::Parse(spec.augment));
  // Samples as they are stored: to standardize would end at the first bad one.
  spec.normalize = "none";
  spec.augment.clear();
  spec.one_hot = false;
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(spec));
  ATH_RETURN_IF_ERROR(augmentation.Check(data.fields()[FindField(data.fields(), "x")].shape));
  std::printf("data: %s (%s)\n", data.name.c_str(), data.task.c_str());
  std::printf("a sample: %s\n", Fields(data.fields()).c_str());
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::pair<std::string, Scan>> scans;
  int64_t samples = 0;
  size_t bad = 0;
  for (const auto& [name, source] : SetsOf(data)) {
    ATH_ASSIGN_OR_RETURN(Scan scan, Scanner(data, *source).Run(spec.threads));
    std::printf("%s: %s samples\n", name.c_str(), WithCommas(scan.samples).c_str());
    samples += scan.samples;
    bad += scan.bad.size();
    scans.push_back({name, std::move(scan)});
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!scans[0].second.class_counts.empty()) PrintClasses(data, scans);
  if (scans[0].second.values > 0) PrintStatistics(scans[0].second);
  if (!data.vocabulary.empty()) PrintVocabulary(data);
  std::printf("memory: %s bytes\n", WithCommas(data.memory_bytes).c_str());
  std::printf("read all %s samples in %.2f s\n", WithCommas(samples).c_str(), seconds);
  if (bad == 0) return kExitOk;
  for (const auto& [name, scan] : scans) {
    size_t shown = 0;
    for (const auto& [index, error] : scan.bad) {
      if (++shown > kBadShown) break;
      std::printf("bad: %s sample %lld: %s\n", name.c_str(), static_cast<long long>(index), error.c_str());
    }
  }
  std::printf("%zu of %s samples are bad\n", bad, WithCommas(samples).c_str());
  return kExitUsage;
}

// The header line of docs/training.md, "The batches of a run as bytes".
std::string BatchesHeader(const OpenedData& data, const Flags& flags, const BatchLoader& loader, int64_t epochs) {
  nlohmann::ordered_json header = {{"format", "athanor-batches-1"}, {"data", data.name},     {"split", flags.split},
                                   {"batch", flags.batch},          {"epochs", epochs},
                                   {"batches", epochs * loader.batches_per_epoch()}};
  for (const FieldSpec& f : loader.fields()) {
    header["fields"].push_back({{"name", f.name}, {"dtype", std::string(DTypeName(f.dtype))}, {"shape", f.shape}});
  }
  return header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::Status WriteBatch(const Batch& batch, BatchFile* file) {
  ATH_RETURN_IF_ERROR(file->Write(&batch.size, sizeof(batch.size)));
  for (const Tensor& field : batch.fields) {
    ATH_RETURN_IF_ERROR(file->Write(field.data(), field.bytes() / field.shape()[0] * batch.size));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> WriteBatches(const Flags& flags) {
  if (flags.epochs < 1) return MakeError(ErrorClass::kReq, "epochs = %d is below 1", flags.epochs);
  ATH_ASSIGN_OR_RETURN(OpenedData data, OpenData(flags.spec));
  const bool train = flags.split == "train";
  std::shared_ptr<const SampleSource> source = train ? data.train : flags.split == "test" ? data.test : data.validation;
  if (source == nullptr) return MakeError(ErrorClass::kReq, "%s: there are no %s samples", data.name, flags.split);
  LoaderOptions options{.batch_size = flags.batch, .shuffle = train, .seed = flags.spec.seed};
  options.drop_last = flags.drop_last;
  options.end_epoch = train ? flags.epochs : 1;
  options.threads = flags.spec.threads > 0 ? flags.spec.threads : 1;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, BatchLoader::Create(std::move(source), options));
  ATH_ASSIGN_OR_RETURN(BatchFile file, BatchFile::Create(flags.batches_to, {flags.spec.path, flags.spec.test_path}));
  const std::string header = BatchesHeader(data, flags, *loader, options.end_epoch);
  ATH_RETURN_IF_ERROR(file.Write(header.data(), header.size()));
  for (;;) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    if (batch == nullptr) break;
    ATH_RETURN_IF_ERROR(WriteBatch(*batch, &file));
  }
  ATH_RETURN_IF_ERROR(file.Finish());
  return kExitOk;
}

}  // namespace

void AddData(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("data", "Describe a data set and check every sample, or write a run's batches");
  AddDataOptions(sub, &flags->spec, /*positional_path=*/true);
  sub->add_option("--seed", flags->spec.seed, "of the split, the order of samples and augmentation")
      ->capture_default_str();
  sub->add_option("--threads", flags->spec.threads, "that read samples; 0: as many as there are")
      ->capture_default_str();
  sub->add_option("--write-batches", flags->batches_to,
                  "write to this file (- for the output) the very batches that a training with the same flags takes: a "
                  "JSON line, then for each batch the number of rows (int64) and each field's bytes");
  sub->add_option("--batch", flags->batch, "rows of a batch written")->capture_default_str();
  sub->add_option("--epochs", flags->epochs, "passes written")->capture_default_str();
  sub->add_flag("--drop-last", flags->drop_last, "leave out the last batch of an epoch if it is smaller");
  sub->add_option("--split", flags->split, "what is written; validation and test come once, in order")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  sub->footer(
      "Exits with 2 if a sample is bad.\n"
      "Example: athanor data images.zip --val-split 0.1\n"
      "         athanor data mnist --augment crop:2 --batch 64 --epochs 3 --write-batches - | python3 train.py");
  sub->callback([flags, action] {
    *action = [flags] { return flags->batches_to.empty() ? Describe(flags->spec) : WriteBatches(*flags); };
  });
}

}  // namespace athanor
