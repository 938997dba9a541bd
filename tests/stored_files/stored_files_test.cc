// Files written by each version of the format must be read for ever, and mean what they meant.
#include <cstring>

#include "compiler/graph/model_io.h"
#include "compiler/graph/text.h"
#include "gtest/gtest.h"
#include "runtime/plan/plan_io.h"
#include "tests/stored_files/examples.h"

namespace athanor {
namespace {

class StoredFilesTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string Path(const std::string& name) const {
    return std::string("tests/stored_files/") + GetParam() + "/" + name;
  }
};

TEST_P(StoredFilesTest, Model) {
  auto graph = ReadModel(Path("model.ath"));
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(ToText(*graph, {.inline_data = InlineData::kAll}), ExampleModelText());
}

TEST_P(StoredFilesTest, Plan) {
  auto plan = ReadPlan(Path("plan.plan"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  // The present writer makes one and the same file of equal plans.
  EXPECT_EQ(*SerializePlan(*plan), *SerializePlan(ExamplePlan()));
}

TEST_P(StoredFilesTest, Checkpoint) {
  auto checkpoint = ReadCheckpoint(Path("checkpoint.ckpt"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(*SerializeCheckpoint(*checkpoint), *SerializeCheckpoint(ExampleCheckpoint()));
}

INSTANTIATE_TEST_SUITE_P(Versions, StoredFilesTest, ::testing::Values("v1.0"),
                         [](const auto& info) { return std::string(info.param, 2) + "_" + (info.param + 3); });

}  // namespace
}  // namespace athanor
