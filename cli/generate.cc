#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/text_plan.h"
#include "training/text/text_generator.h"

namespace athanor {
namespace {

struct Flags {
  std::string model;
  GenerateOptions options;
  int threads = 1;
};

// False when nobody reads any more.
bool Write(absl::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

absl::StatusOr<int> Generate(const Flags& flags) {
  ATH_RETURN_IF_ERROR(CheckGenerateOptions(flags.options));
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, LoadTextPlan(flags.model, 1, flags.threads));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<TextGenerator> generator, TextGenerator::Create(plan));
  bool prompted = false;
  ATH_RETURN_IF_ERROR(generator->Generate(flags.options, [&](absl::string_view character) {
    if (!prompted && !Write(flags.options.prompt)) return false;
    prompted = true;
    return Write(character);
  }));
  Write("\n");
  return kExitOk;
}

}  // namespace

void AddGenerate(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  GenerateOptions* o = &flags->options;
  CLI::App* sub = app.add_subcommand("generate", "Write text with a language model, character by character");
  sub->add_option("model", flags->model, "folder of a training run, model (.ath) or plan (.plan)")->required();
  sub->add_option("--prompt", o->prompt, "text to go on from; empty: a line feed");
  sub->add_option("--length", o->length, "characters to add")->capture_default_str();
  sub->add_option("--temperature", o->temperature,
                  "below 1: safer, above 1: more daring; 0: always the most probable character")
      ->capture_default_str();
  sub->add_option("--top-k", o->top_k, "choose among the k most probable characters; 0: among all")
      ->capture_default_str();
  sub->add_option("--seed", o->seed, "of the choices: the same seed writes the same text")->capture_default_str();
  sub->add_option("--threads", flags->threads, "of a model that is compiled here; 0: all CPUs that this process may use")
      ->capture_default_str();
  sub->footer("Example: athanor generate runs/gpt --prompt \"ROMEO:\" --length 500 --temperature 0.8 --top-k 20");
  sub->callback([flags, action] { *action = [flags] { return Generate(*flags); }; });
}

}  // namespace athanor
