#include "runtime/kernels/elementwise_code.h"

#include <algorithm>
#include <optional>

namespace athanor {
namespace {

// What a tile's values may take of the first-level cache, in floats, and how short and long a tile may be.
constexpr int64_t kCacheFloats = 6 * 1024, kMinTile = 256, kMaxTile = 1024;
// Rows at least this long are walked row by row.
constexpr int64_t kMinRow = 256;
// Patterns at most this long are written out once for all of a row that is at least so long.
constexpr int64_t kMaxPeriod = 2048, kMinPeriodRow = 1024;
constexpr int64_t kLineFloats = 16;  // of a cache line

int64_t RoundUp(int64_t n) { return (n + kLineFloats - 1) / kLineFloats * kLineFloats; }

// The longest row along which the walk repeats after few elements.
std::optional<InputWay> FindPeriod(const Walk& walk, int64_t elements) {
  int64_t row = elements;
  for (size_t d = 0; d + 1 < walk.size(); row /= walk[d++].size) {
    const int64_t period = row / walk[d].size;
    if (walk[d].stride == 0 && period <= kMaxPeriod && row >= std::max(kMinPeriodRow, 2 * period)) {
      return InputWay{InputPath::kPeriod, row, period};
    }
  }
  return std::nullopt;
}

InputWay ChooseWay(const MemoryDesc& desc, const Walk& walk, int64_t elements) {
  const bool is_f32 = desc.dtype == DType::kF32;
  if (walk.empty() || (walk.size() == 1 && walk[0].stride == 0)) return {InputPath::kNumber};
  if (walk.size() == 1 && walk[0].stride == 1) return {is_f32 ? InputPath::kStream : InputPath::kConvert};
  const WalkDim row = walk.back();
  if (row.size >= kMinRow && row.stride == 0) return {InputPath::kRowNumber, row.size};
  if (row.size >= kMinRow && row.stride == 1 && is_f32) return {InputPath::kRow, row.size};
  return FindPeriod(walk, elements).value_or(InputWay{InputPath::kGather});
}

bool IsSingle(InputPath path) { return path == InputPath::kNumber || path == InputPath::kRowNumber; }

class CodeMaker {
 public:
  CodeMaker(const CallSpec& spec, const ElementwiseProgram& program, int64_t elements)
      : spec_(spec), program_(program), elements_(elements) {
    code_.walks = OperandWalks(spec, elements);
    for (size_t i = 0; i < spec.inputs.size(); ++i) {
      code_.ways.push_back(ChooseWay(spec.inputs[i], code_.walks[i], elements));
      single_.push_back(IsSingle(code_.ways.back().path));
    }
  }

  ElementwiseCode Make() {
    AddSteps();
    single_.resize(single_.size() + code_.numbers.size(), true);
    code_.num_values = static_cast<int>(single_.size());
    RenumberNumbers();
    PickLoops();
    FindLastReads();
    PlaceValues();
    return std::move(code_);
  }

 private:
  // Numbers are the last values, and how many come before is known at the end: until then they are negative.
  int ValueOf(const MicroOperand& o) {
    if (o.kind == MicroOperand::kInput) return o.index;
    if (o.kind == MicroOperand::kResult) return code_.num_inputs() + o.index;
    code_.numbers.push_back(o.number);
    return -static_cast<int>(code_.numbers.size());
  }
  bool Single(int value) const { return value < 0 || single_[value]; }

  int AddStep(std::vector<int> args, int op) {
    ElementwiseCode::Step step;
    std::copy(args.begin(), args.end(), step.args);
    step.out = static_cast<int>(single_.size());
    step.single = std::all_of(args.begin(), args.end(), [this](int v) { return Single(v); });
    single_.push_back(step.single);
    code_.steps.push_back(step);
    ops_.push_back(op);
    return step.out;
  }

  void AddSteps() {
    for (const MicroInstruction& instruction : program_.instructions) {
      std::vector<int> args;
      for (int i = 0; i < MicroArity(instruction.op); ++i) args.push_back(ValueOf(instruction.args[i]));
      AddStep(args, static_cast<int>(instruction.op));
    }
    for (size_t i = 0; i < program_.results.size(); ++i) {
      int value = ValueOf(program_.results[i]);
      // What no instruction writes for every element is written by a step of its own.
      if (value < code_.num_inputs() || Single(value)) {
        value = AddStep({value}, kCopy);
        code_.steps.back().single = single_[value] = false;
      }
      const DType dtype = spec_.outputs[i].dtype;
      code_.results.push_back({value, FindStoreLoop(dtype), dtype == DType::kF32});
    }
  }

