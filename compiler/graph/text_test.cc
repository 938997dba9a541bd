#include "compiler/graph/text.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr char kNet[] = R"(graph "net" {
  metadata {classes=["0","1"], mean=[0.5,1.0], scale=0.00392}
  %x : input f32[N,1,28,28]
  %labels : input s64[N]
  %conv1.weight : parameter f32[6,1,5,5] = kaiming_uniform{fan="in"}
  %bn.mean : state f32[3] = zeros = [0.5,-inf,nan]
  %half : constant f32[] = [0.5]
  %res : value f32[N,6,24,24]
  %h, _ = Conv2d(%x, %conv1.weight, _) {pads=[0,0,0,0], strides=[1,1]} post_ops [ReLU{alpha=0.0}, Add(%res)] @"conv1" : f32[N,6,24,24], _ ; lenet.cc:41
  %loss, %next = Train(%h, %labels, %half, %bn.mean) {axes=ints[], empty=floats[], exact=false, names=strings[], note="a\"b\n\xff"} @"train" : f32[], f32[3]
  () = Print(%loss) @"print"
  entry "infer" (x=%x) -> (h=%h)
  entry "train" training (x=%x, labels=%labels) -> (loss=%loss, h=%h) loss %loss update (%bn.mean <- %next)
}
)";

Graph Parsed(absl::string_view text) {
  auto graph = ParseGraph(text);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *std::move(graph) : Graph();
}

// A graph around some lines.
std::string Around(absl::string_view lines) { return absl::StrCat("graph \"g\" {\n", lines, "\n}\n"); }

void ExpectError(absl::string_view text, const std::string& message, const Blobs* blobs = nullptr) {
  auto graph = ParseGraph(text, blobs, "t");
  ASSERT_FALSE(graph.ok()) << text;
  EXPECT_THAT(std::string(graph.status().message()), HasSubstr(message));
}

TEST(TextTest, PrintsWhatItParsed) { EXPECT_EQ(ToText(Parsed(kNet)), kNet); }

TEST(TextTest, ParsesIntoTheStructures) {
  Graph g = Parsed(kNet);
  EXPECT_EQ(g.name, "net");
  EXPECT_EQ(g.metadata.GetStrings("classes"), (Strings{"0", "1"}));
  const Value& weight = g.values[g.FindValue("conv1.weight")];
  EXPECT_EQ(weight.kind, ValueKind::kParameter);
  EXPECT_EQ(weight.init, (Initializer{"kaiming_uniform", {{"fan", std::string("in")}}}));
  EXPECT_EQ(weight.data, nullptr);
  const Value& mean = g.values[g.FindValue("bn.mean")];
  EXPECT_EQ(mean.data->as<float>()[1], -std::numeric_limits<float>::infinity());
  const Node& conv = g.nodes[0];
  EXPECT_EQ(conv.inputs,
            (std::vector<ValueId>{g.FindValue("x"), g.FindValue("conv1.weight"), kNoValue, g.FindValue("res")}));
  EXPECT_EQ(conv.outputs, (std::vector<ValueId>{g.FindValue("h"), kNoValue}));
  EXPECT_EQ(conv.post_ops[0], (PostOp{"ReLU", {{"alpha", 0.0}}, -1}));
  EXPECT_EQ(conv.post_ops[1], (PostOp{"Add", {}, 3}));
  EXPECT_EQ(conv.where, "lenet.cc:41");
  EXPECT_EQ(conv.name, "conv1");
  EXPECT_EQ(g.type(g.FindValue("h")), TensorType(DType::kF32, {"N", 6, 24, 24}));
  EXPECT_EQ(g.nodes[1].attrs.String("note"), "a\"b\n\xff");
  EXPECT_TRUE(g.nodes[2].outputs.empty());
  EXPECT_FALSE(g.entries[0].training);
  EXPECT_TRUE(g.entries[1].training);
  EXPECT_EQ(g.entries[1].loss, g.FindValue("loss"));
  EXPECT_EQ(g.entries[1].updates[0], std::make_pair(g.FindValue("bn.mean"), g.FindValue("next")));
}

