#include "cli/train_flags.h"

#include <CLI/CLI.hpp>
#include <limits>

#include "cli/optimizer_flags.h"

namespace athanor {
namespace {

void AddLoopOptions(CLI::App* sub, TrainFlags* flags) {
  TrainConfig& c = flags->config;
  sub->add_option("--epochs", c.epochs, "passes over the training set; with --steps alone as many as those take")
      ->capture_default_str();
  sub->add_option("--steps", c.steps, "ends after so many steps (updates of the parameters); 0: when the epochs are done")
      ->capture_default_str();
  sub->add_option("--max-minutes", c.max_minutes, "ends after the step that is done then; 0: no limit")
      ->capture_default_str();
  sub->add_option("--batch", c.batch, "samples of a batch")->capture_default_str();
  sub->add_option("--accumulate", c.accumulate,
                  "batches a step: the update is that of one batch of so many times the samples, the memory that of one")
      ->capture_default_str();
  sub->add_option("--seed", c.seed, "of the weights, the order of samples, augmentation and dropout")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()))
      ->capture_default_str();
  sub->add_option("--threads", c.threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->add_option("--loader-threads", c.loader_threads, "threads that read and prepare samples; the batches are the same")
      ->capture_default_str();
  sub->add_option("--eval-every", flags->eval_every,
                  "how often the validation set is looked at: 500 or 500steps, 1epoch, 0.5epochs")
      ->type_name("STEPS|EPOCHS")
      ->capture_default_str();
}

void AddRateOptions(CLI::App* sub, TrainFlags* flags) {
  TrainConfig& c = flags->config;
  sub->add_option("--lr", c.learning_rate, "learning rate")->capture_default_str();
  sub->add_option("--schedule", flags->schedule,
                  "learning rate of each step: constant, step, multistep, exponential, cosine, onecycle, polynomial, "
                  "plateau, with settings as in cosine:warmup=500,min=1e-5 or multistep:at=30epochs/60epochs,gamma=0.1")
      ->capture_default_str();
  sub->add_option("--ema", c.ema_decay,
                  "evaluations and the trained model use a moving average of the weights with this decay, as 0.999; 0: the "
                  "weights themselves")
      ->capture_default_str();
  sub->add_flag("--ema-warmup", c.ema_warmup, "the decay is smaller in the first steps");
  sub->add_flag("--grad-norm", c.grad_norm, "logs the norm of all gradients of each step, before they are clipped");
  AddOptimizerOptions(sub, &c.optimizer, &c.update);
}

void AddStoppingOptions(CLI::App* sub, TrainFlags* flags) {
  constexpr char kGroup[] = "Best weights and early stopping";
  TrainConfig& c = flags->config;
  sub->add_option("--monitor", c.monitor, "loss or accuracy of the validation set: decides which evaluation is the best")
      ->capture_default_str()
      ->group(kGroup);
  sub->add_option("--patience", c.patience,
                  "ends the run after so many evaluations without a better one, with the best weights; 0: it is not ended")
      ->capture_default_str()
      ->group(kGroup);
  sub->add_option("--min-delta", c.min_delta, "what counts as better")->capture_default_str()->group(kGroup);
}

void AddCheckpointOptions(CLI::App* sub, TrainFlags* flags) {
  constexpr char kGroup[] = "Results and checkpoints";
  TrainConfig& c = flags->config;
  sub->add_option("--out", c.out,
                  "folder for model.ath, model.plan, config.toml and the checkpoints last.ckpt, best.ckpt and "
                  "step-*.ckpt; made if it is missing")
      ->group(kGroup);
  sub->add_flag("--resume", c.resume, "go on from the newest checkpoint in --out, bit for bit where it stopped")
      ->group(kGroup);
  sub->add_option("--checkpoint-every", c.checkpoint_every,
                  "steps between checkpoints, besides those at each epoch and each new best; 0: only those")
      ->capture_default_str()
      ->group(kGroup);
  sub->add_option("--keep", c.keep, "checkpoints that stay, besides the best")->capture_default_str()->group(kGroup);
}

}  // namespace

void AddTrainOptions(CLI::App* sub, TrainFlags* flags) {
  AddLoopOptions(sub, flags);
  AddRateOptions(sub, flags);
  AddStoppingOptions(sub, flags);
  AddCheckpointOptions(sub, flags);
  sub->add_option("--freeze", flags->config.frozen,
                  "parameters that are not trained: names, or patterns with * and ?, as conv*,bn*; running statistics of "
                  "batch normalisation still follow the data")
      ->delimiter(',')
      ->group("Fine-tuning");
}

absl::StatusOr<TrainConfig> FinishTrainFlags(const TrainFlags& flags, const CLI::App& sub) {
  TrainConfig config = flags.config;
  ATH_ASSIGN_OR_RETURN(config.schedule, ParseSchedule(flags.schedule));
  ATH_ASSIGN_OR_RETURN(config.eval_every, ParseExtent("eval-every", flags.eval_every));
  if (config.steps > 0 && sub.get_option("--epochs")->count() == 0) config.epochs = 0;
  return config;
}

}  // namespace athanor
