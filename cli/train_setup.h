// The model and the samples of a run, from the command's flags: shared by the commands that train.
#ifndef ATHANOR_CLI_TRAIN_SETUP_H_
#define ATHANOR_CLI_TRAIN_SETUP_H_

#include <string>

#include "compiler/graph/graph.h"
#include "data/open_data.h"
#include "models/models.h"
#include "training/trainer.h"

namespace athanor {

// A network of the zoo by its name, or the model of a file (.ath) with its weights. Where the options do not say, the number
// of classes and the input's sizes are the data's. The metadata say how the data was prepared, its classes or its
// characters, and the task. Errors of BuildModel and ReadModel.
absl::StatusOr<Graph> MakeTrainModel(const std::string& name_or_path, ModelOptions options, const OpenedData& data);

// The samples that a trainer takes.
TrainingData SourcesOf(const OpenedData& data);

// "data: mnist, 10,000 training and 2,000 test samples, 10 classes".
std::string DataText(const OpenedData& data);


}  // namespace athanor

#endif  // ATHANOR_CLI_TRAIN_SETUP_H_
