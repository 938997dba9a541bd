#include "absl/strings/str_cat.h"
#include "compiler/opdef/contexts.h"

namespace athanor {

BufferId LowerContext::Temporary(const std::string& suffix, DType dtype, Shape dims) {
  Buffer buffer;
  buffer.name = absl::StrCat(node().name, "/", suffix);
  buffer.desc = MemoryDesc{dtype, std::move(dims), ""};
  entry_->buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(entry_->buffers.size() - 1);
}

void LowerContext::Emit(const std::string& kernel, std::vector<BufferId> inputs, std::vector<BufferId> outputs,
                        Attributes attrs, bool with_post_ops) {
  std::erase(inputs, kNoBuffer);
  std::erase(outputs, kNoBuffer);
  KernelCall call;
  call.kernel = kernel;
  call.name = node().name;
  call.attrs = std::move(attrs);
  call.inputs = std::move(inputs);
  call.outputs = std::move(outputs);
  if (with_post_ops) {
    ATH_CHECK(!post_ops_taken_);
    post_ops_taken_ = true;
    for (PostOp post : node().post_ops) {
      if (post.operand >= 0) {
        call.inputs.push_back(inputs_[post.operand]);
        post.operand = static_cast<int>(call.inputs.size()) - 1;
      }
      call.post_ops.push_back(std::move(post));
    }
  }
  entry_->calls.push_back(std::move(call));
}

void LowerContext::View(BufferId input, BufferId output) { Emit("reshape", {input}, {output}, {}); }

void LowerContext::PreferLayoutOf(BufferId buffer, BufferId like) {
  if (buffer != kNoBuffer && like != kNoBuffer) entry_->buffers[buffer].layout_like = like;
}

}  // namespace athanor
