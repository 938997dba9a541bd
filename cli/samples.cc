#include "cli/samples.h"

#include <utility>

#include "data/dataset.h"
#include "data/mnist_sample/mnist_sample.h"

namespace athanor {
namespace {

// MNIST's mean and standard deviation over the pixels of its 60,000 training images, in units of 0..1.
constexpr float kMnistMean = 0.1307f, kMnistStd = 0.3081f;

}  // namespace

absl::StatusOr<Samples> LoadSamples(const std::string& path) {
  ATH_ASSIGN_OR_RETURN(TrainTest sets, path == "mnist" ? LoadMnistSample() : LoadMnist(path));
  Samples samples;
  samples.name = sets.train.name;
  samples.classes = sets.train.classes;
  samples.class_names = sets.train.class_names;
  samples.normalization = Normalization::MeanStd({kMnistMean}, {kMnistStd}, 1.0f / 255.0f);
  auto train = std::make_shared<const Dataset>(std::move(sets.train));
  auto test = std::make_shared<const Dataset>(std::move(sets.test));
  ATH_ASSIGN_OR_RETURN(samples.train, MakeDatasetSource(std::move(train), samples.normalization));
  ATH_ASSIGN_OR_RETURN(samples.test, MakeDatasetSource(std::move(test), samples.normalization));
  return samples;
}

}  // namespace athanor
