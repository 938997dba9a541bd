// What the kernel optimizer_update knows of each algorithm but its loop: hyper-parameters, slots, and the numbers that a
// step's loop runs with. Plain code, compiled once.
#ifndef ATHANOR_RUNTIME_KERNELS_OPTIMIZER_STEP_H_
#define ATHANOR_RUNTIME_KERNELS_OPTIMIZER_STEP_H_

#include <cstdint>
#include <vector>

#include "runtime/kernels/kernel.h"

namespace athanor {

inline constexpr int kMaxSlots = 3;

// One loop each.
enum class UpdateRule {
  kSgd,
  kSgdMomentum,
  kSgdNesterov,
  kAdaGrad,
  kRmsProp,
  kRmsPropMomentum,
  kRmsPropCentered,
  kRmsPropCenteredMomentum,
  kAdam,
  kAdamAmsgrad,
  kAdaDelta,
  kAdamax,
  kNAdam,
  kLion,
  kLamb,
};

// The hyper-parameters, by the names of the attributes. An algorithm reads those it has.
struct UpdateHyper {
  double weight_decay = 0, clip_value = 0, lr_scale = 1;  // every algorithm; clip_value 0: none
  bool decoupled_weight_decay = false;
  double momentum = 0, dampening = 0;
  double beta1 = 0, beta2 = 0, epsilon = 0;
  double lr_decay = 0, initial_accumulator_value = 0;  // adagrad
  double alpha = 0, rho = 0, momentum_decay = 0;       // rmsprop; adadelta; nadam
  bool nesterov = false, centered = false, amsgrad = false;
};

// The numbers of one step:
//   g = clamp(grad_scale grad, +-clip) + l2 param;  param = decay param - step_size direction(g, slots)
struct UpdateConstants {
  float grad_scale = 1, clip = 0, l2 = 0, decay = 1, step_size = 0;
  float momentum = 0, grad_share = 1;  // grad_share: 1 - dampening
  float beta1 = 0, rest1 = 1, beta2 = 0, rest2 = 1, epsilon = 0;  // rest: 1 - beta
  float initial = 0;                      // added to adagrad's sum
  float correction1 = 1, correction2 = 1;  // 1 - beta1^step, sqrt(1 - beta2^step)
  float grad_weight = 0, moment_weight = 0;  // nadam
  float weight_decay = 0;                    // lamb, which has it in the direction
};

struct UpdateAlgorithm {
  const char* name;
  struct Number {
    const char* name;
    double UpdateHyper::*field;
    double min, max;
  };
  std::vector<Number> numbers;
  struct Flag {
    const char* name;
    bool UpdateHyper::*field;
  };
  std::vector<Flag> flags;
  UpdateRule (*rule)(const UpdateHyper& h);
  bool (*uses_step)(const UpdateHyper& h);
  // Fills in what the direction needs; step_size and the common numbers are there before. `lr` includes lr_scale.
  void (*prepare)(const UpdateHyper& h, double lr, int64_t step, UpdateConstants* k);
};

int NumSlots(UpdateRule rule);
// Floating-point operations an element, roughly.
int FlopsPerElement(UpdateRule rule);

// By the attribute "algorithm"; PLAN error for an unknown one.
absl::StatusOr<const UpdateAlgorithm*> FindUpdateAlgorithm(const CallSpec& spec);
// PLAN errors for a missing attribute or one out of its range, NaN included.
absl::StatusOr<UpdateHyper> ReadUpdateHyper(const CallSpec& spec, const UpdateAlgorithm& algorithm);

UpdateConstants PrepareStep(const UpdateAlgorithm& algorithm, const UpdateHyper& hyper, float lr, int64_t step,
                            float grad_scale);

// ATTR errors for a learning rate that is negative or not finite, and for a step before the first (1). DATA error for a
// scale of the gradients that is negative or not finite.
absl::Status CheckLr(const std::string& node, float lr);
absl::Status CheckStep(const std::string& node, int64_t step);
absl::Status CheckGradScale(const std::string& node, float scale);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_OPTIMIZER_STEP_H_
