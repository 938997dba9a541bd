#include "lessons/lesson.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace athanor {

const std::vector<Lesson>& AllLessons() {
  static const auto* lessons = new std::vector<Lesson>{
      {1, "xor", "XOR needs a hidden layer", XorLesson},
      {2, "losses", "Which loss: outliers and classes", LossesLesson},
      {3, "batch-size", "Small batches against large ones", BatchSizeLesson},
      {4, "input-scale", "Inputs divided by 255, or not", InputScaleLesson},
      {5, "learning-rate", "A learning rate too small, right and too large", LearningRateLesson},
      {6, "optimizers", "SGD, momentum, AdaGrad, RMSProp and Adam", OptimizersLesson},
      {7, "depth", "Vanishing and exploding gradients, dead ReLUs", DepthLesson},
      {8, "initialization", "Xavier and He against small random weights", InitializationLesson},
      {9, "batch-norm", "Batch normalisation on and off", BatchNormLesson},
      {10, "overfitting", "Weight decay and dropout against overfitting", OverfittingLesson},
      {11, "residual", "A plain deep network against a residual one", ResidualLesson},
      {12, "gradients", "Numerical gradients against backpropagation", GradientsLesson},
      {13, "phases", "The training phase against the inference phase", PhasesLesson},
  };
  return *lessons;
}

absl::StatusOr<const Lesson*> FindLesson(const std::string& name) {
  std::vector<std::string> names;
  for (const Lesson& lesson : AllLessons()) {
    if (name == lesson.name) return &lesson;
    names.push_back(lesson.name);
  }
  return MakeError(ErrorClass::kReq, "there is no lesson \"%s\"; there are: %s", name, absl::StrJoin(names, ", "));
}

std::string PageName(const Lesson& lesson) { return absl::StrFormat("%02d-%s", lesson.number, lesson.name); }

std::string PlotFileName(const Lesson& lesson, const Plot& plot) {
  return absl::StrCat(PageName(lesson), plot.name.empty() ? "" : "-", plot.name, ".svg");
}

std::string FormatColumns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", i == 0 ? row[i] : space, i == 0 ? space : row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace athanor
