// The part of MNIST that is in every binary which links this: see README.md in this folder.
#ifndef ATHANOR_DATA_MNIST_SAMPLE_MNIST_SAMPLE_H_
#define ATHANOR_DATA_MNIST_SAMPLE_MNIST_SAMPLE_H_

#include "data/dataset.h"
#include "runtime/core/status.h"

namespace athanor {

// 10,000 training and 2,000 test images [1,28,28] of ten digits, decoded anew by each call (about 50 ms, 9.4 MB). No
// file is read: it fails only for want of memory.
absl::StatusOr<TrainTest> LoadMnistSample();

}  // namespace athanor

#endif  // ATHANOR_DATA_MNIST_SAMPLE_MNIST_SAMPLE_H_
