// One kernel call with its data, run as a session runs it: layouts settled by query, memory 64-byte aligned, results
// and scratch full of NaN beforehand.
//
//   auto y = TestCall("elementwise").Attr("program", "exp x0 -> t0").In(x).Out({2, 3}).Run();
#ifndef ATHANOR_RUNTIME_KERNELS_TESTING_TEST_CALL_H_
#define ATHANOR_RUNTIME_KERNELS_TESTING_TEST_CALL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/tensor.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

class TestCall {
 public:
  struct Result {
    KernelInfo info;
    std::vector<Tensor> outputs;                 // row-major
    std::vector<std::vector<std::byte>> stored;  // the outputs as the kernel wrote them, padding of blocks included
  };

  explicit TestCall(std::string kernel);
  TestCall& Attr(const std::string& name, AttrValue value);
  TestCall& Attr(const std::string& name, int value) { return Attr(name, AttrValue(int64_t{value})); }
  TestCall& Attr(const std::string& name, int64_t value) { return Attr(name, AttrValue(value)); }
  TestCall& Attr(const std::string& name, bool value) { return Attr(name, AttrValue(value)); }
  TestCall& Attr(const std::string& name, double value) { return Attr(name, AttrValue(value)); }
  TestCall& Attr(const std::string& name, const char* value) { return Attr(name, AttrValue(std::string(value))); }
  TestCall& Fuse(PostOp post_op);
  // A row-major tensor. It reaches query in this layout (row-major unless told, "any" for an undecided one), and the
  // kernel in the layout that query asks for.
  TestCall& In(Tensor x, const std::string& layout = "");
  // `layout`: what its reader would like; undecided unless told.
  TestCall& Out(Shape dims, DType dtype = DType::kF32, const std::string& layout = "");
  // The output lies in the input's memory.
  TestCall& InPlace(int output, int input);
  TestCall& Threads(int threads);

  const CallSpec& spec() const { return spec_; }
  absl::StatusOr<KernelInfo> Query() const;
  // Prepares and runs it, twice where nothing is in place: the second time must give the same. An error of query,
  // create, bind or run; INTERNAL errors for a kernel that does not settle on its layouts, writes outside of its memory
  // or does not repeat.
  absl::StatusOr<Result> Run() const;

 private:
  CallSpec spec_;
  std::vector<std::shared_ptr<const Tensor>> data_;
  std::vector<std::pair<int, int>> in_place_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_TESTING_TEST_CALL_H_
