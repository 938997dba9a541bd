#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/json_document.h"
#include "cli/measure.h"
#include "cli/model_file.h"
#include "cli/optimizer_flags.h"
#include "cli/tables.h"
#include "compiler/compile.h"
#include "runtime/container/container.h"
#include "runtime/core/cpu.h"
#include "runtime/core/philox.h"
#include "runtime/plan/plan_io.h"
#include "runtime/session/malloc_counter.h"
#include "runtime/session/session.h"

namespace athanor {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string file;
  std::vector<int64_t> batches = {1};
  std::vector<int> threads = {0};
  double seconds = 3;
  bool train = false, json = false, profile = false, no_roofline = false;
  OptimizerFlags optimizer{"sgd"};  // with momentum 0.9 where it is not given
  UpdateMode update = UpdateMode::kGrouped;
};

struct Result {
  std::string entry;
  int64_t batch = 0;
  int threads = 0;
  double load_ms = 0, compile_ms = 0, create_ms = 0;
  Timing timing;
  double flops = 0, allocations = 0;
  std::vector<std::pair<double, double>> calls;  // flops and bytes of each
  int64_t peak_bytes = 0;
};

// The peaks by thread count, measured before what they are held against; without one where they were not asked for.
using Rooflines = std::map<int, Roofline>;

absl::Status MeasureOnce(const Flags& flags, int threads, Rooflines* roofs) {
  if (flags.no_roofline || roofs->contains(threads)) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN((*roofs)[threads], MeasureRoofline(threads));
  return absl::OkStatus();
}

double Milliseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

// Uniform numbers in [-1, 1) for floats, zeros for labels, 1e-3 for the learning rate, 1 for the step.
void FillInputs(const Session& session, const Entry& entry, int index) {
  for (const NamedBuffer& in : entry.inputs) {
    TensorView view = *session.Input(index, in.name);
    if (view.dtype == DType::kF32) {
      Philox rng(1, 1);
      absl::Span<float> x = view.as<float>();
      for (size_t i = 0; i < x.size(); ++i) x[i] = in.name == "lr" ? 1e-3f : 2 * rng.Uniform(i) - 1;
    } else if (view.dtype == DType::kS64) {
      for (int64_t& v : view.as<int64_t>()) v = 1;
    }
  }
}

absl::StatusOr<Result> BenchEntry(std::shared_ptr<const Plan> plan, const Entry& entry, const Flags& flags) {
  Result r;
  r.entry = entry.name;
  r.threads = plan->target.threads;
  r.peak_bytes = plan->peak_bytes();
  if (!entry.inputs.empty()) {
    const Shape& dims = entry.buffers[entry.inputs[0].buffer].desc.dims;
    r.batch = dims.empty() ? 1 : dims[0];
  }
  auto start = std::chrono::steady_clock::now();
  SessionOptions options;
  options.entries = {entry.name};
  options.profile = flags.profile;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::Create(plan, options));
  r.create_ms = Milliseconds(start);
  ATH_ASSIGN_OR_RETURN(int index, session->FindEntry(entry.name));
  FillInputs(*session, entry, index);
  absl::Status status;
  int64_t mallocs = 0, runs = 0;
  r.timing = Measure(flags.seconds, [&] {
    int64_t before = MallocCount();
    absl::Status run = session->Run(index);
    mallocs += runs++ > 0 ? MallocCount() - before : 0;
    if (!run.ok() && status.ok()) status = run;
  });
  ATH_RETURN_IF_ERROR(status);
  r.allocations = runs > 1 ? static_cast<double>(mallocs) / static_cast<double>(runs - 1) : 0;
  for (const KernelCall& c : entry.calls) {
    r.flops += c.flops;
    r.calls.emplace_back(c.flops, c.bytes);
  }
  if (flags.profile) PrintProfile(entry, session->profile(index));
  return r;
}