  void RenumberNumbers() {
    for (ElementwiseCode::Step& step : code_.steps) {
      for (int& v : step.args) {
        if (v < 0) v = code_.first_number() - v - 1;
      }
    }
  }

  void PickLoops() {
    for (size_t i = 0; i < code_.steps.size(); ++i) {
      ElementwiseCode::Step& step = code_.steps[i];
      if (ops_[i] == kCopy) {
        step.loop = single_[step.args[0]] ? FillLoop() : CopyLoop();
        continue;
      }
      int repeats = 0;
      const MicroOp op = static_cast<MicroOp>(ops_[i]);
      for (int k = 0; k < MicroArity(op) && !step.single; ++k) repeats |= single_[step.args[k]] ? 1 << k : 0;
      step.loop = FindMicroLoop(op, repeats);
    }
  }

  int NumArgs(size_t step) const { return ops_[step] == kCopy ? 1 : MicroArity(static_cast<MicroOp>(ops_[step])); }

  void FindLastReads() {
    code_.last_read.assign(code_.num_inputs(), -1);
    for (size_t i = 0; i < code_.steps.size(); ++i) {
      for (int k = 0; k < NumArgs(i); ++k) {
        const int v = code_.steps[i].args[k];
        if (v < code_.num_inputs()) code_.last_read[v] = static_cast<int>(i);
      }
    }
  }

  // A step's result may take the tile of an operand that it is the last to read. Results of the call keep theirs to the
  // end, though most will be written to their place at once: that depends on what memory they are given.
  void PlaceValues() {
    std::vector<int> last(code_.num_values, -1);
    for (size_t i = 0; i < code_.steps.size(); ++i) {
      for (int k = 0; k < NumArgs(i); ++k) last[code_.steps[i].args[k]] = static_cast<int>(i);
    }
    for (const ElementwiseCode::Result& r : code_.results) last[r.value] = static_cast<int>(code_.steps.size());
    std::vector<int> tile_of(code_.num_values, -1), free;
    int tiles = 0;
    for (size_t i = 0; i < code_.steps.size(); ++i) {
      const ElementwiseCode::Step& step = code_.steps[i];
      for (int k = 0; k < NumArgs(i); ++k) {
        const int v = step.args[k];
        if (tile_of[v] < 0 || last[v] != static_cast<int>(i)) continue;
        if (std::find(free.begin(), free.end(), tile_of[v]) == free.end()) free.push_back(tile_of[v]);
      }
      if (step.single) continue;
      if (free.empty()) free.push_back(tiles++);
      tile_of[step.out] = free.back();
      free.pop_back();
      if (last[step.out] < 0) free.push_back(tile_of[step.out]);
    }
    ChooseTile(tiles);
    LayOut(tile_of, tiles);
  }

  void ChooseTile(int tiles) {
    int64_t in_cache = tiles + static_cast<int64_t>(code_.results.size());
    for (const InputWay& way : code_.ways) in_cache += IsSingle(way.path) ? 0 : 1;
    code_.tile = std::clamp(kCacheFloats / in_cache / 64 * 64, kMinTile, kMaxTile);
    code_.tile = std::min(code_.tile, RoundUp(elements_));
  }

  void LayOut(const std::vector<int>& tile_of, int tiles) {
    code_.place.assign(code_.num_values, -1);
    int64_t end = tiles * code_.tile;
    auto add = [&](int value, int64_t floats) {
      code_.place[value] = end;
      end += RoundUp(floats);
    };
    for (int i = 0; i < code_.num_inputs(); ++i) {
      const auto [path, row, period] = code_.ways[i];
      if (IsSingle(path)) add(i, 1);
      if (path == InputPath::kConvert || path == InputPath::kGather) add(i, code_.tile);
      if (path == InputPath::kPeriod) add(i, std::min(row, code_.tile + period));
    }
    for (const ElementwiseCode::Step& step : code_.steps) {
      if (tile_of[step.out] >= 0) code_.place[step.out] = tile_of[step.out] * code_.tile;
      if (step.single) add(step.out, 1);
    }
    code_.scratch_floats = end;
  }

  static constexpr int kCopy = -1;
  const CallSpec& spec_;
  const ElementwiseProgram& program_;
  const int64_t elements_;
  ElementwiseCode code_;
  std::vector<bool> single_;  // by value: one number for a tile
  std::vector<int> ops_;      // by step: a MicroOp, or kCopy
};

}  // namespace

ElementwiseCode ElementwiseCode::Make(const CallSpec& settled, const ElementwiseProgram& program, int64_t elements) {
  return CodeMaker(settled, program, elements).Make();
}

}  // namespace athanor