TEST(TextTest, LineEndsAndCommentsAreFree) {
  Graph g = Parsed(
      "; made by hand\r\ngraph \"g\"{%x:input f32[ N , 2 ] ; not kept\n%y=\n  ReLU( %x )\n@\"n\":f32[N,2] ;  here\r\n"
      "entry \"infer\"(x=%x)->(y=%y)}");
  EXPECT_EQ(g.nodes[0].where, " here");
  EXPECT_EQ(ToText(g), Around("  %x : input f32[N,2]\n  %y = ReLU(%x) @\"n\" : f32[N,2] ;  here\n"
                              "  entry \"infer\" (x=%x) -> (y=%y)"));
}

TEST(TextTest, OddNamesAreQuoted) {
  Graph g;
  g.name = "\"\\\n";
  for (const char* name : {"", "a b", "x:y", "\xc3\xa9", "ok.1/$_", "_", "1",
                           "\x01"
                           "f"}) {
    Value v;
    v.name = name;
    v.kind = ValueKind::kInput;
    v.type = TensorType(DType::kU8, {Dim(std::string("1x")), Dim(name[0] ? name : "N"), -1});
    g.AddValue(v);
  }
  Node n{"two words", "", {0, 1}, {}, {{"odd name", int64_t{-3}}, {"%", true}}, {}, "\ta;b\\ "};
  n.post_ops.push_back({"p q", {{"", 1e300}}, -1});
  g.nodes.push_back(n);
  g.entries.push_back({"e\"", false, {{"in 1", 2}, {"", 3}}, {{"training", kNoValue}}, kNoValue, {}});
  std::string text = ToText(g);
  Graph back = Parsed(text);
  EXPECT_EQ(ToText(back), text);
  EXPECT_EQ(back.values[7].name,
            "\x01"
            "f");
  EXPECT_EQ(back.values[0].type, g.values[0].type);
  EXPECT_EQ(back.nodes[0].attrs, n.attrs);
  EXPECT_EQ(back.nodes[0].where, n.where);
  EXPECT_EQ(back.entries[0].inputs, g.entries[0].inputs);
}

TEST(TextTest, OperandsInAnotherPlaceArePrintedAsIndices) {
  std::string text = Around(
      "  %x : input f32[2]\n  %y : input f32[2]\n"
      "  %z = Op(%x, %y) post_ops [Mul(#1){a=1}, Add(#0)] @\"n\" : f32[2]");
  Graph g = Parsed(text);
  EXPECT_EQ(g.nodes[0].post_ops[0].operand, 1);
  EXPECT_EQ(g.nodes[0].post_ops[1].operand, 0);
  EXPECT_EQ(ToText(g), text);
}

TEST(TextTest, ManyUpdatesGetALineEach) {
  std::string text = Around(
      "  %a : state f32[]\n  %b : state f32[]\n  %c : state f32[]\n"
      "  entry \"e\" () -> () update (\n      %a <- %b,\n      %b <- %c,\n      %c <- %a)");
  EXPECT_EQ(ToText(Parsed(text)), text);
}

template <typename T>
void ExpectSameBits(const std::vector<T>& values, DType dtype) {
  Graph g;
  Value v;
  v.name = "c";
  v.kind = ValueKind::kConstant;
  Shape shape = {static_cast<int64_t>(values.size())};
  v.type = TensorType::Of(dtype, shape);
  auto tensor = Tensor::Create(dtype, shape);
  ASSERT_TRUE(tensor.ok());
  ASSERT_EQ(tensor->bytes(), static_cast<int64_t>(values.size() * sizeof(T)));
  if (!values.empty()) std::memcpy(tensor->data(), values.data(), tensor->bytes());
  v.data = std::make_shared<const Tensor>(*std::move(tensor));
  g.AddValue(v);
  Graph back = Parsed(ToText(g, {.inline_data = InlineData::kAll}));
  ASSERT_EQ(back.values.size(), 1u);
  EXPECT_EQ(std::memcmp(back.values[0].data->data(), v.data->data(), v.data->bytes()), 0) << ToText(g);
}

