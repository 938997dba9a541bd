// Backward attention; see attention.h. With P = softmax(scores), of which every block is computed again:
//   dV = P' dY;  dP = dY V';  dscores = P * (dP - rowsum(dY * Y));  dQ = scale dscores K;  dK = scale dscores' Q
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/attention_backward.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/kernels/attention_block-inl.h"
#include "runtime/kernels/attention_tasks.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_ATTENTION_BACKWARD_TASK_
#define ATHANOR_RUNTIME_KERNELS_ATTENTION_BACKWARD_TASK_
namespace athanor {

// A rectangle of one group's scores, and which gradients it adds up: dq needs all keys, dk and dv all queries.
struct AttentionBackwardTask {
  int64_t group, query_begin, query_end, key_begin, key_end;
  bool queries, keys;
};

}  // namespace athanor
#endif

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// What a block of queries brings along, in the scratch memory.
struct QueryBlockData {
  float *q, *dy;            // packed
  float *p, *ds;            // blocks
  float *max, *inverse, *d;  // by query
};

// sum[i] += sum over the rows of a and b of a[.,i] b[.,i].
void AddProducts(const float* a, const float* b, int64_t rows, int64_t width, float* sum) {
  const FloatTag d;
  for (int64_t i = 0; i < width; i += FloatLanes()) {
    FloatVec s = hn::Load(d, sum + i);
    for (int64_t j = i; j < rows * width; j += width) s = hn::MulAdd(hn::Load(d, a + j), hn::Load(d, b + j), s);
    hn::Store(s, d, sum + i);
  }
}

QueryBlockData LoadQueries(const AttentionCall& call, const AttentionOperands& o, int64_t group, int64_t query,
                           int64_t rows, float* scratch) {
  const int64_t width = call.query_block;
  const int64_t q_stride = call.stride(call.size), v_stride = call.stride(call.value_size);
  QueryBlockData data;
  data.q = scratch;
  data.dy = data.q + call.size * width;
  data.p = data.dy + call.value_size * width;
  data.ds = data.p + kKeyBlock * width;
  data.max = data.ds + kKeyBlock * width;
  data.inverse = data.max + width;
  data.d = data.inverse + width;
  const int64_t at = call.first(group, call.queries, call.value_size) + query * v_stride;
  PackTransposed(o.q + call.first(group, call.queries, call.size) + query * q_stride, q_stride, rows, call.size,
                 call.scale, width, data.q);
  PackTransposed(o.dy + at, v_stride, rows, call.value_size, 1, width, data.dy);
  std::fill_n(data.max, 3 * width, 0.0f);
  for (int64_t i = 0; i < rows; ++i) {
    const float* stats = o.stats + 2 * (group * call.queries + query + i);
    data.max[i] = stats[0];
    data.inverse[i] = stats[1];
  }
  // In the order in which a product adds up: where a query sees one key, the gradient by its score is 0 to the last
  // bit.
  for (int64_t e = 0; e < call.value_size; e += kKeyBlock) {
    const int64_t count = std::min(kKeyBlock, call.value_size - e);
    PackTransposed(o.y + at + e, v_stride, rows, count, 1, width, data.p);
    AddProducts(data.p, data.dy + e * width, count, width, data.d);
  }
  return data;
}

// p: scores -> probabilities; ds: gradient by probabilities -> by scores, times `scale`.
void SoftmaxBackward(int64_t keys, int64_t width, float scale, const QueryBlockData& data) {
  const FloatTag d;
  const FloatVec factor = hn::Set(d, scale);
  for (int64_t i = 0; i < width; i += FloatLanes()) {
    const FloatVec max = hn::Load(d, data.max + i), inverse = hn::Load(d, data.inverse + i),
                   sum = hn::Load(d, data.d + i);
    for (int64_t j = i; j < keys * width; j += width) {
      const FloatVec p = hn::Mul(ExpOrNaN(hn::Sub(hn::Load(d, data.p + j), max)), inverse);
      const FloatVec ds = hn::Mul(p, hn::Sub(hn::Load(d, data.ds + j), sum));
      hn::Store(p, d, data.p + j);
      hn::Store(hn::Mul(ds, factor), d, data.ds + j);
    }
  }
}

