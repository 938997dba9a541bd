// What the lessons share: samples, a compiled network that learns from them, and the usual network of fully connected
// layers.
#ifndef ATHANOR_LESSONS_LEARNER_H_
#define ATHANOR_LESSONS_LEARNER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compiler/builder/builder.h"
#include "compiler/options.h"
#include "data/dataset.h"
#include "lessons/lesson.h"
#include "runtime/session/session.h"

namespace athanor {

struct Samples {
  Tensor x;         // u8 or f32 [n, ...]
  Tensor target;    // s32 or f32 [n, ...]
  float scale = 1;  // x is multiplied by it
  int64_t size() const { return x.shape()[0]; }
};

// 0, 1, .. count - 1.
std::vector<int64_t> FirstRows(int64_t count);
// The root of the sum of the squares.
double Norm(absl::Span<const float> values);

struct Digits {
  Samples train, test;  // x u8 [n,784], target s32 [n], scale 1 / 255
  std::string name;     // of the data set
};
// The first `train` and `test` digits of the data set that the options name; 0: all.
absl::StatusOr<Digits> LoadDigits(const LessonOptions& options, int64_t train = 0, int64_t test = 0);

// Fully connected layers "fc1", "fc2", ... with an activation between them; the last gives the logits.
struct MlpSpec {
  std::vector<int64_t> hidden = {100};
  std::string activation = "ReLU";  // an operator of one input
  Initializer weight_init = {};     // default: torch.nn.Linear's; otherwise biases start at zero
  bool batch_norm = false;          // before each activation
  double dropout = 0;               // behind each activation
};
// Of x [N,784]; `activations`, unless null, gets those of the hidden layers, named "h1", "h2", ...
Var MlpLogits(GraphBuilder& b, Var x, const MlpSpec& spec, std::vector<NamedVar>* activations = nullptr);
// Entries "train" (x, target) -> loss, logits and "infer" (x) -> logits, h1, h2, ...
absl::StatusOr<Graph> MlpClassifier(const MlpSpec& spec);

struct LearnerOptions {
  OptimizerSpec optimizer = {"SGD", {}};
  int64_t batch = 50;
  int64_t samples = 0;  // of an epoch: when the batch does not divide it, a smaller last batch is prepared too
  int64_t infer_batch = 500;
  uint64_t seed = 1;       // of the weights, the order of the samples and dropout
  bool gradients = false;  // the train entry also gives "grad:<parameter>"
};

struct Score {
  double loss = 0, accuracy = 0;  // mean cross-entropy, share of right classes
};

// A graph with entries "train" (x, target) -> loss, .. and, optionally, "infer" (x) -> .., compiled for one thread.
class Learner {
 public:
  static absl::StatusOr<std::unique_ptr<Learner>> Create(absl::StatusOr<Graph> graph, const LearnerOptions& options);

  // One update on these rows, as many as a prepared batch has; the loss before it, which may be infinite or NaN.
  absl::StatusOr<double> Step(const Samples& samples, absl::Span<const int64_t> rows, double lr);
  // One epoch over all samples in a new order; the mean loss of its samples as they were met. `losses`, unless null,
  // gets the loss of each step.
  absl::StatusOr<double> Epoch(const Samples& samples, double lr, std::vector<double>* losses = nullptr);
  // By the infer entry's output "logits".
  absl::StatusOr<Score> Evaluate(const Samples& samples);
  // Runs the infer entry on the rows from `first` on, zeros behind the last; Output reads its results.
  absl::Status Infer(const Samples& samples, int64_t first = 0);
  absl::StatusOr<absl::Span<const float>> Output(const std::string& name) const;
  // Of the last step of a full batch.
  absl::StatusOr<absl::Span<const float>> TrainOutput(const std::string& name) const;

  Session& session() { return *session_; }
  int64_t steps() const { return steps_; }
  // The graph with the weights as they are now.
  absl::StatusOr<Graph> Trained() const;

 private:
  struct TrainEntry {
    int entry = 0;
    int64_t rows = 0;
    TensorView x, target, loss;
    TensorView lr, step, seed;  // data == nullptr where the entry has none
  };
  Learner(Graph graph, const LearnerOptions& options) : graph_(std::move(graph)), options_(options) {}
  absl::Status Compile();

  Graph graph_;
  LearnerOptions options_;
  std::unique_ptr<Session> session_;
  std::vector<TrainEntry> train_;
  int infer_ = -1;  // none
  int64_t steps_ = 0, epochs_ = 0;
};

}  // namespace athanor

#endif  // ATHANOR_LESSONS_LEARNER_H_
