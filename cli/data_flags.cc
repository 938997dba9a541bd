#include "cli/data_flags.h"

#include <CLI/CLI.hpp>

namespace athanor {

void AddDataOptions(CLI::App* app, DataSpec* spec, bool positional_path) {
  const char* kinds =
      "mnist (the sample inside the program: 10,000 training and 2,000 test images), a folder with the four IDX files "
      "of MNIST or a set of the same form, a folder or .zip of images in class folders, a file .csv, .tsv, .npz or "
      ".txt (.gz), or task:dates or task:reverse (generated)";
  if (positional_path) {
    app->add_option("data", spec->path, kinds)->required();
  } else {
    app->add_option("--data", spec->path, kinds)->capture_default_str();
  }
  constexpr char kGroup[] = "Data";
  app->add_option("--test-data", spec->test_path,
                  "test samples of the same kind, if --data has none or others are wanted")
      ->group(kGroup);
  app->add_option("--val-split", spec->validation,
                  "share of the training samples held back for validation, such as 0.1 (of a text: its end)")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--normalize", spec->normalize,
                  "none, scale255 (x / 255), standardize (mean 0 and deviation 1 of each channel over the training "
                  "samples), or MEAN/STD such as 0.49,0.48,0.45/0.25,0.24,0.26")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--augment", spec->augment,
                  "changes of the training images, in this order: flip[:P], crop:PAD[:reflect], jitter:S or "
                  "jitter:B:C:S, cutout:SIDE, mixup:ALPHA; such as flip,crop:4")
      ->group(kGroup);
  app->add_flag("--one-hot", spec->one_hot, "training labels as shares of the classes (with mixup they are so anyway)")
      ->group(kGroup);
  app->add_option("--resize", spec->resize,
                  "images in folders and archives: 32, 224x160 (height x width, stretched) or crop:224 (centre)")
      ->group(kGroup);
  app->add_option("--channels", spec->channels, "images in folders and archives: 1 or 3; 0: what most have")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--cache", spec->cache_mib, "MiB of decoded images that are kept in memory; 0: none")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--label-column", spec->label_column,
                  "tables: the column to predict, by name or number from 0 (-1: the last); with --regression also "
                  "several")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--separator", spec->separator, "tables: one character or tab; found out if it is not given")
      ->group(kGroup);
  app->add_option("--header", spec->header, "CSV: whether the first line is one: detect, yes or no")
      ->capture_default_str()
      ->group(kGroup);
  app->add_option("--ignore-columns", spec->ignore_columns, "tables: columns that are no features, such as id,3")
      ->group(kGroup);
  app->add_flag("--regression", spec->regression, "tables and .npz: the label is a number, not a class")
      ->group(kGroup);
  app->add_option("--sequence", spec->sequence, "texts: characters a sample")
      ->capture_default_str()
      ->group(kGroup);
}

}  // namespace athanor
