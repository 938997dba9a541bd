// The rows of AllModels, by file. To add a family: models/x.cc, a line here and one in models.cc.
#ifndef ATHANOR_MODELS_FAMILIES_H_
#define ATHANOR_MODELS_FAMILIES_H_

#include <vector>

#include "models/models.h"

namespace athanor {

std::vector<ModelInfo> PerceptronModels();
std::vector<ModelInfo> MlpModels();
std::vector<ModelInfo> LeNetModels();
std::vector<ModelInfo> AlexNetModels();
std::vector<ModelInfo> VggModels();
std::vector<ModelInfo> NinModels();
std::vector<ModelInfo> GoogLeNetModels();
std::vector<ModelInfo> ResNetModels();
std::vector<ModelInfo> CifarResNetModels();
std::vector<ModelInfo> DenseNetModels();
std::vector<ModelInfo> MobileNetModels();
std::vector<ModelInfo> RecurrentModels();
std::vector<ModelInfo> EncoderModels();
std::vector<ModelInfo> LanguageModels();
std::vector<ModelInfo> SequenceToSequenceModels();

}  // namespace athanor

#endif  // ATHANOR_MODELS_FAMILIES_H_