// The least time that the calls take at the measured peaks, over the median time; nothing without the peaks.
std::optional<double> RooflineShare(const Result& r, const Rooflines& roofs) {
  auto found = roofs.find(r.threads);
  if (found == roofs.end()) return std::nullopt;
  const Roofline& roof = found->second;
  double bound = 0;
  for (auto [flops, bytes] : r.calls) bound += std::max(flops / roof.flops_per_second, bytes / roof.bytes_per_second);
  return bound / (r.timing.median_ms * 1e-3);
}

Json ToJson(const Result& r, const Rooflines& roofs) {
  std::optional<double> share = RooflineShare(r, roofs);
  return {{"entry", r.entry},
          {"batch", r.batch},
          {"threads", r.threads},
          {"load_ms", r.load_ms},
          {"compile_ms", r.compile_ms},
          {"create_ms", r.create_ms},
          {"first_ms", r.timing.first_ms},
          {"min_ms", r.timing.min_ms},
          {"median_ms", r.timing.median_ms},
          {"p99_ms", r.timing.p99_ms},
          {"runs", r.timing.runs},
          {"gflops", r.flops / r.timing.median_ms * 1e-6},
          {"roofline_share", share ? Json(*share) : Json(nullptr)},
          {"peak_bytes", r.peak_bytes},
          {"allocations_per_run", MallocCounterActive() ? Json(r.allocations) : Json(nullptr)}};
}

void Print(const std::vector<Result>& results, const Rooflines& roofs, const Flags& flags) {
  if (flags.json) {
    Json out = {{"file", flags.file}, {"cpu", CpuName()}};
    for (const auto& [threads, roof] : roofs) {
      out["roofline"].push_back({{"threads", threads}, {"gflops", roof.flops_per_second * 1e-9},
                                 {"copy_gb_per_s", roof.bytes_per_second * 1e-9}});
    }
    for (const Result& r : results) out["results"].push_back(ToJson(r, roofs));
    PrintDocument(out);
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"entry", "batch", "threads", "load ms", "compile ms", "create ms", "first ms",
                                                 "min ms", "median ms", "p99 ms", "GFLOP/s", "roofline", "peak bytes", "allocs/run"}};
  auto ms = [](double v) { return absl::StrFormat("%.3f", v); };
  for (const Result& r : results) {
    std::optional<double> share = RooflineShare(r, roofs);
    rows.push_back({r.entry, absl::StrCat(r.batch), absl::StrCat(r.threads), ms(r.load_ms), ms(r.compile_ms), ms(r.create_ms),
                    ms(r.timing.first_ms), ms(r.timing.min_ms), ms(r.timing.median_ms), ms(r.timing.p99_ms),
                    absl::StrFormat("%.1f", r.flops / r.timing.median_ms * 1e-6),
                    share ? absl::StrFormat("%.0f%%", 100 * *share) : "-", WithCommas(r.peak_bytes),
                    MallocCounterActive() ? absl::StrFormat("%.2f", r.allocations) : "not counted"});
  }
  std::printf("%s", FormatTable(rows).c_str());
  for (const auto& [threads, roof] : roofs) {
    std::printf("roofline, %d threads: matmul %.0f GFLOP/s, copy of 64 MiB %.1f GB/s (measured now)\n", threads,
                roof.flops_per_second * 1e-9, roof.bytes_per_second * 1e-9);
  }
  if (!roofs.empty()) std::printf("the share can exceed 100%% where the data stays in cache: the copy does not\n");
}

absl::Status BenchPlan(std::shared_ptr<const Plan> plan, const Flags& flags, double load_ms, double compile_ms,
                       Rooflines* roofs, std::vector<Result>* results) {
  for (const Entry& entry : plan->entries) {
    bool train = entry.name == "train" || entry.name.rfind("train@", 0) == 0;
    if (train != flags.train) continue;
    ATH_RETURN_IF_ERROR(MeasureOnce(flags, plan->target.threads, roofs));
    ATH_ASSIGN_OR_RETURN(Result r, BenchEntry(plan, entry, flags));
    r.load_ms = load_ms;
    r.compile_ms = compile_ms;
    results->push_back(r);
  }
  return absl::OkStatus();
}

