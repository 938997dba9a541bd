#include "compiler/passes/testing/pass_testing.h"

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "compiler/graph/verify.h"
#include "gtest/gtest.h"

namespace athanor {

CompileOptions TestOptions() {
  CompileOptions options;
  options.entries = {{"e", {{"N", 4}}}};
  return options;
}

Graph GraphOf(const std::string& lines) {
  auto graph = ParseGraph(absl::StrCat("graph \"g\" {\n", lines, "\n}\n"));
  EXPECT_TRUE(graph.ok()) << graph.status() << "\n" << lines;
  return graph.ok() ? *std::move(graph) : Graph();
}

void ExpectPass(PassFn pass, const std::string& before, const std::string& after, const CompileOptions& options,
                bool idempotent) {
  auto result = pass(GraphOf(before), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ToText(*result), ToText(GraphOf(after)));
  EXPECT_TRUE(VerifyGraph(*result).ok()) << VerifyGraph(*result);
  if (!idempotent) return;
  auto again = pass(*result, options);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToText(*again), ToText(*result)) << "the second time";
}

void ExpectUnchanged(PassFn pass, const std::string& lines, const CompileOptions& options) {
  ExpectPass(pass, lines, lines, options);
}

std::string ErrorOf(PassFn pass, const std::string& lines, const CompileOptions& options) {
  auto result = pass(GraphOf(lines), options);
  EXPECT_FALSE(result.ok()) << ToText(*result);
  return std::string(result.status().message());
}

Graph LongChain(int length, bool trained) {
  Graph graph;
  graph.name = "chain";
  auto add = [&](std::string name, TensorType type, ValueKind kind) {
    Value value;
    value.name = std::move(name);
    value.type = std::move(type);
    value.kind = kind;
    return graph.AddValue(std::move(value));
  };
  const TensorType type(DType::kF32, {2});
  const ValueId x = add("x", type, trained ? ValueKind::kParameter : ValueKind::kInput);
  if (trained) graph.values[x].init.kind = "zeros";
  ValueId last = x;
  for (int i = 0; i < length; ++i) {
    ValueId next = add(absl::StrCat("v", i), type, ValueKind::kNode);
    bool unary = i % 2 == 0;
    std::vector<ValueId> inputs = unary ? std::vector<ValueId>{last} : std::vector<ValueId>{last, x};
    graph.nodes.push_back({unary ? "T.Relu" : "T.Add", absl::StrCat("n", i), inputs, {next}, {}, {}, ""});
    last = next;
  }
  ValueId loss = add("loss", TensorType(DType::kF32, {}), ValueKind::kNode);
  graph.nodes.push_back({"T.Sum", "sum", {last}, {loss}, {}, {}, ""});
  GraphEntry entry;
  entry.name = "e";
  entry.training = trained;
  if (!trained) entry.inputs = {{"x", x}};
  entry.outputs = {{"loss", loss}};
  if (trained) entry.loss = loss;
  graph.entries.push_back(std::move(entry));
  return graph;
}

}  // namespace athanor