TEST(TextTest, ElementsKeepEveryBit) {
  std::vector<uint32_t> f32 = {0x00000000, 0x80000000, 0x00000001, 0x7f7fffff, 0x7f800000, 0xff800000,
                               0x7fc00000, 0xffc00000, 0x7f800001, 0x3dcccccd, 0x3eaaaaab};
  for (uint32_t i = 1; i < 200; ++i) f32.push_back(i * 2654435761u);
  ExpectSameBits(f32, DType::kF32);
  std::vector<uint64_t> f64 = {0, 1, 0x8000000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 0xfff8000000000001};
  for (uint64_t i = 1; i < 200; ++i) f64.push_back(i * 0x9e3779b97f4a7c15);
  ExpectSameBits(f64, DType::kF64);
  std::vector<uint16_t> bf16;
  for (int i = 0; i < 65536; i += 7) bf16.push_back(static_cast<uint16_t>(i));
  ExpectSameBits(bf16, DType::kBF16);
  ExpectSameBits<int64_t>({INT64_MIN, -1, 0, INT64_MAX}, DType::kS64);
  ExpectSameBits<int32_t>({INT32_MIN, INT32_MAX}, DType::kS32);
  ExpectSameBits<int8_t>({-128, 0, 127}, DType::kS8);
  ExpectSameBits<uint8_t>({0, 255}, DType::kU8);
  ExpectSameBits<uint8_t>({0, 1}, DType::kBool);
  ExpectSameBits<uint8_t>({}, DType::kU8);
}

TEST(TextTest, LargeDataIsNamedByItsHashAndComesFromTheBlobs) {
  std::vector<float> numbers(100);
  for (int i = 0; i < 100; ++i) numbers[i] = i / 7.0f;
  Graph g;
  for (const char* name : {"a", "b"}) {
    Value v;
    v.name = name;
    v.kind = ValueKind::kParameter;
    v.type = TensorType(DType::kF32, name[0] == 'a' ? std::vector<Dim>{100} : std::vector<Dim>{10, 10});
    v.data = std::make_shared<const Tensor>(Tensor::Of<float>(v.type.shape(), numbers));
    g.AddValue(v);
  }
  std::string text = ToText(g);
  EXPECT_THAT(text, HasSubstr("%a : parameter f32[100] = blob#"));
  Blobs blobs = CollectBlobs(g);
  EXPECT_EQ(blobs.size(), 2u);  // the shape belongs to the hash
  auto back = ParseGraph(text, &blobs);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToText(*back), text);
  EXPECT_EQ(back->values[1].data, g.values[1].data);
  ExpectError(text, "t:2:29: the data of blob#");
  blobs.begin()->second = std::make_shared<const Tensor>(Tensor::Scalar(1.0f));
  ExpectError(text, "is f32[], not f32[10", &blobs);
}

TEST(TextTest, TheHashIsOfTheStructure) {
  Graph g = Parsed(kNet);
  uint64_t hash = HashGraph(g);
  Graph trained = g;
  trained.metadata.Set("accuracy", AttrValue(0.97));
  trained.nodes[0].where = "elsewhere.cc:1";
  trained.values[trained.FindValue("bn.mean")].data = nullptr;
  EXPECT_EQ(HashGraph(trained), hash);
  Graph other = g;
  other.nodes[0].attrs.Set("strides", AttrValue(Ints{2, 2}));
  EXPECT_NE(HashGraph(other), hash);
  other = g;
  other.values[other.FindValue("half")].data = std::make_shared<const Tensor>(Tensor::Scalar(0.25f));
  EXPECT_NE(HashGraph(other), hash);
}

