// A program of elementwise operations in one pass over memory.
//   elementwise  (x0, x1, ...) -> y0, y1, ...    attrs: program (runtime/core/elementwise_program.h)
// Operands f32, s32, s64, u8 or bool that broadcast to the results, which are of one shape. Results lie as the first
// operand of their shape does, where they can: see SettleElementwise. The results are computed tile by tile, so that what
// the instructions hand each other stays in the first-level cache; f32 operands of the results' shape are read where they
// are, and f32 results written to their place, unless an operand in that place is read later.
#include "runtime/kernels/elementwise_code.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/simd.h"

namespace athanor {
namespace {

constexpr int kMaxValues = ElementwiseProgram::kMaxInputs + 4 * ElementwiseProgram::kMaxInstructions +
                           3 * ElementwiseProgram::kMaxResults;

// Simple operations an element.
double Cost(MicroOp op) {
  switch (op) {
    case MicroOp::kPow:
      return 60;
    case MicroOp::kSin:
    case MicroOp::kCos:
      return 40;
    case MicroOp::kExp:
    case MicroOp::kExpm1:
    case MicroOp::kLog:
    case MicroOp::kLog1p:
    case MicroOp::kTanh:
    case MicroOp::kLogistic:
    case MicroOp::kErf:
      return 20;
    case MicroOp::kDiv:
    case MicroOp::kSqrt:
    case MicroOp::kReciprocal:
      return 4;
    default:
      return 1;
  }
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(ElementwiseProgram program, CheckElementwiseCall(spec));
  ATH_ASSIGN_OR_RETURN(CallSpec settled, SettleElementwise(spec, program));
  ATH_ASSIGN_OR_RETURN(int64_t elements, StoredElements(settled));
  const ElementwiseCode code = ElementwiseCode::Make(settled, program, elements);
  KernelInfo info;
  info.inputs = settled.inputs;
  info.outputs = settled.outputs;
  info.impl = "ours:simd";
  info.scratch_bytes = std::max(spec.threads, 1) * code.scratch_floats * static_cast<int64_t>(sizeof(float));
  for (const MicroInstruction& i : program.instructions) info.flops += Cost(i.op) * static_cast<double>(elements);
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  return info;
}

class ElementwiseKernel final : public Kernel {
 public:
  ElementwiseKernel(const CallSpec& spec, ElementwiseCode code, int64_t elements, int64_t bytes_per_element)
      : code_(std::move(code)), elements_(elements), bytes_per_element_(bytes_per_element), threads_(spec.threads) {
    for (const MemoryDesc& d : spec.inputs) {
      inputs_.push_back({nullptr, FindLoadLoop(d.dtype), static_cast<int64_t>(DTypeSize(d.dtype))});
    }
    for (const MemoryDesc& d : spec.outputs) outputs_.push_back({nullptr, static_cast<int64_t>(DTypeSize(d.dtype))});
    direct_.resize(spec.outputs.size());
    ATH_CHECK(code_.num_values <= kMaxValues);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    for (size_t i = 0; i < inputs.size(); ++i) inputs_[i].data = static_cast<const std::byte*>(inputs[i]);
    for (size_t i = 0; i < outputs.size(); ++i) outputs_[i].data = static_cast<std::byte*>(outputs[i]);
    scratch_ = static_cast<float*>(scratch);
    for (size_t i = 0; i < outputs.size(); ++i) direct_[i] = MayWriteDirectly(i);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelParts(elements_, 64, bytes_per_element_, threads_,
                  [this](int part, int64_t begin, int64_t end) { RunRange(part, begin, end); });
    return absl::OkStatus();
  }

 private:
  struct Input {
    const std::byte* data;
    LoadLoop load;
    int64_t element_bytes;
  };
  struct Output {
    std::byte* data;
    int64_t element_bytes;
  };
  // Of a thread.
  struct State {
    float* scratch;
    float* values[kMaxValues];  // of a tile, by number; written through only where a step's result is
    int64_t row_written[ElementwiseProgram::kMaxInputs];  // kPeriod: the first element of the row that is written out
  };

  // Whether the step that computes a result may write it to its place: no operand there is read later, and the step's
  // result does not go to another place already.
  bool MayWriteDirectly(size_t result) const {
    const ElementwiseCode::Result& r = code_.results[result];
    if (!r.is_f32) return false;
    for (size_t i = 0; i < result; ++i) {
      if (direct_[i] && code_.results[i].value == r.value) return false;
    }
    const int step = r.value - code_.num_inputs();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const bool same = inputs_[i].data == outputs_[result].data;
      if (same && code_.ways[i].path == InputPath::kStream && code_.last_read[i] > step) return false;
    }
    return true;
  }

  // Writes elements [begin, begin + n) of input i out as floats.
  void Gather(size_t i, int64_t begin, int64_t n, float* out) const {
    const Walk& walk = code_.walks[i];
    int64_t index[kMaxWalk] = {}, at = 0, rest = begin;
    for (size_t d = walk.size(); d-- > 0;) {
      index[d] = rest % walk[d].size;
      rest /= walk[d].size;
      at += index[d] * walk[d].stride;
    }
    const WalkDim row = walk.back();
    const size_t inner = walk.size() - 1;
    while (true) {
      const int64_t count = std::min(n, row.size - index[inner]);
      inputs_[i].load(inputs_[i].data + at * inputs_[i].element_bytes, row.stride, out, count);
      n -= count;
      if (n == 0) return;
      out += count;
      at -= index[inner] * row.stride;
      index[inner] = 0;
      for (size_t d = inner; d-- > 0;) {
        at += walk[d].stride;
        if (++index[d] < walk[d].size) break;
        at -= index[d] * walk[d].stride;
        index[d] = 0;
      }
    }
  }

