#include "tests/stored_files/examples.h"

namespace athanor {

std::string ExampleModelText() {
  return R"(graph "stored" {
  metadata {classes=["no","yes"], depth=2, mean=[0.5,-0.0], normalised=true, scale=0.00392156862745098, title="caf\xc3\xa9"}
  %x : input f32[N,3]
  %labels : input s64[N]
  %w : parameter f32[2,3] = kaiming_uniform{a=2.23606797749979} = [0.1,-0.2,0.3,1e-10,3.4028235e+38,-0.0]
  %b : parameter f32[2] = zeros
  %steps : state s64[] = zeros = [7]
  %one : constant f32[] = [1.0]
  %mask : constant bool[2] = [true,false]
  %half : constant bf16[1] = [0.5]
  %logits, _ = FullyConnected(%x, %w, %b) {transpose=false} post_ops [ReLU{alpha=0.0}, Add(%one)] @"fc" : f32[N,2], _ ; net.cc:12
  %loss = SoftmaxCrossEntropy(%logits, %labels) {axes=ints[], reduction="mean"} @"loss" : f32[]
  %w.next = SGD(%w) {lr=0.01} @"sgd" : f32[2,3]
  entry "infer" (x=%x) -> (logits=%logits)
  entry "train" training (x=%x, labels=%labels) -> (loss=%loss) loss %loss update (%w <- %w.next)
}
)";
}

Plan ExamplePlan() {
  Plan p;
  p.model_name = "stored";
  p.model_hash = 0x0123456789abcdef;
  p.metadata = {{"classes", Strings{"no", "yes"}}};
  p.target = {"avx2", "3.2.0", 2};
  p.weight_bytes = 192;
  p.activation_bytes = 384;
  p.variables = {{"w",
                  VariableKind::kParameter,
                  {DType::kF32, {2, 3}, "Ab8a"},
                  0,
                  128,
                  std::make_shared<const Tensor>(Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6}))},
                 {"b", VariableKind::kState, MemoryDesc::Plain(DType::kF32, {2}), 128, 64, nullptr}};
  Entry e;
  e.name = "infer@N=4";
  e.symbols = {{"N", 4}};
  e.arena_bytes = 384;
  e.reorders = 1;
  e.buffers.resize(4);
  e.buffers[0] = {"x", BufferKind::kInput, MemoryDesc::Plain(DType::kF32, {4, 3}), 0, 64};
  e.buffers[1] = {"w", BufferKind::kVariable, p.variables[0].desc, kUnplaced, 128, 0};
  e.buffers[2] = {"y", BufferKind::kOutput, MemoryDesc::Plain(DType::kF32, {4, 2}), 64, 64};
  e.buffers[3] = {"flat", BufferKind::kTemporary, MemoryDesc::Plain(DType::kF32, {8}), kUnplaced, 64, -1, 2};
  KernelCall c;
  c.kernel = "inner_product";
  c.name = "fc";
  c.attrs = {{"bias", false}};
  c.post_ops = {{"ReLU", {{"alpha", 0.25}}, -1}, {"Add", {}, 0}};
  c.inputs = {0, 1};
  c.outputs = {2};
  c.threads = 2;
  c.scratch_bytes = 200;
  c.scratch_offset = 128;
  c.impl = "jit:avx2";
  c.flops = 48;
  c.bytes = 104;
  e.calls = {c};
  e.inputs = {{"x", 0}};
  e.outputs = {{"y", 2}, {"flat", 3}};
  p.entries = {e};
  return p;
}

Checkpoint ExampleCheckpoint() {
  Checkpoint c;
  c.model_hash = 0x0123456789abcdef;
  c.model_name = "stored";
  c.step = 471;
  c.epoch = 3;
  c.batch_index = 2;
  c.seed = 0xfedcba9876543210;
  c.meta = {{"lr", 0.001}, {"schedule", std::string("cosine")}, {"sizes", Ints{64, 2}}};
  c.tensors.emplace_back("w", Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  c.tensors.emplace_back("steps", Tensor::Scalar(int64_t{471}));
  return c;
}

}  // namespace athanor
