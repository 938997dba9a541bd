#include "compiler/planning/testing/byte_simulator.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

// Says who wrote a byte: a number of the write, and which byte of it. 0: nobody.
using Tag = uint64_t;
using Bytes = std::vector<Tag>;

class Simulator {
 public:
  explicit Simulator(const Plan& plan) : plan_(plan), e_(plan.entries[0]) {}

  Fault Run() {
    activation_.assign(std::max<int64_t>(plan_.activation_bytes, 0), 0);
    weights_.assign(std::max<int64_t>(plan_.weight_bytes, 0), 0);
    own_.resize(e_.buffers.size() + plan_.variables.size());
    for (size_t v = 0; v < plan_.variables.size(); ++v) own_[e_.buffers.size() + v].assign(plan_.variables[v].bytes, 0);
    for (size_t id = 0; id < e_.buffers.size(); ++id) own_[id].assign(e_.buffers[id].bytes, 0);
    WriteVariables();
    WriteInputs();
    for (const KernelCall& c : e_.calls) {
      if (!ok()) break;
      Execute(c);
    }
    if (ok()) CheckEnd();
    return fault_;
  }

 private:
  bool ok() const { return fault_.kind == Fault::kNone; }
  void Fail(Fault::Kind kind, const std::string& what) {
    if (ok()) fault_ = Fault{kind, what};
  }

  struct Place {
    Bytes* arena;
    int64_t offset, bytes;
  };
  Place Checked(Bytes* arena, int64_t offset, int64_t bytes, const std::string& what) {
    int64_t size = static_cast<int64_t>(arena->size());
    if (offset < 0 || bytes < 0 || offset % kAlignment != 0 || offset > size || bytes > size - offset) {
      Fail(Fault::kOutside, what);
      return Place{arena, 0, 0};
    }
    return Place{arena, offset, bytes};
  }
  Place PlaceOf(BufferId id) {
    const Buffer& root = e_.buffers[RootBuffer(e_, id)];
    bool is_variable = root.kind == BufferKind::kVariable;
    int64_t offset = is_variable ? plan_.variables[root.variable].offset : root.offset;
    return Checked(is_variable ? &weights_ : &activation_, offset, e_.buffers[id].bytes, e_.buffers[id].name);
  }
  // The buffer's bytes in the memory where nothing is shared but by name.
  Bytes& Own(BufferId id) {
    BufferId root = RootBuffer(e_, id);
    const Buffer& b = e_.buffers[root];
    Bytes& own = own_[b.kind == BufferKind::kVariable ? e_.buffers.size() + b.variable : root];
    if (own.size() < static_cast<size_t>(e_.buffers[id].bytes)) own.resize(e_.buffers[id].bytes, 0);
    return own;
  }

  Tag NewWrite() { return ++writes_ << 24; }
  static void Write(const Place& p, Tag tag) {
    for (int64_t i = 0; i < p.bytes; ++i) (*p.arena)[p.offset + i] = tag + i;
  }
  static bool Holds(const Place& p, Tag tag) {
    for (int64_t i = 0; i < p.bytes; ++i) {
      if ((*p.arena)[p.offset + i] != tag + i) return false;
    }
    return true;
  }

  void WriteVariables() {
    for (size_t v = 0; v < plan_.variables.size(); ++v) {
      const Variable& variable = plan_.variables[v];
      Tag tag = NewWrite();
      Write(Checked(&weights_, variable.offset, variable.bytes, variable.name), tag);
      Bytes& own = own_[e_.buffers.size() + v];
      Write(Place{&own, 0, variable.bytes}, tag);
      initial_variables_.push_back(tag);
    }
  }
  void WriteInputs() {
    for (const NamedBuffer& n : e_.inputs) {
      Tag tag = NewWrite();
      Write(PlaceOf(n.buffer), tag);
      Write(Place{&Own(n.buffer), 0, e_.buffers[n.buffer].bytes}, tag);
      initial_inputs_.push_back(tag);
    }
  }

  // What the reader must find, and whether it does.
  void Read(BufferId id, const std::string& who) {
    Place p = PlaceOf(id);
    const Bytes& own = Own(id);
    for (int64_t i = 0; i < p.bytes && ok(); ++i) {
      Tag found = (*p.arena)[p.offset + i];
      if (own[i] != 0 && found == own[i]) continue;
      bool is_unwritten = own[i] == 0 || found == 0;
      Fail(is_unwritten ? Fault::kUnwritten : Fault::kOverlap, absl::StrCat(who, " reads ", e_.buffers[id].name));
    }
  }

