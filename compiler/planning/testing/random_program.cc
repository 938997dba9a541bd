#include "compiler/planning/testing/random_program.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

absl::StatusOr<KernelInfo> NoQuery(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never asked"); }
absl::StatusOr<std::unique_ptr<Kernel>> NoCreate(const CallSpec&) { return MakeError(ErrorClass::kPlan, "never made"); }

ATH_REGISTER_KERNEL((KernelDef{"test.copy", NoQuery, NoCreate, {}}));
ATH_REGISTER_KERNEL((KernelDef{"test.unary", NoQuery, NoCreate, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"test.binary", NoQuery, NoCreate, {{0, 0}, {0, 1}}}));
ATH_REGISTER_KERNEL((KernelDef{"test.pair", NoQuery, NoCreate, {{0, 0}, {1, 1}}}));
ATH_REGISTER_KERNEL((KernelDef{"test.sgd", NoQuery, NoCreate, {{0, 0}, {1, 2}}}));

// Appends buffers and calls; names are t0, t1, ...
class ProgramBuilder {
 public:
  ProgramBuilder() { e().name = "random"; }

  Entry& e() { return p_.entry; }
  std::vector<Variable>& variables() { return p_.variables; }
  Program Take() { return std::move(p_); }
  const MemoryDesc& desc(BufferId id) { return e().buffers[id].desc; }

  BufferId Add(BufferKind kind, MemoryDesc desc, int variable = -1) {
    Buffer b;
    b.name = absl::StrCat("t", e().buffers.size());
    b.kind = kind;
    b.bytes = Bytes(desc);
    b.desc = std::move(desc);
    b.variable = variable;
    e().buffers.push_back(std::move(b));
    return static_cast<BufferId>(e().buffers.size() - 1);
  }
  BufferId Temporary(MemoryDesc desc) { return Add(BufferKind::kTemporary, std::move(desc)); }
  BufferId Input(MemoryDesc desc) {
    BufferId id = Add(BufferKind::kInput, std::move(desc));
    e().inputs.push_back({e().buffers[id].name, id});
    return id;
  }
  BufferId View(BufferId of) {
    int64_t count = *NumElements(desc(of).dims);
    Shape dims = desc(of).dims.size() == 1 ? Shape{2, count / 2} : Shape{count};
    BufferId id = Temporary(MemoryDesc::Plain(DType::kF32, dims));
    e().buffers[id].alias_of = of;
    return id;
  }
  int AddVariable(VariableKind kind, MemoryDesc desc) {
    int64_t bytes = Bytes(desc);
    variables().push_back(
        Variable{absl::StrCat("v", variables().size()), kind, std::move(desc), kUnplaced, bytes, nullptr});
    return static_cast<int>(variables().size() - 1);
  }
  BufferId OfVariable(int v) { return Add(BufferKind::kVariable, variables()[v].desc, v); }
  void Call(const char* kernel, std::vector<BufferId> inputs, std::vector<BufferId> outputs, int64_t scratch = 0) {
    KernelCall c;
    c.kernel = kernel;
    c.name = absl::StrCat("n", e().calls.size());
    c.inputs = std::move(inputs);
    c.outputs = std::move(outputs);
    c.scratch_bytes = scratch;
    e().calls.push_back(std::move(c));
  }
  // Gives a buffer to the caller.
  void MakeOutput(BufferId id) {
    if (e().buffers[id].kind == BufferKind::kTemporary) e().buffers[id].kind = BufferKind::kOutput;
    e().outputs.push_back({absl::StrCat("out", e().outputs.size()), id});
  }

 private:
  static int64_t Bytes(const MemoryDesc& desc) {
    return (*NumBytes(desc.dtype, desc.dims) + kAlignment - 1) / kAlignment * kAlignment;
  }
  Program p_;
};

MemoryDesc RandomDesc(Rng& rng) {
  constexpr int64_t kCounts[] = {16, 16, 32, 64, 64, 100, 256};
  return MemoryDesc::Plain(DType::kF32, {kCounts[Below(rng, 7)]});
}

class RandomBuilder {
 public:
  RandomBuilder(Rng& rng, int calls) : rng_(rng), calls_(calls) {}

  Program Make() {
    for (int64_t i = 1 + Below(rng_, 3); i > 0; --i) values_.push_back(b_.Input(RandomDesc(rng_)));
    for (int64_t i = Below(rng_, 5); i > 0; --i) {
      int v = b_.AddVariable(static_cast<VariableKind>(Below(rng_, 3)), RandomDesc(rng_));
      for (int64_t k = 1 + Below(rng_, 2); k > 0; --k) of_variables_.push_back(b_.OfVariable(v));
    }
    for (int i = 0; i < calls_; ++i) AddCall();
    for (int64_t i = 1 + Below(rng_, 3); i > 0; --i) {
      BufferId id = Pick();
      if (b_.e().buffers[id].kind != BufferKind::kOutput) b_.MakeOutput(id);
    }
    if (!of_variables_.empty() && Chance(rng_, 20)) b_.MakeOutput(of_variables_[0]);
    return b_.Take();
  }

 private:
  // Something that was computed, rather of late.
  BufferId Pick() {
    int64_t n = static_cast<int64_t>(values_.size());
    return Chance(rng_, 70) ? values_[n - 1 - Below(rng_, std::min<int64_t>(n, 4))] : values_[Below(rng_, n)];
  }
  BufferId PickLike(BufferId like) {
    for (int tries = 0; tries < 10; ++tries) {
      BufferId id = Pick();
      if (b_.desc(id) == b_.desc(like)) return id;
    }
    return like;
  }
  BufferId Made(MemoryDesc desc) {
    values_.push_back(b_.Temporary(std::move(desc)));
    return values_.back();
  }
  int64_t RandomScratch() { return Chance(rng_, 50) ? 1 + Below(rng_, 700) : 0; }

  void AddCall() {
    int64_t kind = Below(rng_, 100);
    BufferId x = Pick();
    if (kind < 30) {
      b_.Call("test.unary", {x}, {Made(b_.desc(x))});
    } else if (kind < 50) {
      BufferId y = PickLike(x);
      b_.Call("test.binary", {x, y}, {Made(b_.desc(x))}, Chance(rng_, 10) ? 64 : 0);
    } else if (kind < 60) {
      BufferId y = Pick(), a = Made(b_.desc(x)), b = Made(b_.desc(y));
      b_.Call("test.pair", {x, y}, {a, b});
    } else if (kind < 70) {
      values_.push_back(b_.View(x));
    } else if (kind < 80 && !of_variables_.empty()) {
      Update(x);
    } else {
      std::vector<BufferId> inputs = {x};
      for (int64_t i = Below(rng_, 3); i > 0; --i) inputs.push_back(Pick());
      if (!of_variables_.empty()) inputs.push_back(of_variables_[Below(rng_, of_variables_.size())]);
      b_.Call("test.copy", inputs, {Made(RandomDesc(rng_))}, RandomScratch());
    }
  }

  void Update(BufferId x) {
    BufferId w = of_variables_[Below(rng_, of_variables_.size())];
    BufferId to = of_variables_[Below(rng_, of_variables_.size())];
    int variable = b_.e().buffers[w].variable;
    if (b_.variables()[variable].kind == VariableKind::kConstant) return;
    if (b_.e().buffers[to].variable != variable) to = w;
    BufferId g = Made(b_.desc(w));
    b_.Call("test.copy", {x, w}, {g}, RandomScratch());
    b_.Call("test.sgd", {w, g}, {to});
  }

  Rng& rng_;
  ProgramBuilder b_;
  int calls_;
  std::vector<BufferId> values_, of_variables_;
};

}  // namespace

