// What the recurrent operators (recurrent.cc) and their oracle (recurrent_reference.cc) share.
#ifndef ATHANOR_COMPILER_OPS_RECURRENT_H_
#define ATHANOR_COMPILER_OPS_RECURRENT_H_

#include "compiler/opdef/op_def.h"

namespace athanor::recurrent {

enum class Cell { kTanh, kRelu, kLstm, kGru, kLbrGru };
Cell CellOf(const OpContext& c);
inline bool IsLstm(const OpContext& c) { return CellOf(c) == Cell::kLstm; }
inline int64_t GatesOf(Cell cell) {
  return cell == Cell::kLstm ? 4 : cell == Cell::kTanh || cell == Cell::kRelu ? 1 : 3;
}

// Inputs of an operator and, in the same places, of its gradient; only an LSTM has the last.
enum { kX, kWeightIh, kWeightHh, kBiasIh, kBiasHh, kLengths, kH0, kC0 };
// What the gradient operator has behind them; only an LSTM's has the last.
inline int GradInput(const OpContext& c, int i) { return (IsLstm(c) ? kC0 + 1 : kC0) + i; }
enum { kSavedY, kSavedWorkspace, kDy, kDhN, kDcN };
// Outputs; only an LSTM has c_n, and of the others the workspace has its place.
enum { kY, kHN, kCN };
inline int WorkspaceOutput(const OpContext& c) { return IsLstm(c) ? kCN + 1 : kCN; }
// Of the gradient; only an LSTM's has the last.
enum { kDx, kDWeightIh, kDWeightHh, kDBiasIh, kDBiasHh, kDh0, kDc0 };

// Whether direction `d` goes from the last step to the first.
bool Reversed(const OpContext& c, int64_t d);

// The oracles.
absl::Status Reference(ReferenceContext& c);
absl::Status GradReference(ReferenceContext& c);

}  // namespace athanor::recurrent

#endif  // ATHANOR_COMPILER_OPS_RECURRENT_H_