  // A kernel may use its scratch and write its results before it has read all of its inputs, in any order.
  void Execute(const KernelCall& c) {
    for (BufferId id : c.inputs) Read(id, c.name);
    Place scratch{&activation_, 0, 0};
    if (c.scratch_bytes != 0) scratch = Checked(&activation_, c.scratch_offset, c.scratch_bytes, c.name + "'s scratch");
    std::vector<Place> inputs, outputs;
    for (BufferId id : c.inputs) inputs.push_back(PlaceOf(id));
    for (BufferId id : c.outputs) outputs.push_back(PlaceOf(id));
    if (!ok()) return;
    std::vector<Bytes> before;
    for (const Place& p : inputs) {
      before.emplace_back(p.arena->begin() + p.offset, p.arena->begin() + p.offset + p.bytes);
    }
    Tag scratch_tag = NewWrite();
    Write(scratch, scratch_tag);
    std::vector<Tag> tags;
    for (size_t k = 0; k < outputs.size(); ++k) {
      tags.push_back(NewWrite());
      Write(outputs[k], tags[k]);
      Write(Place{&Own(c.outputs[k]), 0, outputs[k].bytes}, tags[k]);
    }
    if (!Holds(scratch, scratch_tag)) Fail(Fault::kOverlap, c.name + ": an output is in its scratch");
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (!Holds(outputs[k], tags[k])) Fail(Fault::kOverlap, c.name + ": an output is in another one");
    }
    for (size_t j = 0; j < inputs.size(); ++j) CheckInput(c, j, inputs[j], before[j], outputs, tags);
  }

  // Every byte of the input is as it was, or taken over in place.
  void CheckInput(const KernelCall& c, size_t j, const Place& in, const Bytes& before,
                  const std::vector<Place>& outputs, const std::vector<Tag>& tags) {
    const auto in_place = KernelRegistry::Get().Find(c.kernel)->InPlace(c.attrs, static_cast<int>(c.inputs.size()),
                                                                        static_cast<int>(c.outputs.size()));
    for (int64_t i = 0; i < in.bytes; ++i) {
      Tag now = (*in.arena)[in.offset + i];
      if (now == before[i]) continue;
      bool is_legal = false;
      for (auto [k, input] : in_place) {
        if (input != static_cast<int>(j) || k >= static_cast<int>(outputs.size())) continue;
        bool same_desc = e_.buffers[c.outputs[k]].desc == e_.buffers[c.inputs[j]].desc;
        is_legal |= same_desc && outputs[k].bytes == in.bytes && now == tags[k] + i;
      }
      if (!is_legal) return Fail(Fault::kOverlap, absl::StrCat(c.name, ": input ", j, " is overwritten"));
    }
  }

  // The caller reads the outputs, saves the variables, and may run again without writing the inputs.
  void CheckEnd() {
    for (const NamedBuffer& n : e_.outputs) Read(n.buffer, "the caller");
    for (size_t i = 0; i < e_.inputs.size(); ++i) {
      if (!Holds(PlaceOf(e_.inputs[i].buffer), initial_inputs_[i])) {
        Fail(Fault::kOverlap, absl::StrCat("input ", e_.inputs[i].name, " is overwritten"));
      }
    }
    for (size_t v = 0; v < plan_.variables.size(); ++v) {
      const Variable& variable = plan_.variables[v];
      Place p = Checked(&weights_, variable.offset, variable.bytes, variable.name);
      const Bytes& own = own_[e_.buffers.size() + v];
      bool is_constant = variable.kind == VariableKind::kConstant;
      bool same = std::equal(own.begin(), own.begin() + p.bytes, p.arena->begin() + p.offset);
      if (!same || (is_constant && !Holds(p, initial_variables_[v]))) {
        Fail(Fault::kOverlap, absl::StrCat("variable ", variable.name, " is overwritten"));
      }
    }
  }

  const Plan& plan_;
  const Entry& e_;
  Bytes activation_, weights_;
  std::vector<Bytes> own_;  // by root buffer, then by variable
  Tag writes_ = 0;
  std::vector<Tag> initial_inputs_, initial_variables_;
  Fault fault_;
};

}  // namespace

Fault Simulate(const Plan& plan) { return Simulator(plan).Run(); }

}  // namespace athanor