Program RandomProgram(Rng& rng, int calls) { return RandomBuilder(rng, calls).Make(); }

Program TrainingProgram(Rng& rng, int layers) {
  ProgramBuilder b;
  auto size = [&] { return MemoryDesc::Plain(DType::kF32, {16 * (1 + Below(rng, 64))}); };
  struct Layer {
    BufferId input, conv, relu, weight, gradient;
  };
  std::vector<Layer> net;
  BufferId x = b.Input(size());
  for (int i = 0; i < layers; ++i) {
    MemoryDesc shape = size();
    BufferId w = b.OfVariable(b.AddVariable(VariableKind::kParameter, size()));
    BufferId conv = b.Temporary(shape), relu = b.Temporary(shape);
    b.Call("test.copy", {x, w}, {conv}, 64 * Below(rng, 30));
    b.Call("test.unary", {conv}, {relu});
    net.push_back({x, conv, relu, w, kNoBuffer});
    x = relu;
  }
  b.MakeOutput(x);
  BufferId dy = b.Temporary(b.desc(x));
  b.Call("test.copy", {x}, {dy});
  for (int i = layers - 1; i >= 0; --i) {
    Layer& l = net[i];
    BufferId dconv = b.Temporary(b.desc(l.conv)), dx = i > 0 ? b.Temporary(b.desc(l.input)) : kNoBuffer;
    l.gradient = b.Temporary(b.desc(l.weight));
    b.Call("test.binary", {dy, l.relu}, {dconv});
    b.Call("test.copy", {dconv, l.input}, {l.gradient}, 64 * Below(rng, 30));
    if (i > 0) b.Call("test.copy", {dconv, l.weight}, {dx}, 64 * Below(rng, 30));
    dy = dx;
  }
  for (const Layer& l : net) b.Call("test.sgd", {l.weight, l.gradient}, {l.weight});
  return b.Take();
}

Plan PlanOf(Program program) {
  Plan plan;
  plan.model_name = "random";
  plan.variables = std::move(program.variables);
  plan.activation_bytes = program.entry.arena_bytes;
  plan.entries.push_back(std::move(program.entry));
  return plan;
}

}  // namespace athanor
