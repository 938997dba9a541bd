// Writes the stored files of the present format version to a folder: see README.md.
#include <iostream>
#include <string>

#include "compiler/graph/model_io.h"
#include "compiler/graph/text.h"
#include "runtime/plan/plan_io.h"
#include "tests/stored_files/examples.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_files FOLDER\n";
    return 2;
  }
  const std::string folder = argv[1];
  auto graph = athanor::ParseGraph(athanor::ExampleModelText());
  absl::Status status = graph.ok() ? athanor::WriteModel(*graph, folder + "/model.ath") : graph.status();
  status.Update(athanor::WritePlan(athanor::ExamplePlan(), folder + "/plan.plan"));
  status.Update(athanor::WriteCheckpoint(athanor::ExampleCheckpoint(), folder + "/checkpoint.ckpt"));
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
