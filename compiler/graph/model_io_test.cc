#include "compiler/graph/model_io.h"

#include <filesystem>

#include "compiler/graph/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/container/container.h"
#include "runtime/container/testing/corrupt.h"
#include "schema/model_generated.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr char kNet[] = R"(graph "net" {
  metadata {bool=true, empty=strings[], floats=[0.5,-0.0,nan], ints=[1,-2], minus=-0.0, name="caf\xc3\xa9", none=ints[], number=-7}
  %x : input f32[N,4]
  %labels : input s64[N]
  %w : parameter f32[3,4] = kaiming_uniform{a=2.23606797749979, fan="in"}
  %m : state f32[3,4] = zeros = [1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,-0.0,nan]
  %one : constant f32[] = [1.0]
  %ids : constant s64[3] = [1,2,-3]
  %none : constant u8[0] = []
  %unused : value bf16[N,0]
  %h, _ = FullyConnected(%x, %w, _) {flag=false} post_ops [ReLU{alpha=0.0}, Add(%one)] @"fc" : f32[N,3], _ ; net.cc:7
  %loss = CrossEntropy(%h, %labels) @"loss" : f32[]
  %w2, %m2 = Step(%w, %m) @"step" : f32[3,4], f32[3,4]
  entry "infer" (x=%x) -> (y=%h)
  entry "train" training (x=%x, labels=%labels) -> (loss=%loss) loss %loss update (%w <- %w2, %m <- %m2)
}
)";

Graph Net() { return *ParseGraph(kNet); }

std::string AllText(const Graph& g) { return ToText(g, {.inline_data = InlineData::kAll}); }

TEST(ModelIoTest, KeepsEverything) {
  Graph g = Net();
  auto bytes = SerializeModel(g);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  auto back = ParseModel(*bytes, "net.ath");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(AllText(*back), AllText(g));
  EXPECT_EQ(*SerializeModel(*back), *bytes);
}

TEST(ModelIoTest, WritesAndReadsFiles) {
  std::string path = ::testing::TempDir() + "/model_io_test.ath";
  Graph g = Net();
  ASSERT_TRUE(WriteModel(g, path).ok());
  auto back = ReadModel(path);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(AllText(*back), AllText(g));
  EXPECT_EQ(*ReadFileKind(path), FileKind::kModel);
  std::filesystem::remove(path);
  EXPECT_EQ(ErrorClassOf(ReadModel(path).status()), "PATH");
}

TEST(ModelIoTest, SharedDataIsStoredOnce) {
  Graph g = Net();
  auto data = std::make_shared<const Tensor>(*Tensor::Create(DType::kF32, {100, 100}));
  for (const char* name : {"c1", "c2"}) {
    Value v;
    v.name = name;
    v.kind = ValueKind::kConstant;
    v.type = TensorType(DType::kF32, {100, 100});
    v.data = data;
    g.AddValue(v);
  }
  auto bytes = SerializeModel(g);
  EXPECT_LT(bytes->size(), 50000u);
  Graph back = *ParseModel(*bytes, "f");
  EXPECT_EQ(back.values[back.FindValue("c1")].data, back.values[back.FindValue("c2")].data);
}

TEST(ModelIoTest, ABadGraphIsNeitherWrittenNorRead) {
  Graph g = Net();
  g.nodes[0].inputs[0] = 99;
  std::string path = ::testing::TempDir() + "/model_io_bad.ath";
  EXPECT_EQ(ErrorClassOf(WriteModel(g, path)), "GRAPH");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ModelIoTest, AnotherFileIsNamed) {
  std::string bytes = *SerializeModel(Net());
  bytes[7] = 'P';
  EXPECT_EQ(ParseModel(bytes, "f").status().message(), "FORMAT: f: is an Athanor plan, expected an Athanor model");
}

TEST(ModelIoTest, EveryTruncationIsRefused) {
  std::string bytes = *SerializeModel(Net());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(ErrorClassOf(ParseModel(bytes.substr(0, n), "f").status()), "FORMAT") << n;
  }
}

// With the checksums made right again, so that the checks behind them are reached.
TEST(ModelIoTest, NoCorruptionCrashes) {
  const std::string good = *SerializeModel(Net());
  int read = 0, refused = 0;
  ForEachCorruption(good, [&](const std::string& bad, size_t at) {
    auto graph = ParseModel(bad, "f");
    if (graph.ok()) {
      ++read;
      EXPECT_FALSE(AllText(*graph).empty());
    } else {
      ++refused;
      EXPECT_NE(ErrorClassOf(graph.status()), "") << at << ": " << graph.status();
      EXPECT_THAT(std::string(graph.status().message()), HasSubstr(": f: ")) << at;
    }
  });
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 1000);
}

TEST(ModelIoTest, AWeightThatBelongsToNothingIsRefused) {
  flatbuffers::FlatBufferBuilder fbb;
  std::vector<float> numbers(16);
  TensorSection section;
  section.Add(absl::string_view(reinterpret_cast<const char*>(numbers.data()), 64));
  auto dims = fbb.CreateVector(std::vector<int64_t>{16});
  std::vector<flatbuffers::Offset<fbs::TensorRef>> refs = {fbs::CreateTensorRef(fbb, fbs::DType::F32, dims, 0, 64)};
  auto name = fbb.CreateString("g");
  auto values = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::Value>>());
  auto nodes = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::Node>>());
  auto entries = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::GraphEntry>>());
  fbs::FinishModelBuffer(fbb, fbs::CreateModel(fbb, name, 0, values, nodes, entries, fbb.CreateVector(refs)));
  std::string bytes = *SerializeContainer(FileKind::kModel, {fbb.GetBufferPointer(), fbb.GetSize()}, section);
  EXPECT_THAT(std::string(ParseModel(bytes, "f").status().message()), HasSubstr("f: tensor 0 belongs to nothing"));
}

TEST(ModelIoTest, SharedPartsCannotUnfoldToMoreThanTheFile) {
  flatbuffers::FlatBufferBuilder fbb;
  auto shared = fbb.CreateVector(std::vector<int64_t>(10000, 1));
  std::vector<flatbuffers::Offset<fbs::Attribute>> attrs;
  for (int i = 0; i < 1000; ++i) {
    auto name = fbb.CreateString("a" + std::to_string(i));
    fbs::AttributeBuilder b(fbb);
    b.add_name(name);
    b.add_type(fbs::AttrType::Ints);
    b.add_ints(shared);
    attrs.push_back(b.Finish());
  }
  auto name = fbb.CreateString("g");
  auto values = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::Value>>());
  auto nodes = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::Node>>());
  auto entries = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::GraphEntry>>());
  auto refs = fbb.CreateVector(std::vector<flatbuffers::Offset<fbs::TensorRef>>());
  fbs::FinishModelBuffer(fbb, fbs::CreateModel(fbb, name, fbb.CreateVector(attrs), values, nodes, entries, refs));
  std::string bytes = *SerializeContainer(FileKind::kModel, {fbb.GetBufferPointer(), fbb.GetSize()}, TensorSection());
  EXPECT_EQ(ErrorClassOf(ParseModel(bytes, "f").status()), "LIMIT") << ParseModel(bytes, "f").status();
}

}  // namespace
}  // namespace athanor
