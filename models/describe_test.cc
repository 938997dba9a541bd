// docs/models.md says what the zoo holds.
#include "models/describe.h"

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace athanor {
namespace {

// Without the lines that benchmarks/training/table.py adds to the cards: what training gave.
std::string WithoutTrained(const std::string& page) {
  std::istringstream in(page);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("| trained |", 0) != 0) out += line + "\n";
  }
  return out;
}

TEST(ModelsPage, EndsWithWhatModelsMarkdownPrints) {
  std::ifstream file("docs/models.md");
  ASSERT_TRUE(file.good());
  std::ostringstream page;
  page << file.rdbuf();
  absl::StatusOr<std::string> cards = ModelsMarkdown();
  ASSERT_TRUE(cards.ok()) << cards.status();
  const size_t at = page.str().find("### ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(WithoutTrained(page.str().substr(at)), *cards)
      << "the cards in docs/models.md are stale: behind the first \"### \" comes what `athanor models --markdown` prints";
}

TEST(Describe, NumbersHaveThreeDigits) {
  EXPECT_EQ(FormatFlops(8), "8 FLOP");
  EXPECT_EQ(FormatFlops(999), "999 FLOP");
  EXPECT_EQ(FormatFlops(1000), "1.00 kFLOP");
  EXPECT_EQ(FormatFlops(82.04e6), "82.0 MFLOP");
  EXPECT_EQ(FormatFlops(999.9e6), "1.00 GFLOP");
  EXPECT_EQ(FormatFlops(31e9), "31.0 GFLOP");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
}

TEST(Describe, NumbersAreOfTheFormThatWasBuilt) {
  ModelOptions options;
  options.input = {3};
  options.hidden = {4};
  options.classes = 2;
  absl::StatusOr<Graph> graph = BuildModel("mlp", options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const ModelNumbers n = NumbersOf(*graph);
  EXPECT_EQ(n.parameters, 4 * (3 + 1) + 2 * (4 + 1));
  EXPECT_EQ(n.flops, 2 * (4 * 3 + 2 * 4));
  EXPECT_EQ(n.input, "f32[N,3]");
}

}  // namespace
}  // namespace athanor
