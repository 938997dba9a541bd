#include "cli/model_flags.h"

#include <CLI/CLI.hpp>

namespace athanor {
namespace {

constexpr char kGroup[] = "Network";

}  // namespace

void AddModelOptions(CLI::App* sub, ModelOptions* options) {
  sub->add_option("--classes", options->classes, "number of classes; 0: the network's own")->group(kGroup);
  sub->add_option("--input", options->input, "sizes of one sample, 3,32,32 for a colour image; the network's own if not given")
      ->delimiter(',')
      ->type_name("SIZES")
      ->group(kGroup);
  sub->add_option("--width", options->width, "multiplies the channels and hidden units")->capture_default_str()->group(kGroup);
  sub->add_option("--dropout", options->dropout, "ratio of dropout in training, 0 for none; the network's own if not given")
      ->group(kGroup);
  sub->add_option("--hidden", options->hidden, "units of the hidden layers, 512,256")
      ->delimiter(',')
      ->type_name("UNITS")
      ->group(kGroup);
  sub->add_option("--activation", options->activation, "of the hidden layers: relu, sigmoid or tanh")->group(kGroup);
  sub->add_flag("--batch-norm", options->batch_norm, "batch normalisation behind each convolution or hidden layer")
      ->group(kGroup);
  sub->add_flag("--auxiliary", options->auxiliary, "more classifiers on the way that help to train")->group(kGroup);
}

}  // namespace athanor
