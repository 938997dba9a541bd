#include "runtime/kernels/convolution_cost.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// The rates are fitted to oneDNN 3.2 on one core of a Zen 5 at about 4 GHz (microseconds, best of many runs):
//                           AVX-512                                    AVX2
//                     blocked   n..c    gemm                     blocked   n..c   gemm
//   LeNet conv1 b64     (1->6, 5x5, 28x28; its input is plain)
//     forward            184     182     590                      315       505    640
//     weights            197     364     900                     1530       525   1150
//   LeNet conv2 b64     (6->16, 5x5, 14x14)
//     forward            137     184     521                      416       294    655
//     data               351     618     707                      520       657    829
//     weights            443*    184     612                      442       350    740     * by the AVX2 kernel
//   ResNet b8           (64->64, 3x3, 56x56)
//     forward          12700   13600   29000                    23300     27300  45000
//     data             14000   11800   29200                    31500     29400  48400
//     weights          16300   25100   42500                    38500     24500  49300
//   depthwise b8 (64, 3x3, 56x56) 242    283   11000               372       478   7100
// Both parts of the choice matter: blocked layouts compute on the padding (1->16 channels is 16 times the work), and
// a reorder is cheap beside all but the smallest convolutions (64x6x14x14 takes 10 to 25). LeNet's convolutions, pools
// and reorders, forward and backward at batch 64, took 1.47 ms with what this chooses on AVX-512 and 2.55 ms on AVX2,
// against 1.78 and 3.69 with format_tag::any everywhere, 2.1 and 2.6 channels-last, 4.3 and 6.2 plain.
constexpr double kPeakMacsPerNs[] = {55, 110};  // AVX2, AVX-512
constexpr double kReferenceEfficiency = 0.002;
constexpr double kGemmEfficiency = 0.27;     // im2col, then a matrix product
constexpr double kGemm1x1Efficiency = 0.9;   // no im2col
constexpr double kDepthwiseEfficiency = 0.5;
constexpr double kReorderBytesPerNs = 30;
constexpr double kCallNs = 500;

double DirectEfficiency(const ConvWork& w) {
  const bool brgemm = absl::StrContains(w.impl, "brg");
  switch (w.pass) {
    case ConvPass::kForward:
      return !w.channels_last ? 1.0 : brgemm ? 0.8 : absl::StrContains(w.impl, "avx2") ? 0.6 : 0.9;
    case ConvPass::kBackwardData:
      return brgemm ? 0.75 : 1.0;
    case ConvPass::kBackwardWeights:
      return absl::StrContains(w.impl, "avx2") ? 0.75 : w.channels_last ? 0.65 : 0.85;
  }
  return 1.0;
}

int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

double EstimateConvolution(const ConvWork& w) {
  static const bool has_avx512 = absl::StrContains(EffectiveIsa(), "avx512");
  const double positions = static_cast<double>(w.positions), kernel = static_cast<double>(w.kernel_size);
  const double dense = positions * kernel * static_cast<double>(w.padded_out) *
                       static_cast<double>(std::max<int64_t>(1, w.padded_in / w.groups));
  if (absl::StartsWith(w.impl, "ref")) return kCallNs + dense / (kPeakMacsPerNs[has_avx512] * kReferenceEfficiency);
  if (absl::StrContains(w.impl, "gemm:")) {
    // The matrix has a row for each output channel of a group: few rows fill no register block.
    const double rows = std::min(1.0, static_cast<double>(w.out_channels / w.groups) / 16);
    const double efficiency = rows * (w.kernel_size == 1 ? kGemm1x1Efficiency : kGemmEfficiency);
    return kCallNs + dense / (kPeakMacsPerNs[has_avx512] * efficiency);
  }
  const bool avx512 = absl::StrContains(w.impl, "avx512");
  const double peak = kPeakMacsPerNs[avx512];
  if (absl::StrContains(w.impl, "dw")) return kCallNs + dense / (peak * kDepthwiseEfficiency);
  // One side's channels are the lanes of a register, whatever the layout.
  const int64_t lanes = avx512 ? 16 : 8;
  int64_t in = w.padded_in, out = w.padded_out;
  (w.pass == ConvPass::kBackwardData ? in : out) = RoundUp(w.pass == ConvPass::kBackwardData ? in : out, lanes);
  const double macs = w.groups > 1 ? positions * static_cast<double>(w.padded_weights)
                                   : positions * kernel * static_cast<double>(in) * static_cast<double>(out);
  return kCallNs + macs / (peak * DirectEfficiency(w));
}

double EstimateReorder(int64_t from_bytes, int64_t to_bytes) {
  return kCallNs + static_cast<double>(from_bytes + to_bytes) / kReorderBytesPerNs;
}

}  // namespace athanor