// Where the gradient by the scores is wanted, the scale comes after it.
void StoreScoresGradient(const AttentionCall& call, const AttentionBlock& b, float* ds, float* out) {
  const int64_t width = call.query_block;
  for (int64_t i = 0; i < b.rows; ++i) {
    for (int64_t j = 0; j < b.keys; ++j) out[i * call.keys + j] = ds[j * width + i];
  }
  for (int64_t j = 0; j < b.keys * width; ++j) ds[j] *= call.scale;
}

void BackwardBlock(const AttentionCall& call, const AttentionOperands& o, const AttentionBackwardTask& task,
                   const AttentionBlock& b, const QueryBlockData& data) {
  const int64_t width = call.query_block, group = task.group;
  const int64_t stride = call.stride(call.size), v_stride = call.stride(call.value_size);
  const int64_t at_q = call.first(group, call.queries, call.size) + b.query * stride;
  const int64_t at_k = call.first(group, call.keys, call.size) + b.key * stride;
  const int64_t at_y = call.first(group, call.queries, call.value_size) + b.query * v_stride;
  const int64_t at_v = call.first(group, call.keys, call.value_size) + b.key * v_stride;
  BlockScores(call, o, group, b, data.q, data.p);
  TileProduct<false>({b.keys, width, call.value_size, o.v + at_v, v_stride, data.dy, width, data.ds, width,
                      TileUpdate::kSet});
  const bool store = task.keys && o.dscores != nullptr;
  SoftmaxBackward(b.keys, width, store ? 1 : call.scale, data);
  if (store) {
    StoreScoresGradient(call, b, data.ds, o.dscores + (group * call.queries + b.query) * call.keys + b.key);
  }
  if (task.keys) {
    TileProduct<false>({b.keys, call.value_size, b.rows, data.p, width, o.dy + at_y, v_stride, o.dv + at_v, v_stride,
                        TileUpdate::kAdd});
    TileProduct<false>({b.keys, call.size, b.rows, data.ds, width, o.q + at_q, stride, o.dk + at_k, stride,
                        TileUpdate::kAdd});
  }
  if (task.queries) {
    TileProduct<true>({b.rows, call.size, b.keys, data.ds, width, o.k + at_k, stride, o.dq + at_q, stride,
                       TileUpdate::kAdd});
  }
}

void ZeroRows(float* x, int64_t stride, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) std::fill_n(x + r * stride, columns, 0.0f);
}