TEST(TextTest, ErrorsNameLineAndColumn) {
  ExpectError("", "FORMAT: t:1:1: expected \"graph\"");
  ExpectError("graph net {", "t:1:7: expected the graph's name in quotes, but found \"net\"");
  ExpectError("graph \"g\" {\n  %x : input f32[2]\n", "t:3:1: expected a value, a node, an entry or \"}\"");
  ExpectError(Around("%x : thing f32[]"), "t:2:6: expected input, parameter, state, constant or value");
  ExpectError(Around("%x : input f33[]"), "t:2:12: unknown element type \"f33\"");
  ExpectError(Around("%x : input f32[2"), "t:3:1: expected \"]\", but found \"}\"");
  ExpectError(Around("%x : input f32[2]\n  %x : input f32[2]"), "t:3:3: value %x is defined twice");
  ExpectError(Around("%y = ReLU(%x)"), "t:2:11: value %x is not defined before this");
  ExpectError(Around("%y = ReLU(%y) : f32[2]"), "value %y is not defined");
  ExpectError(Around("%y = ReLU(%\"a\\x01\")"), "value %a\\x01 is not defined");
  ExpectError(Around("%y = Op() {a=1, a=2}"), "t:2:17: attribute \"a\" is given twice");
  ExpectError(Around("%y = Op() {a=}"), "expected an attribute's value, but found \"}\"");
  ExpectError(Around("%y = Op() {a=99999999999999999999}"), "expected an attribute's value, but found");
  ExpectError(Around("%y = Op() {a=1e999}"), "expected an attribute's value");
  ExpectError(Around("%y = Op() {a=[1,true]}"), "a list holds numbers or texts");
  ExpectError(Around("%y = Op() {a=[\"x\",1]}"), "expected a text in quotes");
  ExpectError(Around("%y = Op() {a=\"x}\n"), "a quoted text does not end on its line");
  ExpectError(Around("%y = Op() {a=\"\\q\"}"), "bad escape");
  ExpectError(Around("%y, %z = Op() : f32[]"), "t:3:1: expected \",\"");
  ExpectError(Around("%y = Op() : _"), "unknown element type \"_\"");
  ExpectError(Around("%c : constant f32[2] = [1,x]"), "t:2:27: \"x\" is no element of f32");
  ExpectError(Around("%c : constant u8[1] = [256]"), "\"256\" is no element of u8");
  ExpectError(Around("%c : constant bf16[1] = [0.1]"), "\"0.1\" is no element of bf16");
  ExpectError(Around("%c : constant f32[3] = [1.0,2.0]"), "SHAPE: t:2:24: 2 elements for the type f32[3] of 3");
  ExpectError(Around("%c : constant f32[N] = [1.0]"), "data for the type f32[N], which is not fixed");
  ExpectError(Around("%c : constant f32[4611686018427387904,4] = [1.0]"), "LIMIT: t:2:44: the element count");
  ExpectError(Around("%c : constant f32[-1] = [1.0]"), "SHAPE: t:2:25: shape [-1]");
  ExpectError(Around("%c : constant f32[1000000000000] = [1.0]"), "1 elements for the type");
  ExpectError(Around("%c : constant f32[100] = blob#12"), "expected 16 hexadecimal digits");
  ExpectError(Around("%y = Op() post_ops [Add(#-1)]"), "an input's index cannot be -1");
  ExpectError(Around("entry \"e\" () -> (y=%y)"), "value %y is not defined");
  ExpectError(Around("entry \"e\" (x)"), "expected \"=\"");
  ExpectError(absl::StrCat(kNet, "x"), "text behind the graph's end");
  ExpectError(std::string("graph \"g\" {\0}", 13), "expected a value");
}

TEST(TextTest, NoTruncationOrCorruptionCrashes) {
  const std::string text = kNet;
  for (size_t n = 0; n < text.size() - 2; ++n) EXPECT_FALSE(ParseGraph(text.substr(0, n)).ok()) << n;
  for (size_t i = 0; i < text.size(); ++i) {
    for (char c : {'\0', '\xff', '"', '[', '(', '%', '}', ';', '\n', '-', '9'}) {
      std::string bad = text;
      bad[i] = c;
      auto graph = ParseGraph(bad);
      if (graph.ok()) {
        EXPECT_EQ(ToText(Parsed(ToText(*graph))), ToText(*graph)) << i;
      } else {
        EXPECT_NE(ErrorClassOf(graph.status()), "") << graph.status();
      }
    }
  }
}

TEST(TextTest, AHundredThousandNodesAreQuick) {
  std::string text = "graph \"deep\" {\n  %v0 : input f32[N,2]\n";
  for (int i = 1; i <= 100000; ++i) {
    absl::StrAppend(&text, "  %v", i, " = ReLU(%v", i - 1, ") {alpha=0.5} @\"relu", i, "\" : f32[N,2] ; a.cc:", i,
                    "\n");
  }
  text += "  entry \"infer\" (x=%v0) -> (y=%v100000)\n}\n";
  auto start = std::chrono::steady_clock::now();
  Graph g = Parsed(text);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(g.nodes.size(), 100000u);
  EXPECT_EQ(ToText(g), text);
  RecordProperty("parse_ms", static_cast<int>(seconds.count() * 1000));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(seconds.count(), 5.0);  // far less on an idle machine: this is for quadratic time
#endif
}

}  // namespace
}  // namespace athanor
