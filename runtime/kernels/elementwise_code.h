// What a call of kernel "elementwise" does to one tile of its results, made once from the program: which loops run in
// which order over which values, and where those lie. Values are numbered: the inputs, what the instructions give, the
// numbers of the program.
#ifndef ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_CODE_H_
#define ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_CODE_H_

#include <cstdint>
#include <vector>

#include "runtime/kernels/elementwise_loops.h"
#include "runtime/kernels/elementwise_operands.h"

namespace athanor {

// How an input comes to the loops.
enum class InputPath : uint8_t {
  kStream,     // f32, of the results' order: read where it is
  kConvert,    // the same, of another type: converted, tile by tile
  kNumber,     // one number for all: converted once
  kRowNumber,  // one number for each row: a tile does not cross rows
  kRow,        // f32, contiguous along each row: read where it is
  kPeriod,     // repeats after a few elements along each row: written out once a row, a tile starts somewhere in it
  kGather,     // written out, tile by tile
};

struct InputWay {
  InputPath path = InputPath::kStream;
  int64_t row = 0;     // elements of a row, which no tile crosses; 0: there are none
  int64_t period = 0;  // kPeriod: elements after which it repeats
};

struct ElementwiseCode {
  struct Step {
    MicroLoop loop = nullptr;
    int args[3] = {};  // values
    int out = 0;
    bool single = false;  // of one number: computed once a tile, not for every element
  };
  struct Result {
    int value = 0;
    StoreLoop store = nullptr;
    bool is_f32 = false;
  };

  // `elements`: stored ones of a result.
  static ElementwiseCode Make(const CallSpec& settled, const ElementwiseProgram& program, int64_t elements);

  std::vector<InputWay> ways;    // by input
  std::vector<Walk> walks;       // by input
  std::vector<Step> steps;
  std::vector<Result> results;
  std::vector<float> numbers;    // the last values
  std::vector<int> last_read;    // by input: the last step that reads it, -1 for none
  std::vector<int64_t> place;    // by value: its floats in a thread's scratch; -1: elsewhere
  int64_t tile = 0;              // elements of a tile
  int64_t scratch_floats = 0;    // of a thread
  int num_values = 0;

  int num_inputs() const { return static_cast<int>(ways.size()); }
  int first_number() const { return num_values - static_cast<int>(numbers.size()); }
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_ELEMENTWISE_CODE_H_