  // Where element `begin` of input i lies, in elements.
  int64_t OffsetOf(size_t i, int64_t begin) const {
    const Walk& walk = code_.walks[i];
    int64_t at = 0;
    for (size_t d = walk.size(); d-- > 0;) {
      at += begin % walk[d].size * walk[d].stride;
      begin /= walk[d].size;
    }
    return at;
  }

  void RunRange(int part, int64_t begin, int64_t end) const {
    State state;
    state.scratch = scratch_ + part * code_.scratch_floats;
    for (int v = 0; v < code_.first_number(); ++v) {
      state.values[v] = code_.place[v] < 0 ? nullptr : state.scratch + code_.place[v];
    }
    for (size_t i = 0; i < code_.numbers.size(); ++i) {
      state.values[code_.first_number() + i] = const_cast<float*>(&code_.numbers[i]);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (code_.ways[i].path == InputPath::kNumber) inputs_[i].load(inputs_[i].data, 0, state.values[i], 1);
      state.row_written[i] = -1;
    }
    for (int64_t at = begin; at < end;) {
      const int64_t n = TileAt(at, end);
      RunTile(at, n, &state);
      at += n;
    }
  }

  int64_t TileAt(int64_t at, int64_t end) const {
    int64_t n = std::min(code_.tile, end - at);
    for (const InputWay& way : code_.ways) {
      if (way.row > 0) n = std::min(n, way.row - at % way.row);
    }
    return n;
  }

  void BringInput(size_t i, int64_t at, int64_t n, State* state) const {
    const Input& input = inputs_[i];
    const float* floats = reinterpret_cast<const float*>(input.data);
    float*& value = state->values[i];
    switch (code_.ways[i].path) {
      case InputPath::kStream:
        value = const_cast<float*>(floats + at);
        break;
      case InputPath::kRow:
        value = const_cast<float*>(floats + OffsetOf(i, at));
        break;
      case InputPath::kConvert:
        input.load(input.data + at * input.element_bytes, 1, value, n);
        break;
      case InputPath::kRowNumber:
        input.load(input.data + OffsetOf(i, at) * input.element_bytes, 0, value, 1);
        break;
      case InputPath::kPeriod:
        value = InPeriod(i, at, state);
        break;
      case InputPath::kGather:
        Gather(i, at, n, value);
        break;
      case InputPath::kNumber:
        break;
    }
  }

  float* InPeriod(size_t i, int64_t at, State* state) const {
    const InputWay& way = code_.ways[i];
    float* place = state->scratch + code_.place[i];
    const int64_t in_row = at % way.row, row = at - in_row;
    if (state->row_written[i] != row) {
      Gather(i, row, std::min(way.row, code_.tile + way.period), place);
      state->row_written[i] = row;
    }
    return place + in_row % way.period;
  }

  void RunTile(int64_t at, int64_t n, State* state) const {
    float** values = state->values;
    for (size_t i = 0; i < inputs_.size(); ++i) BringInput(i, at, n, state);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (direct_[i]) values[code_.results[i].value] = reinterpret_cast<float*>(outputs_[i].data) + at;
    }
    for (const ElementwiseCode::Step& s : code_.steps) {
      s.loop(values[s.args[0]], values[s.args[1]], values[s.args[2]], values[s.out], s.single ? 1 : n);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (direct_[i]) continue;
      const ElementwiseCode::Result& r = code_.results[i];
      r.store(values[r.value], outputs_[i].data + at * outputs_[i].element_bytes, n);
    }
  }

  static constexpr size_t kMaxWalk = 12;  // stored dimensions of a layout that is read by strides
  const ElementwiseCode code_;
  const int64_t elements_, bytes_per_element_;
  const int threads_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<bool> direct_;  // by result: written to its place by the step that computes it
  float* scratch_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(ElementwiseProgram program, CheckElementwiseCall(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, StoredElements(spec));
  const double work = info.bytes + info.flops;  // a simple operation costs about as much as a byte
  const int64_t bytes_per_element = elements == 0 ? 1 : static_cast<int64_t>(work / static_cast<double>(elements)) + 1;
  return std::make_unique<ElementwiseKernel>(spec, ElementwiseCode::Make(spec, program, elements), elements,
                                             bytes_per_element);
}

// Any result may take the memory of any operand: the kernel looks at the addresses.
std::vector<std::pair<int, int>> InPlace(const Attributes&, int inputs, int outputs) {
  std::vector<std::pair<int, int>> pairs;
  for (int k = 0; k < std::min(outputs, ElementwiseProgram::kMaxResults); ++k) {
    for (int j = 0; j < std::min(inputs, ElementwiseProgram::kMaxInputs); ++j) pairs.emplace_back(k, j);
  }
  return pairs;
}

ATH_REGISTER_KERNEL((KernelDef{.name = "elementwise", .query = &Query, .create = &Create, .in_place = {},
                               .in_place_of = &InPlace}));

}  // namespace
}  // namespace athanor
