#include "runtime/session/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/core/threads.h"
#include "runtime/onednn/library.h"
#include "runtime/plan/verify_memory.h"
#include "runtime/session/poison.h"
#include "runtime/session/step_heap.h"

namespace athanor {

struct Session::PreparedEntry {
  const Entry* entry = nullptr;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<int> threads;  // of each kernel
  std::vector<CallProfile> profile;
  PoisonSchedule poison;
};

namespace {

absl::Status CheckTarget(const Target& target) {
  std::string isa = EffectiveIsa(), version = OneDnnVersion();
  if (target.isa != isa) {
    return MakeError(ErrorClass::kVersion,
                     "the plan was compiled for ISA %s and this process runs oneDNN with %s: compile the model again "
                     "on this machine",
                     target.isa, isa);
  }
  if (target.onednn_version != version) {
    return MakeError(ErrorClass::kVersion,
                     "the plan was compiled with oneDNN %s and this process runs %s: compile the model again",
                     target.onednn_version, version);
  }
  return absl::OkStatus();
}

// The entries to prepare, by plan order; all when none is named.
absl::StatusOr<std::vector<const Entry*>> WantedEntries(const Plan& plan, const std::vector<std::string>& names) {
  std::vector<const Entry*> wanted;
  for (const std::string& name : names) {
    const Entry* entry = plan.FindEntry(name);
    if (entry != nullptr) {
      wanted.push_back(entry);
      continue;
    }
    auto each = [](std::string* out, const Entry& e) { out->append(e.name); };
    return MakeError(ErrorClass::kReq, "the plan of model \"%s\" has no entry \"%s\"; it has: %s", plan.model_name,
                     name, absl::StrJoin(plan.entries, ", ", each));
  }
  if (names.empty()) {
    for (const Entry& entry : plan.entries) wanted.push_back(&entry);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  return wanted;
}

absl::Status CheckSizes(const Entry& entry) {
  for (const Buffer& b : entry.buffers) {
    ATH_ASSIGN_OR_RETURN(int64_t need, LayoutBytes(b.desc));
    if (need > b.bytes) {
      return MakeError(ErrorClass::kPlan, "entry \"%s\": buffer \"%s\" of %d bytes is too small for %s, which takes %d",
                       entry.name, b.name, b.bytes, b.desc.ToString(), need);
    }
  }
  return absl::OkStatus();
}

// The caller sees inputs and outputs as row-major tensors.
absl::Status CheckPlain(const Entry& entry, const std::vector<NamedBuffer>& list) {
  for (const NamedBuffer& item : list) {
    const MemoryDesc& desc = entry.buffers[item.buffer].desc;
    if (desc.plain()) continue;
    return MakeError(ErrorClass::kPlan, "entry \"%s\": \"%s\" is %s, inputs and outputs are row-major", entry.name,
                     item.name, desc.ToString());
  }
  return absl::OkStatus();
}

// Makes the kernel of a call after checking that it still asks for what the plan gives it.
absl::StatusOr<std::unique_ptr<Kernel>> MakeKernel(const Entry& entry, const KernelCall& call) {
  const KernelDef* def = KernelRegistry::Get().Find(call.kernel);
  ATH_CHECK(def != nullptr);  // VerifyMemory has refused unknown kernels
  CallSpec spec = SpecOf(entry, call);
  ThreadScope scope(call.threads);
  ATH_ASSIGN_OR_RETURN(KernelInfo info, def->query(spec));
  if (info.inputs != spec.inputs || info.outputs != spec.outputs || info.scratch_bytes > call.scratch_bytes) {
    return MakeError(ErrorClass::kPlan,
                     "entry \"%s\": kernel %s of \"%s\" asks for other layouts or more scratch (%d bytes) than the "
                     "plan holds (%d): compile the model again",
                     entry.name, call.kernel, call.name, info.scratch_bytes, call.scratch_bytes);
  }
  return def->create(spec);
}

}  // namespace

Session::Session(std::shared_ptr<const Plan> plan, std::shared_ptr<Weights> weights, const SessionOptions& options)
    : plan_(std::move(plan)), weights_(std::move(weights)), options_(options) {}
Session::~Session() = default;

absl::StatusOr<std::unique_ptr<Session>> Session::Create(std::shared_ptr<const Plan> plan,
                                                         const SessionOptions& options) {
  ATH_RETURN_IF_ERROR(CheckTarget(plan->target));  // first: other layouts may be unknown here
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<Weights> weights, Weights::Create(plan));
  return Create(std::move(plan), std::move(weights), options);
}

absl::StatusOr<std::unique_ptr<Session>> Session::Create(std::shared_ptr<const Plan> plan,
                                                         std::shared_ptr<Weights> weights,
                                                         const SessionOptions& options) {
  ATH_RETURN_IF_ERROR(CheckTarget(plan->target));
  ATH_RETURN_IF_ERROR(VerifyMemory(*plan));
  if (&weights->plan() != plan.get()) {
    return MakeError(ErrorClass::kReq, "the weights given belong to another plan (model \"%s\")",
                     weights->plan().model_name);
  }
  ATH_ASSIGN_OR_RETURN(std::vector<const Entry*> wanted, WantedEntries(*plan, options.entries));
  std::unique_ptr<Session> session(new Session(plan, std::move(weights), options));
  ATH_ASSIGN_OR_RETURN(session->arena_, Arena::Map(plan->activation_bytes));
  for (const Entry* entry : wanted) ATH_RETURN_IF_ERROR(session->Prepare(*entry));
  return session;
}

std::byte* Session::Address(const Entry& entry, BufferId id) const {
  const Buffer& root = entry.buffers[RootBuffer(entry, id)];
  const bool variable = root.kind == BufferKind::kVariable;
  std::byte* base = variable ? weights_->data() : arena_.data();
  // An arena of no bytes has no address, but tensors of no bytes must have one: memcpy takes no null.
  alignas(64) static std::byte nothing[1];
  if (base == nullptr) return nothing;
  return base + (variable ? plan_->variables[root.variable].offset : root.offset);
}

absl::Status Session::Prepare(const Entry& entry) {
  ATH_RETURN_IF_ERROR(CheckSizes(entry));
  ATH_RETURN_IF_ERROR(CheckPlain(entry, entry.inputs));
  ATH_RETURN_IF_ERROR(CheckPlain(entry, entry.outputs));
  auto prepared = std::make_unique<PreparedEntry>();
  prepared->entry = &entry;
  for (const KernelCall& call : entry.calls) {
    ATH_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, MakeKernel(entry, call));
    std::vector<void*> inputs, outputs;
    for (BufferId id : call.inputs) inputs.push_back(Address(entry, id));
    for (BufferId id : call.outputs) outputs.push_back(Address(entry, id));
    void* scratch = call.scratch_bytes > 0 ? arena_.data() + call.scratch_offset : nullptr;
    ATH_RETURN_IF_ERROR(AddContext(kernel->Bind(inputs, outputs, scratch), call.name));
    prepared->kernels.push_back(std::move(kernel));
    prepared->threads.push_back(call.threads);
  }
  if (options_.profile) prepared->profile.resize(entry.calls.size());
  if (options_.poison) prepared->poison = MakePoisonSchedule(entry);
  entries_.push_back(std::move(prepared));
  return absl::OkStatus();
}

