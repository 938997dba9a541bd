// A convolution call read and checked: what the three kernels of convolution.cc share.
#ifndef ATHANOR_RUNTIME_KERNELS_CONVOLUTION_CALL_H_
#define ATHANOR_RUNTIME_KERNELS_CONVOLUTION_CALL_H_

#include <optional>
#include <string>
#include <vector>

#include "runtime/kernels/convolution_cost.h"
#include "runtime/kernels/kernel.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {

// One of the three calls, its operands by their part in the forward computation.
struct ConvolutionCall {
  ConvPass pass = ConvPass::kForward;
  bool has_bias = false;
  bool lifted = false;  // a call along one dimension: see convolution_lift.h
  int64_t groups = 1;
  dnnl::memory::dims strides, dilations, pads_begin, pads_end;  // as oneDNN counts them: a dense kernel's dilation is 0
  // As oneDNN sees them: w is [groups,O/groups,I/groups,k..] for more than one group, and undecided where its layout
  // has no counterpart of that shape.
  MemoryDesc x, w, y;
  MemoryDesc bias;  // undefined without one
};

// The weights of a grouped convolution are [O,I/groups,k..] everywhere else: in files, in the optimizer and in the
// graph. Where O/groups is a whole number of blocks, or 1, blocked layouts of the two shapes are the same bytes:
// aBCde16c16b is ABcd16b16a, and Abcde16a is Abcd16a. These give the layout of the other shape, nullopt where there is
// none.
std::optional<std::string> GroupedLayout(const std::string& layout, int64_t out_per_group);
std::optional<std::string> UngroupedLayout(const std::string& layout, int64_t out_per_group);

// Where the operands stand in the call, and how oneDNN numbers them.
struct ConvolutionPlaces {
  PrimitiveArg::Source x_source, w_source, y_source, bias_source;
  int x, w, y, bias;
  int x_arg, w_arg, y_arg, bias_arg;
};
ConvolutionPlaces PlacesOf(ConvPass pass);

// PLAN error for a call that is not one of oneDNN's convolutions of f32; the spatial sizes are left to oneDNN.
absl::StatusOr<ConvolutionCall> ReadConvolution(const CallSpec& spec);

// The layout of w by its shape in the call; nullopt where it has none there.
std::optional<std::string> WeightLayout(const ConvolutionCall& c);

// Puts the descriptions of the operands back into their places. The layout of w must have a name there.
void WriteConvolution(const ConvolutionCall& c, std::vector<MemoryDesc>* inputs, std::vector<MemoryDesc>* outputs);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_CONVOLUTION_CALL_H_
