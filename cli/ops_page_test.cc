// docs/operators.md says what the registry holds.
#include <fstream>
#include <sstream>

#include "compiler/opdef/describe.h"
#include "compiler/opdef/onnx_names.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(OperatorsPage, IsWhatOpsMarkdownPrints) {
  std::ifstream file("docs/operators.md");
  ASSERT_TRUE(file.good());
  std::ostringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), OperatorsMarkdown())
      << "docs/operators.md is stale: bazel run //cli:athanor -- ops --markdown > docs/operators.md";
}

TEST(OnnxNames, AreOfOperatorsThatExistAndSorted) {
  absl::string_view before;
  for (const auto& [ours, onnx] : OnnxNames()) {
    EXPECT_NE(OpRegistry::Get().Find(ours), nullptr) << ours;
    EXPECT_LT(before, ours);
    EXPECT_EQ(OnnxName(ours), onnx);
    before = ours;
  }
  EXPECT_EQ(OnnxName("Conv"), "");
}

TEST(OperatorsPage, EveryOperatorSaysWhatItDoes) {
  for (const OpDef* def : OpRegistry::Get().All()) {
    EXPECT_FALSE(def->doc.empty()) << def->name;
    EXPECT_FALSE(def->outputs.empty()) << def->name;
    for (const PortDef& port : def->inputs) EXPECT_FALSE(port.name.empty()) << def->name;
    for (const AttrDef& attr : def->attributes) EXPECT_FALSE(attr.doc.empty()) << def->name << " " << attr.name;
    // What is lowered names its kernels, what is not has none of its own.
    EXPECT_EQ(def->kernels.empty(), def->lower == nullptr) << def->name;
  }
}

}  // namespace
}  // namespace athanor
