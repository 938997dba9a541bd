// The model and the samples of a run, from the command's flags: shared by the commands that train.
#ifndef ATHANOR_CLI_TRAIN_SETUP_H_
#define ATHANOR_CLI_TRAIN_SETUP_H_

#include <string>

#include "cli/samples.h"
#include "compiler/graph/graph.h"
#include "models/models.h"
#include "training/trainer.h"

namespace athanor {

// A network of the zoo by its name, of the data's sizes and classes where the options do not say; or the model of a file
// (.ath) with its weights, whose form is settled. The metadata say how the data was prepared and its classes. REQ error
// without a name; errors of BuildModel and ReadModel.
absl::StatusOr<Graph> MakeTrainModel(const std::string& name_or_path, ModelOptions options, const Samples& samples);

// The samples that a trainer takes.
TrainingData SourcesOf(const Samples& samples);

// "data: mnist, 10,000 training and 2,000 test samples, 10 classes".
std::string DataText(const Samples& samples);

}  // namespace athanor

#endif  // ATHANOR_CLI_TRAIN_SETUP_H_
