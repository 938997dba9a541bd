// Lessons: what textbooks claim of neural networks, shown by running it. A lesson builds its graphs, compiles and
// trains them on the digits in the binary or on numbers it makes, and says what came out. docs/lessons/ has a page for
// each.
#ifndef ATHANOR_LESSONS_LESSON_H_
#define ATHANOR_LESSONS_LESSON_H_

#include <map>
#include <string>
#include <vector>

#include "lessons/plot.h"
#include "runtime/core/status.h"

namespace athanor {

struct LessonOptions {
  std::string data = "";  // folder with MNIST's IDX files; empty: the 10,000 digits in the binary
  bool quick = false;     // seconds in place of a minute, with coarser figures: for tests
};

struct LessonResult {
  std::string text;                       // tables for people; lines end with '\n'
  std::vector<Plot> plots;                // at least one
  std::map<std::string, double> figures;  // what the text says, by name: "accuracy.relu"
};

struct Lesson {
  int number;  // of its page, from 1
  const char* name;
  const char* title;
  // All numbers but times are the same at each call on one machine. Uses one thread. Errors of compiler, session, data.
  absl::StatusOr<LessonResult> (*run)(const LessonOptions& options);
};

const std::vector<Lesson>& AllLessons();  // by number
// REQ error that lists the names.
absl::StatusOr<const Lesson*> FindLesson(const std::string& name);
// "01-xor": what the lesson's files in docs/lessons begin with.
std::string PageName(const Lesson& lesson);

// "01-xor.svg", "06-optimizers-bowl.svg"
std::string PlotFileName(const Lesson& lesson, const Plot& plot);

// Columns as wide as their widest cell, the first to the left and the others to the right, a line a row.
std::string FormatColumns(const std::vector<std::vector<std::string>>& rows);

// One a file: xor.cc, losses.cc, ...
absl::StatusOr<LessonResult> XorLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> LossesLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> BatchSizeLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> InputScaleLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> LearningRateLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> OptimizersLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> DepthLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> InitializationLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> BatchNormLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> OverfittingLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> ResidualLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> GradientsLesson(const LessonOptions& options);
absl::StatusOr<LessonResult> PhasesLesson(const LessonOptions& options);

}  // namespace athanor

#endif  // ATHANOR_LESSONS_LESSON_H_
