// The flags of `athanor train`, as a user types them.
#ifndef ATHANOR_CLI_TRAIN_FLAGS_H_
#define ATHANOR_CLI_TRAIN_FLAGS_H_

#include <string>

#include "training/train_config.h"

namespace CLI {
class App;
}

namespace athanor {

struct TrainFlags {
  TrainConfig config;
  std::string schedule = "constant", eval_every = "1epoch";  // parsed by FinishTrainFlags
};

// All flags that say how the steps are done and what is kept: epochs, batch, optimizer, schedule, checkpoints.
void AddTrainOptions(CLI::App* sub, TrainFlags* flags);

// The configuration that the flags mean. REQ errors for texts that do not parse. `sub` tells which flags were given.
absl::StatusOr<TrainConfig> FinishTrainFlags(const TrainFlags& flags, const CLI::App& sub);

}  // namespace athanor

#endif  // ATHANOR_CLI_TRAIN_FLAGS_H_