// Each batch and thread count is a plan of its own, so that its peak is its own.
absl::Status BenchModel(const Flags& flags, Rooflines* roofs, std::vector<Result>* results) {
  for (int threads : flags.threads) {
    if (threads > 0) ATH_RETURN_IF_ERROR(MeasureOnce(flags, threads, roofs));
  }
  auto start = std::chrono::steady_clock::now();
  ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(flags.file, 1));
  double load_ms = Milliseconds(start);
  for (int threads : flags.threads) {
    for (int64_t batch : flags.batches) {
      CompileOptions options;
      ATH_ASSIGN_OR_RETURN(options.entries, MakeRequests(model, {flags.train ? "train" : "infer"}, {batch}));
      options.threads = threads;
      options.freeze_parameters = !flags.train;
      if (flags.train) {
        OptimizerFlags optimizer = flags.optimizer;
        if (optimizer.name == "sgd" && !optimizer.momentum) optimizer.momentum = 0.9;
        ATH_ASSIGN_OR_RETURN(options.optimizer, MakeOptimizer(optimizer));
        options.update = flags.update;
      }
      start = std::chrono::steady_clock::now();
      ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model, options));
      double compile_ms = Milliseconds(start);
      ATH_RETURN_IF_ERROR(BenchPlan(std::make_shared<const Plan>(std::move(plan)), flags, load_ms, compile_ms, roofs,
                                    results));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Bench(const Flags& flags) {
  if (!(flags.seconds > 0)) return MakeError(ErrorClass::kReq, "seconds = %g is not positive", flags.seconds);
  ATH_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(flags.file));
  std::vector<Result> results;
  Rooflines roofs;
  if (kind == FileKind::kPlan) {
    auto start = std::chrono::steady_clock::now();
    ATH_ASSIGN_OR_RETURN(Plan plan, ReadPlan(flags.file));
    double load_ms = Milliseconds(start);
    ATH_RETURN_IF_ERROR(BenchPlan(std::make_shared<const Plan>(std::move(plan)), flags, load_ms, 0, &roofs, &results));
    if (results.empty()) {
      return MakeError(ErrorClass::kReq, "%s has no entry to %s", flags.file, flags.train ? "train" : "infer with");
    }
  } else {
    ATH_RETURN_IF_ERROR(BenchModel(flags, &roofs, &results));
  }
  Print(results, roofs, flags);
  return kExitOk;
}

}  // namespace

void AddBench(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("bench", "Time a model or a plan: load, compile, first and steady runs");
  sub->add_option("file", flags->file, "model (.ath) or plan (.plan)")->required();
  sub->add_option("--batch", flags->batches, "batch sizes (of a model; a plan has its own)")->delimiter(',')->capture_default_str();
  sub->add_option("--threads", flags->threads, "thread counts (of a model); 0: all CPUs")->delimiter(',')->capture_default_str();
  sub->add_option("--seconds", flags->seconds, "time for each measurement")->capture_default_str();
  sub->add_flag("--train", flags->train, "time the training step instead of inference");
  AddOptimizerOptions(sub, &flags->optimizer, &flags->update);
  sub->add_flag("--profile", flags->profile, "print the time of every kernel call");
  sub->add_flag("--no-roofline", flags->no_roofline, "do not measure the machine's peaks, which takes 200 MiB and a second");
  sub->add_flag("--json", flags->json, "print JSON");
  sub->footer("Example: athanor bench model.ath --batch 1,8 --threads 1,2 --seconds 3");
  sub->callback([flags, action] { *action = [flags] { return Bench(*flags); }; });
}

}  // namespace athanor
