// How fast the kernels are that only move memory: GB/s of the traffic that each states (KernelInfo::bytes: operands read
// once, results written once), and that as a part of the machine's copy bandwidth.
//
//   bazel run -c opt //benchmarks/kernels:memory_bound -- [--threads=N] [--repeats=N] [part of a name]
//
// A kernel is a row of Rows(). Every operand is larger than the caches unless the row says otherwise; runs of all rows
// and of the copy take turns, so that a busy machine slows them alike.
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "runtime/core/threads.h"
#include "runtime/kernels/kernel.h"

namespace athanor {
namespace {

constexpr int64_t kCopyBytes = int64_t{64} << 20;

struct Row {
  std::string name;
  std::string kernel;
  Attributes attrs;
  std::vector<MemoryDesc> inputs, outputs;
  std::vector<std::pair<int, int>> in_place = {};  // {output, input}
};

MemoryDesc F32(Shape dims, const std::string& layout = "") {
  MemoryDesc d = MemoryDesc::Plain(DType::kF32, std::move(dims));
  if (!layout.empty()) d.layout = layout;
  return d;
}
MemoryDesc S64() { return MemoryDesc::Plain(DType::kS64, {}); }

Row Program(const std::string& name, const std::string& program, std::vector<MemoryDesc> inputs, int outputs = 1) {
  const MemoryDesc y = inputs[0];
  return {name, "elementwise", {{"program", program}}, std::move(inputs), std::vector<MemoryDesc>(outputs, y)};
}

// One parameter's update in place, with as many slots.
Row Update(const std::string& name, const std::string& algorithm, int slots, bool step, Attributes attrs) {
  const MemoryDesc big = F32({16, 1024, 1024}), one = F32({});
  attrs.Set("algorithm", AttrValue(algorithm));
  attrs.Set("groups", 1);
  attrs.Set("decoupled_weight_decay", false);
  attrs.Set("grad_scale", false);
  for (const char* none : {"weight_decay", "clip_value"}) attrs.Set(none, 0.0);
  attrs.Set("lr_scale", 1.0);
  Row row = {name, "optimizer_update", std::move(attrs), {big, big}, {big}, {{0, 0}}};
  for (int s = 0; s < slots; ++s) {
    row.in_place.emplace_back(s + 1, s + 2);
    row.inputs.push_back(big);
    row.outputs.push_back(big);
  }
  row.inputs.push_back(one);
  if (step) row.inputs.push_back(S64());
  return row;
}

std::vector<Row> Rows() {
  const MemoryDesc big = F32({16, 1024, 1024}), matrix = F32({16384, 1024}), row = F32({1024}), column = F32({16384, 1});
  const MemoryDesc image = F32({64, 64, 56, 56}), channel = F32({64, 1, 1}), one = F32({});
  const MemoryDesc blocked = F32({64, 64, 56, 56}, "aBcd16b"), last = F32({64, 64, 56, 56}, "acdb");
  const std::string relu = "max x0 0 -> t0", gelu = "mul x0 0.70710677; erf t0; add t1 1; mul x0 0.5; mul t2 t3 -> t4";
  std::vector<Row> rows = {
      Program("relu", relu, {big}),
      Program("relu, 256 KiB", relu, {F32({65536})}),
      Program("relu backward", "gt x1 0; select t0 x0 0 -> t1", {big, big}),
      Program("add", "add x0 x1 -> t0", {big, big}),
      Program("add, relu", "add x0 x1; max t0 0 -> t1", {big, big}),
      Program("add a row", "add x0 x1 -> t0", {matrix, row}),
      Program("scale by a column", "mul x0 x1 -> t0", {matrix, column}),
      Program("scale channels, NCHW", "mul x0 x1; add t0 x2 -> t1", {image, channel, channel}),
      Program("scale channels, NHWC", "mul x0 x1; add t0 x2 -> t1", {last, channel, channel}),
      Program("scale channels, blocked", "mul x0 x1; add t0 x2 -> t1", {blocked, channel, channel}),
      Program("sigmoid", "logistic x0 -> t0", {big}),
      Program("tanh", "tanh x0 -> t0", {big}),
      Program("exp", "exp x0 -> t0", {big}),
      Program("log", "abs x0; log t0 -> t1", {big}),
      Program("gelu", gelu, {big}),
      Program("gelu backward",
              "mul x1 0.70710677; erf t0; mul_add t1 0.5 0.5; mul x1 x1; mul t3 -0.5; exp t4; mul t5 0.3989423; "
              "mul t6 x1; add t2 t7; mul x0 t8 -> t9",
              {big, big}),
      Program("gelu (tanh)",
              "mul x0 x0; mul t0 x0; mul t1 0.044715; add x0 t2; mul t3 0.7978846; tanh t4; mul_add t5 0.5 0.5; "
              "mul x0 t6 -> t7",
              {big}),
      Program("silu", "logistic x0; mul x0 t0 -> t1", {big}),
      Program("square of differences", "sub x0 x1; mul t0 t0 -> t1", {big, big}),
      Program("sum and product", "add x0 x1; mul x0 x1 -> t0, t1", {big, big}, 2),
      {"softmax", "softmax", {{"axis", int64_t{1}}, {"log", false}}, {matrix}, {matrix}},
      {"softmax backward", "softmax_backward", {{"axis", int64_t{1}}, {"log", false}}, {matrix, matrix}, {matrix}},
  };
  const Attributes adam = {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}};
  Attributes amsgrad = adam, plain = adam, nadam = adam;
  plain.Set("amsgrad", false);
  amsgrad.Set("amsgrad", true);
  nadam.Set("momentum_decay", 4e-3);
  const Attributes rmsprop = {{"alpha", 0.99}, {"epsilon", 1e-8}, {"momentum", 0.0}, {"centered", false}};
  const Attributes sgd = {{"momentum", 0.0}, {"dampening", 0.0}, {"nesterov", false}};
  Attributes momentum = sgd;
  momentum.Set("momentum", 0.9);
  rows.push_back(Update("sgd", "sgd", 0, false, sgd));
  rows.push_back(Update("sgd, momentum", "sgd", 1, false, momentum));
  rows.push_back(Update("adagrad", "adagrad", 1, false,
                        {{"lr_decay", 0.0}, {"initial_accumulator_value", 0.0}, {"epsilon", 1e-10}}));
  rows.push_back(Update("rmsprop", "rmsprop", 1, false, rmsprop));
  rows.push_back(Update("adam", "adam", 2, true, plain));
  rows.push_back(Update("adam, amsgrad", "adam", 3, true, amsgrad));
  rows.push_back(Update("adadelta", "adadelta", 2, false, {{"rho", 0.9}, {"epsilon", 1e-6}}));
  rows.push_back(Update("adamax", "adamax", 2, true, adam));
  rows.push_back(Update("nadam", "nadam", 2, true, nadam));
  rows.push_back(Update("lion", "lion", 1, false, {{"beta1", 0.9}, {"beta2", 0.99}}));
  rows.push_back(Update("lamb", "lamb", 2, true, adam));
  rows.push_back({"global norm", "global_norm", {{"max_norm", 1.0}}, {big, big}, {one, one}});
  rows.push_back({"accumulate gradient", "accumulate_gradient", {{"groups", int64_t{1}}, {"last", false}}, {big, big, one},
                  {big}, {{0, 0}}});
  rows.push_back({"average parameter", "average_parameter",
                  {{"groups", int64_t{1}}, {"decay", 0.999}, {"warmup", false}}, {big, big, S64()}, {big}, {{0, 0}}});
  rows.push_back({"tensor statistics", "tensor_statistics", {{"axis", int64_t{-1}}, {"bounds", Floats{}}}, {big},
                  {F32({9})}});
  const Attributes norm = {{"groups", int64_t{1}}, {"channels", int64_t{1024}}, {"area", int64_t{1}}, {"center", true},
                           {"epsilon", 1e-5}, {"scale", true}};
  Attributes forward = norm, backward = norm;
  forward.Set("bias", true);
  backward.Set("dscale", true);
  backward.Set("dbias", true);
  rows.push_back({"layer norm", "row_normalization", forward, {matrix, row, row}, {matrix}});
  rows.push_back({"layer norm backward", "row_normalization_backward", backward, {matrix, matrix, row},
                  {matrix, row, row}});
  Row in_place = Program("relu in place", relu, {big});
  in_place.in_place = {{0, 0}};
  rows.push_back(std::move(in_place));
  return rows;
}

// Memory of whole pages, touched by all threads.
class Block {
 public:
  explicit Block(int64_t bytes) : bytes_(std::max<int64_t>(bytes, 64)) {
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ATH_CHECK(p != MAP_FAILED);
    data_ = static_cast<char*>(p);
    madvise(p, bytes_, MADV_HUGEPAGE);
  }
  Block(Block&& o) noexcept : data_(std::exchange(o.data_, nullptr)), bytes_(o.bytes_) {}
  ~Block() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  char* data() const { return data_; }

