#include "runtime/kernels/testing/test_call.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/threads.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

constexpr int64_t kGuard = 64;
constexpr auto kGuardByte = std::byte{0xA5};
constexpr auto kPoison = std::byte{0xFF};  // NaN in every floating-point type

// A block of memory with guards around it.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(bytes) {
    auto t = Tensor::Create(DType::kU8, {bytes + 2 * kGuard});
    ATH_CHECK_OK(t.status());
    tensor_ = *std::move(t);
    std::fill_n(all(), bytes + 2 * kGuard, kGuardByte);
    Poison();
  }
  std::byte* data() { return all() + kGuard; }
  int64_t bytes() const { return bytes_; }
  void Poison() { std::fill_n(data(), bytes_, kPoison); }
  bool Intact() {
    auto is_guard = [](std::byte b) { return b == kGuardByte; };
    return std::all_of(all(), all() + kGuard, is_guard) &&
           std::all_of(data() + bytes_, data() + bytes_ + kGuard, is_guard);
  }

 private:
  std::byte* all() { return static_cast<std::byte*>(tensor_.data()); }
  int64_t bytes_;
  Tensor tensor_;
};

void Convert(const MemoryDesc& from_desc, void* from, const MemoryDesc& to_desc, void* to) {
  if (from_desc == to_desc) {
    auto bytes = NumBytes(to_desc.dtype, to_desc.dims);
    ATH_CHECK_OK(bytes.status());
    if (*bytes > 0) std::memcpy(to, from, *bytes);
    return;
  }
  dnnl::memory source(ToDnnl(from_desc), CpuEngine(), from), destination(ToDnnl(to_desc), CpuEngine(), to);
  dnnl::stream stream(CpuEngine());
  dnnl::reorder(source, destination).execute(stream, source, destination);
  stream.wait();
}

MemoryDesc Plain(const MemoryDesc& d) { return MemoryDesc::Plain(d.dtype, d.dims); }

}  // namespace

TestCall::TestCall(std::string kernel) {
  spec_.kernel = std::move(kernel);
  spec_.name = "node";
}

TestCall& TestCall::Attr(const std::string& name, AttrValue value) {
  spec_.attrs.Set(name, std::move(value));
  return *this;
}

TestCall& TestCall::Fuse(PostOp post_op) {
  spec_.post_ops.push_back(std::move(post_op));
  return *this;
}

TestCall& TestCall::In(Tensor x, const std::string& layout) {
  MemoryDesc desc = MemoryDesc::Plain(x.dtype(), x.shape());
  if (!layout.empty()) desc.layout = layout == "any" ? "" : layout;
  spec_.inputs.push_back(std::move(desc));
  data_.push_back(std::make_shared<const Tensor>(std::move(x)));
  return *this;
}

TestCall& TestCall::Out(Shape dims, DType dtype, const std::string& layout) {
  spec_.outputs.push_back(MemoryDesc{dtype, std::move(dims), layout});
  return *this;
}

TestCall& TestCall::InPlace(int output, int input) {
  in_place_.emplace_back(output, input);
  return *this;
}

TestCall& TestCall::Threads(int threads) {
  spec_.threads = threads;
  return *this;
}

absl::StatusOr<KernelInfo> TestCall::Query() const {
  const KernelDef* def = KernelRegistry::Get().Find(spec_.kernel);
  if (def == nullptr) return absl::InternalError("no kernel " + spec_.kernel);
  ThreadScope scope(spec_.threads);
  return def->query(spec_);
}

absl::StatusOr<TestCall::Result> TestCall::Run() const {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query());
  const KernelDef* def = KernelRegistry::Get().Find(spec_.kernel);
  ThreadScope scope(spec_.threads);
  CallSpec spec = spec_;
  spec.inputs = info.inputs;
  spec.outputs = info.outputs;
  ATH_ASSIGN_OR_RETURN(KernelInfo settled, def->query(spec));
  if (settled.inputs != info.inputs || settled.outputs != info.outputs) {
    return absl::InternalError("asked again with its own layouts, the kernel wants others");
  }
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, def->create(spec));

  std::vector<Memory> inputs, outputs;
  std::vector<void*> in, out;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(spec.inputs[i]));
    inputs.emplace_back(bytes);
    Tensor data = data_[i]->Clone();
    Convert(Plain(spec.inputs[i]), data.data(), spec.inputs[i], inputs.back().data());
    in.push_back(inputs.back().data());
  }
  for (const MemoryDesc& d : spec.outputs) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(d));
    outputs.emplace_back(bytes);
    out.push_back(outputs.back().data());
  }
  const auto may_be_in_place =
      def->InPlace(spec.attrs, static_cast<int>(spec.inputs.size()), static_cast<int>(spec.outputs.size()));
  for (auto [output, input] : in_place_) {
    if (std::find(may_be_in_place.begin(), may_be_in_place.end(), std::make_pair(output, input)) ==
            may_be_in_place.end() ||
        spec.outputs[output] != spec.inputs[input]) {
      return absl::InternalError("the kernel does not work in place so");
    }
    out[output] = in[input];
  }
  Memory scratch(settled.scratch_bytes);
  ATH_RETURN_IF_ERROR(kernel->Bind(in, out, scratch.data()));

  Result result;
  result.info = settled;
  for (int run = 0; run < (in_place_.empty() ? 2 : 1); ++run) {
    scratch.Poison();
    ATH_RETURN_IF_ERROR(kernel->Run());
    for (size_t i = 0; i < spec.outputs.size(); ++i) {
      const auto* bytes = static_cast<const std::byte*>(out[i]);
      std::vector<std::byte> stored(bytes, bytes + outputs[i].bytes());
      if (run == 0) {
        result.stored.push_back(std::move(stored));
        outputs[i].Poison();
      } else if (stored != result.stored[i]) {
        return absl::InternalError("the second run gives other bits");
      }
    }
  }
  for (std::vector<Memory>* all : {&inputs, &outputs}) {
    for (Memory& m : *all) {
      if (!m.Intact()) return absl::InternalError("the kernel wrote outside of its operands");
    }
  }
  if (!scratch.Intact()) return absl::InternalError("the kernel wrote outside of its scratch");
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    ATH_ASSIGN_OR_RETURN(Tensor y, Tensor::Create(spec.outputs[i].dtype, spec.outputs[i].dims));
    Convert(spec.outputs[i], result.stored[i].data(), Plain(spec.outputs[i]), y.data());
    result.outputs.push_back(std::move(y));
  }
  return result;
}

}  // namespace athanor
