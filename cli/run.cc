#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/tables.h"
#include "data/dataset.h"
#include "data/mnist_sample/mnist_sample.h"
#include "data/npy.h"
#include "data/png.h"
#include "runtime/core/file.h"
#include "training/metrics.h"
#include "training/predictor.h"

namespace athanor {
namespace {

struct Flags {
  std::string file, input, output, output_name, data;
  int threads = 0, top = 3;
};

constexpr int64_t kMaxBatch = 64;  // of a model compiled here: larger inputs go through in pieces

// Rows for the network: f32 arrays as they are, bytes and images prepared as in training.
absl::StatusOr<Tensor> ReadInput(const std::string& path, const Shape& sample, Normalization normalization) {
  Tensor raw;
  if (absl::EndsWithIgnoreCase(path, ".png")) {
    ATH_ASSIGN_OR_RETURN(Tensor image, ReadPng(path));
    absl::StatusOr<Tensor> input = ImageToInput(image, sample);
    if (!input.ok()) return AddContext(input.status(), path);
    raw = *std::move(input);
    normalization.scale *= 255;  // the image is in 0..1 already
  } else {
    ATH_ASSIGN_OR_RETURN(raw, ReadNpy(path));
    if (raw.shape() == sample) {  // one sample without its batch
      Shape shape = sample;
      shape.insert(shape.begin(), 1);
      ATH_RETURN_IF_ERROR(raw.Reshape(shape));
    }
    if (raw.dtype() != DType::kU8) return raw;
  }
  ATH_RETURN_IF_ERROR(normalization.Check(NumChannels(sample)));
  ATH_ASSIGN_OR_RETURN(Tensor rows, Tensor::Create(DType::kF32, raw.shape()));
  const int64_t count = raw.shape().empty() ? 0 : raw.shape()[0], each = count > 0 ? raw.num_elements() / count : 0;
  for (int64_t i = 0; i < count; ++i) {
    absl::Span<float> out = rows.as<float>().subspan(i * each, each);
    if (raw.dtype() == DType::kU8) {
      normalization.Apply(raw.as<uint8_t>().subspan(i * each, each), NumChannels(sample), out);
    } else {
      normalization.Apply(absl::Span<const float>(raw.as<float>()).subspan(i * each, each), NumChannels(sample), out);
    }
  }
  return rows;
}

// The k most probable classes of each of the first rows.
void PrintTopClasses(const Tensor& scores, const Strings& names, int k) {
  const int64_t rows = scores.shape()[0], classes = scores.shape()[1];
  for (int64_t r = 0; r < std::min<int64_t>(rows, 10); ++r) {
    absl::Span<const float> row = scores.as<float>().subspan(r * classes, classes);
    std::vector<int> order(classes);
    for (int i = 0; i < classes; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return row[a] > row[b]; });
    std::string line = rows > 1 ? absl::StrCat("row ", r, ":") : "";
    for (int i = 0; i < std::min<int>(k, classes); ++i) {
      absl::StrAppend(&line, line.empty() ? "" : "  ", names[order[i]], absl::StrFormat(" %.4f", row[order[i]]));
    }
    std::printf("%s\n", line.c_str());
  }
  if (rows > 10) std::printf("(%lld more rows)\n", static_cast<long long>(rows - 10));
}

absl::Status PrintClasses(const Plan& plan, const std::map<std::string, Tensor>& results, int k) {
  const AttrValue* value = plan.metadata.Find("classes");
  auto it = results.find("probabilities");
  if (value == nullptr || it == results.end() || k < 1) return absl::OkStatus();
  const Strings* names = std::get_if<Strings>(value);
  if (names == nullptr || it->second.shape().size() != 2 ||
      static_cast<int64_t>(names->size()) != it->second.shape()[1]) {
    return absl::OkStatus();
  }
  PrintTopClasses(it->second, *names, k);
  return absl::OkStatus();
}

absl::Status RunFile(const Flags& flags, const Plan& plan, Predictor* predictor) {
  ATH_ASSIGN_OR_RETURN(Normalization normalization, NormalizationOf(plan.metadata));
  ATH_ASSIGN_OR_RETURN(Tensor x, ReadInput(flags.input, predictor->sample_shape(), normalization));
  absl::StatusOr<std::map<std::string, Tensor>> results = predictor->Run(x);
  if (!results.ok()) return AddContext(results.status(), flags.input);
  std::string name = flags.output_name.empty() ? predictor->outputs()[0] : flags.output_name;
  auto it = results->find(name);
  if (it == results->end()) {
    return MakeError(ErrorClass::kReq, "the model has no output \"%s\"; it has: %s", name,
                     absl::StrJoin(predictor->outputs(), ", "));
  }
  std::printf("%s %s%s digest %s\n", name.c_str(), std::string(DTypeName(it->second.dtype())).c_str(),
              ShapeToString(it->second.shape()).c_str(), Digest(it->second).c_str());
  ATH_RETURN_IF_ERROR(PrintClasses(plan, *results, flags.top));
  if (!flags.output.empty()) {
    ATH_RETURN_IF_ERROR(WriteNpy(flags.output, it->second));
    std::printf("wrote %s\n", flags.output.c_str());
  }
  return absl::OkStatus();
}

// Accuracy over the test set, and the digest of all its logits.
absl::Status RunTestSet(const Flags& flags, const Plan& plan, Predictor* predictor) {
  ATH_ASSIGN_OR_RETURN(TrainTest data, flags.data == "mnist" ? LoadMnistSample() : LoadMnist(flags.data));
  ATH_ASSIGN_OR_RETURN(TestSetResult result, PredictTestSet(data.test, plan.metadata, predictor));
  std::printf("test accuracy %.2f %% of %lld images, loss %.4f, logits digest %s\n", 100 * result.accuracy,
              static_cast<long long>(data.test.size()), result.loss, Digest(result.logits).c_str());
  if (!flags.output.empty()) {
    ATH_RETURN_IF_ERROR(WriteNpy(flags.output, result.logits));
    std::printf("wrote %s\n", flags.output.c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Flags& flags) {
  if (flags.input.empty() == flags.data.empty()) {
    return MakeError(ErrorClass::kReq, "run needs either --input or --data");
  }
  int64_t batch = 1;
  if (!flags.data.empty()) {
    batch = kMaxBatch;
  } else if (!absl::EndsWithIgnoreCase(flags.input, ".png")) {
    ATH_ASSIGN_OR_RETURN(Tensor x, ReadNpy(flags.input));
    if (x.shape().size() > 1) batch = std::clamp<int64_t>(x.shape()[0], 1, kMaxBatch);
  }
  if (!flags.output.empty()) {
    std::string folder = std::filesystem::path(flags.output).parent_path().string();
    ATH_RETURN_IF_ERROR(ProbeWritableDir(folder.empty() ? "." : folder));
  }
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, LoadPlanOrCompile(flags.file, batch, flags.threads));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Predictor> predictor, Predictor::Create(plan));
  ATH_RETURN_IF_ERROR(flags.input.empty() ? RunTestSet(flags, *plan, predictor.get())
                                          : RunFile(flags, *plan, predictor.get()));
  return kExitOk;
}

}  // namespace

void AddRun(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("run", "Run a plan or a model on an array, an image or a test set");
  sub->add_option("file", flags->file, "plan (.plan) or model (.ath)")->required();
  sub->add_option("--input", flags->input,
                  "array (.npy) of rows, or an image (.png); bytes and images are prepared as in training, f32 arrays are "
                  "taken as they are");
  sub->add_option("--output", flags->output, "array (.npy) to write");
  sub->add_option("--output-name", flags->output_name, "which output to write; the first if not given");
  sub->add_option("--data", flags->data, "instead of an input: the test set of mnist (the sample inside the program) or "
                                         "of a folder with the IDX files; prints the accuracy");
  sub->add_option("--top", flags->top, "classes to print a row, where the model names its classes")->capture_default_str();
  sub->add_option("--threads", flags->threads, "of a model that is compiled here; 0: all CPUs that this process may use")
      ->capture_default_str();
  sub->footer("Example: athanor run runs/lenet5/model.plan --input digit.png");
  sub->callback([flags, action] { *action = [flags] { return Run(*flags); }; });
}

}  // namespace athanor