  // Numbers in [-3, 3); ones of integers; a lone number is a learning rate.
  void Fill(DType dtype, int64_t bytes) {
    if (dtype == DType::kF32 && bytes == 4) {
      *reinterpret_cast<float*>(data_) = 1e-3f;
    } else if (dtype == DType::kF32) {
      float* p = reinterpret_cast<float*>(data_);
#pragma omp parallel for
      for (int64_t i = 0; i < bytes / 4; ++i) {
        p[i] = static_cast<float>(static_cast<uint32_t>(i) * 2654435761u) * 1.396984e-9f - 3;
      }
    } else if (dtype == DType::kS64) {
      std::fill_n(reinterpret_cast<int64_t*>(data_), bytes / 8, 1);
    } else {
      std::fill_n(data_, bytes, 1);
    }
  }

 private:
  char* data_;
  int64_t bytes_;
};

double Seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds of the runs of one row.
struct Times {
  std::vector<double> seconds;
  double bytes = 0;
  double Fastest() const { return bytes / *std::min_element(seconds.begin(), seconds.end()) * 1e-9; }
  double Median() {
    std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
    return bytes / seconds[seconds.size() / 2] * 1e-9;
  }
};

// All threads copy their part of 64 MiB.
class Copy {
 public:
  Copy() : from_(kCopyBytes), to_(kCopyBytes) {
    from_.Fill(DType::kF32, kCopyBytes);
    to_.Fill(DType::kF32, kCopyBytes);
  }
  void Run(int threads) {
    const int64_t part = kCopyBytes / threads;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; ++t) std::memcpy(to_.data() + t * part, from_.data() + t * part, part);
  }

