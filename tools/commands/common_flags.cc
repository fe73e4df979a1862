// Declarations and readers of the shared flags, side by side.
#include "commands/common_flags.h"

#include "data/picture_files.h"

#include "octavo/engine.h"

#include <filesystem>
#include <limits>

namespace octavo::tools {
namespace {

constexpr int kMostThreads = 1024;
constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();

/// All that were built; whether this CPU has one is the engine's to say.
std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const IsaInfo& isa : isa_report()) names.push_back(isa.name);
  return names;
}

std::string join_words(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ", ") + word;
  return joined;
}

}  // namespace

Flags model_flags() {
  return {{"m,model", "a .octavo file (INT8), or a checkpoint directory (float32 reference)", "PATH"}};
}

Flags input_flags() {
  return {{"p,prompt", "an input text; may be repeated", "TEXT"},
          {"f,file", "inputs, one per line, after the prompts; - is standard input", "FILE"}};
}

Flags image_flags() {
  return {{"image",
           "a picture (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM) or a folder of them; may be repeated, and more may follow "
           "as plain words",
           "FILE"},
          {"f,file", "pictures or folders, one per line; - is standard input", "FILE"}};
}

Flags run_flags(const std::string& batch_tokens) {
  return {{"t,threads", "worker threads; by default as many as CPU affinity and cgroup quota allow", "N"},
          {"b,batch-size", "most sequences in a batch", "N", "32"},
          {"max-batch-tokens", "most tokens in a batch of several sequences", "N", batch_tokens},
          {"isa", "best kernels to use: " + join_words(isa_names()) + "; by default the best of this CPU", "NAME"}};
}

Flags max_length_flags() {
  return {{"max-length", "truncate inputs to N tokens; by default to the model's limit", "N"}};
}

Flags output_flags() {
  return {{"json", "JSON, one object per line"},
          {"o,output", "write the answer there instead of standard output, whole or not at all", "FILE"}};
}

Flags verbosity_flags() { return {{"v,verbose", "more log lines"}, {"q,quiet", "no log lines"}}; }

RunOptions read_run_options(const Arguments& arguments) {
  RunOptions options;
  options.threads = static_cast<int>(arguments.integer("threads", 1, kMostThreads).value_or(0));
  options.batch.sequences = *arguments.integer("batch-size", 1, kMostTokens);
  options.batch.tokens = *arguments.integer("max-batch-tokens", 1, kMostTokens);
  options.isa = read_isa(arguments);
  return options;
}

std::string read_isa(const Arguments& arguments) {
  const std::string isa = arguments.word("isa", isa_names()).value_or("");
  const std::string model = arguments.knows("model") ? arguments.text("model").value_or("") : "";
  std::error_code error;
  if (arguments.given("isa") && std::filesystem::is_directory(model, error)) {
    throw UsageError("--isa has no effect on --model " + model + ", a checkpoint, which runs in float32");
  }
  return isa;
}

std::optional<std::int64_t> read_max_length(const Arguments& arguments) {
  return arguments.integer("max-length", 1, kMostTokens);
}

Log read_log(const Arguments& arguments) {
  if (arguments.either("quiet", "verbose", false)) return Log(Verbosity::quiet);
  return Log(arguments.on("verbose") ? Verbosity::verbose : Verbosity::normal);
}

Inputs read_inputs(const Arguments& arguments) {
  std::vector<std::string> prompts = arguments.texts("prompt");
  const std::optional<std::string> file = arguments.text("file");
  if (prompts.empty() && !file) throw UsageError("no input: --prompt or --file is missing");
  return Inputs(std::move(prompts), file);
}

std::vector<std::string> read_pictures(const Arguments& arguments) {
  std::vector<std::string> names = arguments.texts("image");
  names.insert(names.end(), arguments.positionals().begin(), arguments.positionals().end());
  if (const std::optional<std::string> list = arguments.text("file")) {
    LineReader reader(*list);
    while (std::optional<std::string> line = reader.next()) {
      if (!line->empty()) names.push_back(*std::move(line));
    }
  } else if (names.empty()) {
    throw UsageError("no input: --image or --file is missing");
  }
  return expand_folders(names);
}

std::string read_output(const Arguments& arguments) { return arguments.text("output").value_or(""); }

void describe(const Engine& engine, const Workspace& workspace, const Log& log) {
  const ModelInfo& info = engine.model().info();
  log.detail(info.name + ": " + info.family + ", " + std::to_string(info.layers) + " layers, runs in " +
             (engine.model().is_quantized() ? "INT8 with " : "") + std::string(engine.isa()) + " on " +
             std::to_string(workspace.threads()) + " threads");
}

}  // namespace octavo::tools
