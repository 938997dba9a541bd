#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/optimizer_flags.h"
#include "cli/tables.h"
#include "compiler/compile.h"
#include "runtime/core/file.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

struct Flags {
  std::string model, output, dump_dir = "dump";
  std::vector<std::string> entries = {"infer"}, outputs, dump_after;
  std::vector<int64_t> batches = {1};
  int threads = 0;
  int64_t memory_limit = 0;
  uint64_t seed = 1;
  OptimizerFlags optimizer;
  UpdateMode update = UpdateMode::kGrouped;
};

// Dumps are numbered in the order of the stages: dump/007.infer.fuse_post_ops.txt.
DumpSink MakeDumpSink(const std::string& dir, std::shared_ptr<absl::Status> failure) {
  auto count = std::make_shared<int>(0);
  return [=](absl::string_view stage, absl::string_view text) {
    std::string path = absl::StrCat(dir, "/", absl::StrFormat("%03d.", (*count)++), stage, ".txt");
    absl::Status status = WriteFileAtomic(path, {text});
    if (failure->ok()) *failure = status;
  };
}

void PrintPlan(const Plan& plan, const std::string& output, double seconds) {
  std::vector<std::vector<std::string>> rows = {{"entry", "steps", "reorders", "GFLOP", "arena bytes"}};
  for (const Entry& e : plan.entries) {
    double flops = 0;
    for (const KernelCall& c : e.calls) flops += c.flops;
    rows.push_back({e.name, absl::StrCat(e.calls.size()), absl::StrCat(e.reorders), absl::StrFormat("%.6f", flops * 1e-9),
                    WithCommas(e.arena_bytes)});
  }
  std::printf("%s%stime %.3f s\nwrote %s\n", FormatTable(rows).c_str(), MemorySummary(plan).c_str(), seconds,
              output.c_str());
}

absl::StatusOr<int> CompileModel(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(flags.model, flags.seed));
  CompileOptions options;
  ATH_ASSIGN_OR_RETURN(options.entries, MakeRequests(model, flags.entries, flags.batches));
  for (EntryRequest& request : options.entries) request.outputs = flags.outputs;
  options.threads = flags.threads;
  options.memory_limit = flags.memory_limit;
  options.update = flags.update;
  options.freeze_parameters = flags.entries == std::vector<std::string>{"infer"};
  if (std::find(flags.entries.begin(), flags.entries.end(), "train") != flags.entries.end()) {
    ATH_ASSIGN_OR_RETURN(options.optimizer, MakeOptimizer(flags.optimizer));
  }
  auto dump_status = std::make_shared<absl::Status>();
  if (!flags.dump_after.empty()) {
    ATH_RETURN_IF_ERROR(ProbeWritableDir(flags.dump_dir));
    options.dump_after = flags.dump_after;
    options.dump = MakeDumpSink(flags.dump_dir, dump_status);
  }
  std::string folder = std::filesystem::path(flags.output).parent_path().string();
  ATH_RETURN_IF_ERROR(ProbeWritableDir(folder.empty() ? "." : folder));
  auto start = std::chrono::steady_clock::now();
  ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model, options));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ATH_RETURN_IF_ERROR(*dump_status);
  ATH_RETURN_IF_ERROR(WritePlan(plan, flags.output));
  PrintPlan(plan, flags.output, seconds);
  return kExitOk;
}

}  // namespace

void AddCompile(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("compile", "Compile a model into a plan for this machine");
  sub->add_option("model", flags->model, "model file (.ath)")->required();
  sub->add_option("-o,--output", flags->output, "plan file to write")->required();
  sub->add_option("--entries", flags->entries, "entries of the model: infer, evaluate, train")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--outputs", flags->outputs,
                  "outputs to keep, of every entry; what only others need is left out: logits leaves the softmax behind "
                  "them out. Default: all")
      ->delimiter(',');
  sub->add_option("--batch", flags->batches, "batch sizes; each gives an entry over the same weights")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--threads", flags->threads, "0: all CPUs that this process may use")->capture_default_str();
  sub->add_option("--memory-limit", flags->memory_limit, "refuse a plan whose peak is above it, in bytes; 0: no limit");
  AddOptimizerOptions(sub, &flags->optimizer, &flags->update);
  sub->add_option("--seed", flags->seed, "of weights that the model does not hold")->capture_default_str();
  sub->add_option("--dump-after", flags->dump_after, "write the text after these stages, or after all")->delimiter(',');
  sub->add_option("--dump-dir", flags->dump_dir, "folder for the dumps")->capture_default_str();
  sub->footer("Example: athanor compile model.ath -o model.plan --entries infer --batch 1,8 --threads 2 --dump-after=all --dump-dir dump");
  sub->callback([flags, action] { *action = [flags] { return CompileModel(*flags); }; });
}

}  // namespace athanor
