// make_sample FROM TO: makes the sample, in the folder TO, from the whole MNIST in the folder FROM. The bytes written
// depend on those read alone.
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/idx.h"
#include "runtime/core/file.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {
namespace {

absl::Status CopyFirst(int64_t count, const std::string& from, const std::string& to, absl::string_view name) {
  ATH_ASSIGN_OR_RETURN(Tensor all, ReadIdx(absl::StrCat(from, "/", name)));
  Shape shape = all.shape();
  if (all.dtype() != DType::kU8 || shape[0] < count) {
    return MakeError(ErrorClass::kData, "%s holds %s%s, not %d samples of u8", name, DTypeName(all.dtype()),
                     ShapeToString(shape), count);
  }
  shape[0] = count;
  ATH_ASSIGN_OR_RETURN(Tensor first, Tensor::Create(DType::kU8, shape));
  std::memcpy(first.data(), all.data(), first.bytes());
  return WriteIdx(absl::StrCat(to, "/", name), first);
}

absl::Status MakeSample(const std::string& from, const std::string& to) {
  constexpr int64_t kTrain = 10000, kTest = 2000;
  ATH_RETURN_IF_ERROR(ProbeWritableDir(to));
  ATH_RETURN_IF_ERROR(CopyFirst(kTrain, from, to, "train-images-idx3-ubyte.gz"));
  ATH_RETURN_IF_ERROR(CopyFirst(kTrain, from, to, "train-labels-idx1-ubyte.gz"));
  ATH_RETURN_IF_ERROR(CopyFirst(kTest, from, to, "t10k-images-idx3-ubyte.gz"));
  return CopyFirst(kTest, from, to, "t10k-labels-idx1-ubyte.gz");
}

}  // namespace
}  // namespace athanor

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_sample FROM TO\n");
    return 2;
  }
  absl::Status status = athanor::MakeSample(argv[1], argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