void RunBackwardTask(const AttentionCall& call, const AttentionOperands& o, const AttentionBackwardTask& task,
                     float* scratch) {
  const int64_t stride = call.stride(call.size), v_stride = call.stride(call.value_size);
  if (task.keys) {
    const int64_t count = task.key_end - task.key_begin;
    ZeroRows(o.dk + call.first(task.group, call.keys, call.size) + task.key_begin * stride, stride, count, call.size);
    ZeroRows(o.dv + call.first(task.group, call.keys, call.value_size) + task.key_begin * v_stride, v_stride, count,
             call.value_size);
  }
  for (int64_t query = task.query_begin; query < task.query_end; query += call.query_block) {
    const int64_t rows = std::min(call.query_block, call.queries - query);
    if (task.queries) {
      ZeroRows(o.dq + call.first(task.group, call.queries, call.size) + query * stride, stride, rows, call.size);
    }
    const int64_t key_end = std::min(task.key_end, call.KeyEnd(query + rows));
    if (task.keys && o.dscores != nullptr && key_end < task.key_end) {
      const int64_t begin = std::max(key_end, task.key_begin);
      ZeroRows(o.dscores + (task.group * call.queries + query) * call.keys + begin, call.keys, rows,
               task.key_end - begin);
    }
    if (key_end <= task.key_begin) continue;
    const QueryBlockData data = LoadQueries(call, o, task.group, query, rows, scratch);
    for (int64_t key = task.key_begin; key < key_end; key += kKeyBlock) {
      BackwardBlock(call, o, task, {query, rows, key, std::min(kKeyBlock, key_end - key)}, data);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(RunBackwardTask);

constexpr int64_t kKeyRange = 4 * kKeyBlock;  // of a task that adds up dk and dv

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(AttentionCall call, ReadAttentionCall(spec, /*backward=*/true));
  ATH_ASSIGN_OR_RETURN(int64_t scratch, AttentionScratch(spec, call, /*backward=*/true));
  return AttentionInfo(spec, call, scratch, /*products=*/5);
}

class AttentionBackwardKernel final : public Kernel {
 public:
  AttentionBackwardKernel(AttentionCall call, bool has_dscores, int64_t scratch_floats)
      : call_(std::move(call)), has_dscores_(has_dscores), scratch_floats_(scratch_floats) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    operands_.dy = static_cast<const float*>(inputs[0]);
    operands_.q = static_cast<const float*>(inputs[1]);
    operands_.k = static_cast<const float*>(inputs[2]);
    operands_.v = static_cast<const float*>(inputs[3]);
    operands_.y = static_cast<float*>(inputs[4]);
    operands_.stats = static_cast<float*>(inputs[5]);
    if (call_.mask.present) operands_.mask = static_cast<const uint8_t*>(inputs[6]);
    if (call_.bias.present) operands_.bias = static_cast<const float*>(inputs[6 + call_.mask.present]);
    operands_.dq = static_cast<float*>(outputs[0]);
    operands_.dk = static_cast<float*>(outputs[1]);
    operands_.dv = static_cast<float*>(outputs[2]);
    operands_.dscores = has_dscores_ ? static_cast<float*>(outputs[3]) : nullptr;
    scratch_ = static_cast<float*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t groups = call_.groups(), threads = call_.threads;
    if (groups >= 4 * threads || groups % threads == 0) {
      RunTasks(call_, groups, [this](int64_t task, int thread) {
        Run({task, 0, call_.queries, 0, call_.keys, true, true}, thread);
      });
      return absl::OkStatus();
    }
    // Too few groups for the threads: their keys and queries are shared out, and the scores computed twice.
    const int64_t ranges = (call_.keys + kKeyRange - 1) / kKeyRange, blocks = call_.query_blocks();
    RunTasks(call_, groups * ranges, [=, this](int64_t task, int thread) {
      const int64_t key = task % ranges * kKeyRange;
      Run({task / ranges, 0, call_.queries, key, std::min(key + kKeyRange, call_.keys), false, true}, thread);
    });
    RunTasks(call_, groups * blocks, [=, this](int64_t task, int thread) {
      const int64_t query = task % blocks * call_.query_block;
      Run({task / blocks, query, std::min(query + call_.query_block, call_.queries), 0, call_.keys, true, false},
          thread);
    });
    return absl::OkStatus();
  }

 private:
  void Run(const AttentionBackwardTask& task, int thread) const {
    HWY_DYNAMIC_DISPATCH(RunBackwardTask)(call_, operands_, task, scratch_ + thread * scratch_floats_);
  }

  const AttentionCall call_;
  const bool has_dscores_;
  const int64_t scratch_floats_;
  AttentionOperands operands_;
  float* scratch_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(AttentionCall call, ReadAttentionCall(spec, /*backward=*/true));
  ATH_ASSIGN_OR_RETURN(int64_t scratch, AttentionScratch(spec, call, /*backward=*/true));
  return std::make_unique<AttentionBackwardKernel>(std::move(call), spec.outputs.size() == 4, scratch);
}

ATH_REGISTER_KERNEL((KernelDef{"attention_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
