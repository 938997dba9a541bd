// What the stored files hold.
#ifndef ATHANOR_TESTS_STORED_FILES_EXAMPLES_H_
#define ATHANOR_TESTS_STORED_FILES_EXAMPLES_H_

#include <string>

#include "runtime/container/checkpoint_io.h"
#include "runtime/plan/plan.h"

namespace athanor {

// A graph's text with every element.
std::string ExampleModelText();
Plan ExamplePlan();
Checkpoint ExampleCheckpoint();

}  // namespace athanor

#endif  // ATHANOR_TESTS_STORED_FILES_EXAMPLES_H_