absl::StatusOr<int> Session::FindEntry(absl::string_view name) const {
  const Entry* entry = plan_->FindEntry(name);
  std::vector<std::string> names;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i]->entry == entry) return static_cast<int>(i);
    names.push_back(entries_[i]->entry->name);
  }
  return MakeError(ErrorClass::kReq, "no entry \"%s\" in this session of model \"%s\"; it has: %s", name,
                   plan_->model_name, absl::StrJoin(names, ", "));
}

absl::StatusOr<TensorView> Session::View(int entry, const std::vector<NamedBuffer>& list, absl::string_view name,
                                         absl::string_view what) const {
  const Entry& e = *Prepared(entry).entry;
  for (const NamedBuffer& item : list) {
    if (item.name != name) continue;
    const MemoryDesc& desc = e.buffers[item.buffer].desc;
    ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(desc.dtype, desc.dims));
    return TensorView{desc.dtype, desc.dims, Address(e, item.buffer), bytes};
  }
  auto each = [](std::string* out, const NamedBuffer& b) { out->append(b.name); };
  return MakeError(ErrorClass::kReq, "entry \"%s\" has no %s \"%s\"; it has: %s", e.name, what, name,
                   absl::StrJoin(list, ", ", each));
}

Session::PreparedEntry& Session::Prepared(int entry) const {
  ATH_CHECK(entry >= 0 && entry < static_cast<int>(entries_.size()));
  return *entries_[entry];
}

absl::StatusOr<TensorView> Session::Input(int entry, absl::string_view name) const {
  return View(entry, Prepared(entry).entry->inputs, name, "input");
}
absl::StatusOr<TensorView> Session::Output(int entry, absl::string_view name) const {
  return View(entry, Prepared(entry).entry->outputs, name, "output");
}

absl::Status Session::Run(int entry) {
  PreparedEntry& prepared = Prepared(entry);
  StepHeapScope heap;
  if (options_.poison) return RunPoisoned(prepared);
  return RunCalls(prepared);
}

absl::Status Session::RunCalls(PreparedEntry& prepared) {
  using Clock = std::chrono::steady_clock;
  ThreadScope restore(plan_->target.threads);
  int threads = plan_->target.threads;
  for (size_t i = 0; i < prepared.kernels.size(); ++i) {
    if (prepared.threads[i] != threads) omp_set_num_threads(threads = prepared.threads[i]);
    if (!options_.profile) {
      absl::Status status = prepared.kernels[i]->Run();
      if (!status.ok()) [[unlikely]] return AddContext(status, DescribeCall(prepared, i));
      continue;
    }
    Clock::time_point start = Clock::now();
    absl::Status status = prepared.kernels[i]->Run();
    if (!status.ok()) [[unlikely]] return AddContext(status, DescribeCall(prepared, i));
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    CallProfile& p = prepared.profile[i];
    p.min_seconds = p.runs == 0 ? seconds : std::min(p.min_seconds, seconds);
    p.seconds += seconds;
    ++p.runs;
  }
  return absl::OkStatus();
}

absl::Status Session::RunPoisoned(PreparedEntry& prepared) {
  PoisonRanges(arena_.data(), prepared.poison.at_start);
  for (size_t i = 0; i < prepared.kernels.size(); ++i) {
    ThreadScope scope(prepared.threads[i]);
    absl::Status status = prepared.kernels[i]->Run();
    if (!status.ok()) return AddContext(status, DescribeCall(prepared, i));
    PoisonRanges(arena_.data(), prepared.poison.after_call[i]);
  }
  return absl::OkStatus();
}

std::string Session::DescribeCall(const PreparedEntry& prepared, size_t i) {
  const KernelCall& call = prepared.entry->calls[i];
  return absl::StrCat("entry \"", prepared.entry->name, "\", call ", i, " \"", call.name, "\" (", call.kernel, ")");
}

int64_t Session::mapped_bytes() const { return weights_->bytes() + arena_.bytes(); }

const std::vector<CallProfile>& Session::profile(int entry) const { return Prepared(entry).profile; }

}  // namespace athanor