 private:
  Block from_, to_;
};

absl::Status Measure(const Row& row, int threads, int repeats, Copy* copy, Times* copies, Times* times) {
  CallSpec spec{row.kernel, row.name, row.attrs, {}, row.inputs, row.outputs, threads};
  const KernelDef* def = KernelRegistry::Get().Find(row.kernel);
  if (def == nullptr) return absl::NotFoundError(row.kernel);
  ATH_ASSIGN_OR_RETURN(KernelInfo info, def->query(spec));
  spec.inputs = info.inputs;
  spec.outputs = info.outputs;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, def->create(spec));
  std::vector<Block> blocks;
  std::vector<void*> inputs, outputs;
  for (const MemoryDesc& d : spec.inputs) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(d.dtype, d.dims));
    blocks.emplace_back(bytes);
    blocks.back().Fill(d.dtype, bytes);
    inputs.push_back(blocks.back().data());
  }
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    void* place = nullptr;
    for (auto [output, input] : row.in_place) {
      if (output == static_cast<int>(i)) place = inputs[input];
    }
    if (place == nullptr) {
      ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(spec.outputs[i].dtype, spec.outputs[i].dims));
      blocks.emplace_back(bytes);
      blocks.back().Fill(spec.outputs[i].dtype, bytes);
      place = blocks.back().data();
    }
    outputs.push_back(place);
  }
  Block scratch(info.scratch_bytes);
  ATH_RETURN_IF_ERROR(kernel->Bind(inputs, outputs, scratch.data()));
  ATH_RETURN_IF_ERROR(kernel->Run());
  times->bytes = info.bytes;
  for (int i = 0; i < repeats; ++i) {
    copies->seconds.push_back(Seconds([&] { copy->Run(threads); }));
    times->seconds.push_back(Seconds([&] { ATH_CHECK_OK(kernel->Run()); }));
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  int threads = omp_get_max_threads(), repeats = 15;
  std::string part;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const std::vector<std::string> words = absl::StrSplit(arg, '=');
    int* number = words[0] == "--threads" ? &threads : words[0] == "--repeats" ? &repeats : nullptr;
    if (number == nullptr) {
      part = arg;
    } else if (words.size() != 2 || !absl::SimpleAtoi(words[1], number) || *number < 1) {
      std::fprintf(stderr, "%s is not %s=N\n", arg.c_str(), words[0].c_str());
      return 2;
    }
  }
  ThreadScope scope(threads);
  Copy copy;
  std::printf("%d threads; GB/s and part of the copy's, fastest and median of %d runs\n", threads, repeats);
  std::printf("%-26s %9s %9s %8s %8s\n", "kernel", "fastest", "median", "of copy", "median");
  for (const Row& row : Rows()) {
    if (!absl::StrContains(row.name, part)) continue;
    Times copies, times;
    copies.bytes = 2.0 * kCopyBytes;
    absl::Status status = Measure(row, threads, repeats, &copy, &copies, &times);
    if (!status.ok()) {
      std::printf("%-26s %s\n", row.name.c_str(), std::string(status.message()).c_str());
      continue;
    }
    const double fastest = times.Fastest(), median = times.Median();
    std::printf("%-26s %9.2f %9.2f %7.0f%% %7.0f%%\n", row.name.c_str(), fastest, median,
                100 * fastest / copies.Fastest(), 100 * median / copies.Median());
  }
  return 0;
}

}  // namespace
}  // namespace athanor

int main(int argc, char** argv) { return athanor::Main(argc, argv); }
