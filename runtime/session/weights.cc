#include "runtime/session/weights.h"

#include <cstring>

#include "runtime/kernels/kernel.h"
#include "runtime/onednn/library.h"
#include "runtime/plan/verify_memory.h"

namespace athanor {
namespace {

absl::StatusOr<const Variable*> Find(const Plan& plan, absl::string_view name) {
  const Variable* v = plan.FindVariable(name);
  if (v != nullptr) return v;
  return MakeError(ErrorClass::kReq, "plan of model \"%s\" has no variable \"%s\"", plan.model_name, name);
}

// Copies between a row-major tensor and a laid-out variable.
absl::Status Relayout(const MemoryDesc& from, const void* source, const MemoryDesc& to, void* target,
                      const std::string& name) {
  const KernelDef* reorder = KernelRegistry::Get().Find("reorder");
  if (reorder == nullptr) return MakeError(ErrorClass::kPlan, "kernel reorder is not linked");
  CallSpec spec{"reorder", name, {}, {}, {from}, {to}, 1};
  ATH_ASSIGN_OR_RETURN(KernelInfo info, reorder->query(spec));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, reorder->create(spec));
  auto scratch = Tensor::Create(DType::kU8, {info.scratch_bytes});
  ATH_RETURN_IF_ERROR(scratch.status());
  void* in[] = {const_cast<void*>(source)};
  void* out[] = {target};
  ATH_RETURN_IF_ERROR(kernel->Bind(in, out, scratch->data()));
  return kernel->Run();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Weights>> Weights::Create(std::shared_ptr<const Plan> plan) {
  ATH_RETURN_IF_ERROR(VerifyMemory(*plan));
  for (const Variable& v : plan->variables) {
    ATH_ASSIGN_OR_RETURN(int64_t need, LayoutBytes(v.desc));
    if (need <= v.bytes) continue;
    return MakeError(ErrorClass::kPlan, "variable \"%s\" of %d bytes is too small for %s, which takes %d", v.name,
                     v.bytes, v.desc.ToString(), need);
  }
  ATH_ASSIGN_OR_RETURN(Arena arena, Arena::Map(plan->weight_bytes));
  std::shared_ptr<Weights> weights(new Weights(plan, std::move(arena)));
  for (const Variable& v : plan->variables) {
    if (v.data != nullptr) ATH_RETURN_IF_ERROR(weights->Set(v.name, *v.data));
  }
  return weights;
}

absl::Status Weights::Set(absl::string_view name, const Tensor& value) {
  ATH_ASSIGN_OR_RETURN(const Variable* v, Find(*plan_, name));
  if (value.dtype() != v->desc.dtype) {
    return MakeError(ErrorClass::kDtype, "variable \"%s\" is %s, the value given is %s", name,
                     DTypeName(v->desc.dtype), DTypeName(value.dtype()));
  }
  // A grouped weight has one dimension more in the plan than in the model: the elements are the same in order.
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(v->desc.dims));
  if (value.num_elements() != elements) {
    return MakeError(ErrorClass::kShape, "variable \"%s\" has shape %s, the value given has shape %s", name,
                     ShapeToString(v->desc.dims), ShapeToString(value.shape()));
  }
  return Relayout(MemoryDesc::Plain(v->desc.dtype, v->desc.dims), value.data(), v->desc, arena_.data() + v->offset,
                  v->name);
}

absl::StatusOr<Tensor> Weights::Get(absl::string_view name) const {
  ATH_ASSIGN_OR_RETURN(const Variable* v, Find(*plan_, name));
  ATH_ASSIGN_OR_RETURN(Tensor value, Tensor::Create(v->desc.dtype, v->desc.dims));
  ATH_RETURN_IF_ERROR(Relayout(v->desc, arena_.data() + v->offset, MemoryDesc::Plain(v->desc.dtype, v->desc.dims),
                               value.data(), v->name));
  if (v->data != nullptr) ATH_RETURN_IF_ERROR(value.Reshape(v->data->shape()));
  return value;
}

}  // namespace athanor
