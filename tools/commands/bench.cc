// `octavo bench`: how fast models run, over a grid of batch sizes, lengths, threads and instruction sets.
#include "cli/output.h"
#include "cli/process_memory.h"
#include "cli/progress.h"
#include "cli/stopwatch.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/open_model.h"
#include "data/sample_batches.h"
#include "report/bench_result.h"

#include "octavo/comparison.h"
#include "octavo/error.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <variant>
#include <vector>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"m,model",
       "models to time: INT8 files, or checkpoint directories for float32; a list, A,B, or repeated (required)",
       "PATH,..."},
      {"p,length", "lengths of the sequences, in tokens; a model of pictures has but one", "N,...", "128"},
      {"f,file",
       "in place of lengths, the texts of a file, one per line: a repetition answers the whole file, tokenized before",
       "FILE"},
      {"n,decode",
       "of decoders: tokens that each sequence decodes one by one behind those of --length, which is what is timed; 0: "
       "the\npass over them",
       "N,...", "0"},
      {"b,batch-size", "sequences or pictures per batch", "N,...", "1"},
      {"t,threads", "worker threads; by default as many as affinity and cgroup quota allow", "N,..."},
      {"isa", "instruction sets, of INT8 models; by default the best", "NAME,..."},
      {"r,repetitions", "timed runs of each row", "N", "5"},
      {"warmup", "runs before them, the first of which is timed by itself", "N", "1"},
      {"profile", "also the time of each op, from repetitions of their own; not in csv"},
      {"o,output-format", "md, csv, json, jsonl", "NAME", "md"},
  };
  return {
      .usage = "-m MODEL,... [OPTION...]",
      .about =
          "Times whole forward passes, from token ids or pixels to the head's logits, or to embeddings where there is\n"
          "no head. Lists multiply into a grid; each row loads its model anew, so that memory, load time and first "
          "run are\n"
          "its own. -m A,B,A,B shows how steady the machine is.",
      .example = "octavo bench -m model.octavo,my-model/ -p 128 -b 1,8 -t 1,2 -r 20",
      .flags = join({own, verbosity_flags()}),
      .rules = {{{"length", "decode"}, Rule::When::beside, "file"},
                {{"profile"}, Rule::When::beside, "output-format=csv"}}};
}

struct Settings {
  std::vector<std::string> models, isas;
  std::string file;
  std::vector<std::int64_t> lengths, decodes, batches, threads;
  std::int64_t repetitions = 5, warmup = 1;
  BenchFormat format = BenchFormat::markdown;
  bool profile = false, length_given = false;
};

/// A flag's values, given one by one or as lists with commas.
std::vector<std::string> list_of(const Arguments& arguments, const std::string& flag) {
  std::vector<std::string> words;
  for (const std::string& list : arguments.texts(flag)) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      if (comma == begin) throw UsageError("--" + flag + " is '" + list + "', expected names between its commas");
      words.push_back(list.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return words;
}

std::vector<std::int64_t> list_or(std::vector<std::int64_t> given, std::int64_t fallback) {
  if (given.empty()) given.push_back(fallback);
  return given;
}

Settings read_settings(const Arguments& arguments) {
  Settings settings;
  settings.models = list_of(arguments, "model");
  if (settings.models.empty()) throw UsageError("--model is missing");
  settings.file = arguments.text("file").value_or("");
  settings.lengths = list_or(arguments.integers("length", 1, 65536), 128);
  settings.decodes = list_or(arguments.integers("decode", 0, 65536), 0);
  if (!settings.file.empty()) settings.lengths = settings.decodes = {0};
  settings.length_given = arguments.given("length");
  settings.batches = list_or(arguments.integers("batch-size", 1, 1 << 20), 1);
  settings.threads = list_or(arguments.integers("threads", 1, 1024), default_threads());
  settings.isas = list_of(arguments, "isa");
  const std::vector<std::string> available = available_isas();
  for (const std::string& isa : settings.isas) {
    if (std::find(available.begin(), available.end(), isa) == available.end()) {
      throw UsageError("--isa is '" + isa + "', expected what 'octavo info' lists as available");
    }
  }
  const auto is_checkpoint = [](const std::string& model) { return std::filesystem::is_directory(model); };
  if (arguments.given("isa") && std::all_of(settings.models.begin(), settings.models.end(), is_checkpoint)) {
    throw UsageError("--isa has no effect on --model " + settings.models[0] + ", a checkpoint, which runs in float32");
  }
  if (settings.isas.empty()) settings.isas.emplace_back();
  settings.repetitions = *arguments.integer("repetitions", 1, 1'000'000);
  settings.warmup = *arguments.integer("warmup", 1, 1'000'000);
  settings.format = *arguments.choice<BenchFormat>("output-format", {{"md", BenchFormat::markdown},
                                                                     {"csv", BenchFormat::csv},
                                                                     {"json", BenchFormat::json},
                                                                     {"jsonl", BenchFormat::json_lines}});
  settings.profile = arguments.on("profile");
  return settings;
}

/// One row before it is measured.
struct Row {
  std::string model, isa;
  int threads = 1;
  std::int64_t batch = 1, length = 128, decode = 0;
};

/// The grid; float32 has no choice of instruction sets.
std::vector<Row> grid_of(const Settings& settings) {
  std::vector<Row> rows;
  for (const std::string& model : settings.models) {
    const bool checkpoint = std::filesystem::is_directory(model);
    for (const std::string& isa : checkpoint ? std::vector<std::string>{""} : settings.isas) {
      for (const std::int64_t threads : settings.threads) {
        for (const std::int64_t length : settings.lengths) {
          for (const std::int64_t decode : settings.decodes) {
            for (const std::int64_t batch : settings.batches) {
              rows.push_back({model, isa, static_cast<int>(threads), batch, length, decode});
            }
          }
        }
      }
    }
  }
  return rows;
}

using Batch = std::variant<TokenBatch, ImageBatch>;

TokenBatch made_up_tokens(const Row& row, const ModelInfo& info) {
  if (row.decode > 0 && !info.decoder) throw Error(row.model + ": predicts no next token, so --decode has to be 0");
  if (row.length + row.decode > info.max_positions) {
    const std::string what = row.decode > 0 ? "--length and --decode together are " : "--length is ";
    throw Error(row.model + ": " + what + std::to_string(row.length + row.decode) + ", expected at most the model's " +
                std::to_string(info.max_positions));
  }
  TokenBatch batch;
  for (std::int64_t i = 0; i < row.batch; ++i) {
    Tokens tokens;
    for (std::int64_t t = 0; t < row.length; ++t) {
      tokens.ids.push_back(static_cast<std::int32_t>((i * 7919 + t * 104729 + 1000) % info.vocab_size));
    }
    batch.sequences.push_back(std::move(tokens));
  }
  return batch;
}

ImageBatch made_up_images(const Row& row, const ImageSettings& settings) {
  if (row.decode > 0) throw Error(row.model + ": takes pictures and predicts no next token, so --decode has to be 0");
  ImageBatch batch;
  for (std::int64_t i = 0; i < row.batch; ++i) {
    Image image{.width = settings.width, .height = settings.height, .pixels = {}};
    image.pixels.resize(static_cast<std::size_t>(settings.width) * static_cast<std::size_t>(settings.height) * 3);
    for (std::size_t p = 0; p < image.pixels.size(); ++p) {
      image.pixels[p] = static_cast<std::uint8_t>((p * 31 + p / 672 * 17 + static_cast<std::size_t>(i) * 101) & 255);
    }
    batch.images.push_back(std::move(image));
  }
  return batch;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> lines;
  if (file.empty()) return lines;
  LineReader reader(file);
  while (std::optional<std::string> line = reader.next()) lines.push_back(std::move(*line));
  if (lines.empty()) throw Error(reader.name() + ": has no line");
  return lines;
}

/// Texts as batches of at most `row.batch` sequences.
std::vector<Batch> batches_of(const std::vector<std::string>& texts, const Row& row, const Model& model,
                              const Log& log) {
  std::vector<Batch> batches;
  Batcher batcher({.sequences = row.batch}, [&](const TokenBatch& batch) { batches.emplace_back(batch); });
  Encoder encoder(model, {});
  for (const std::string& text : texts) batcher.add(encoder.encode(text));
  batcher.finish();
  encoder.report_truncated(log);
  return batches;
}

std::vector<Batch> batches_for(const std::vector<std::string>& texts, const Row& row, const Model& model,
                               const Log& log) {
  if (model.info().image && !texts.empty()) throw Error(row.model + ": takes pictures, and --file holds texts");
  if (model.info().image) return {made_up_images(row, *model.info().image)};
  if (!texts.empty()) return batches_of(texts, row, model, log);
  return {made_up_tokens(row, model.info())};
}

void count(const Batch& batch, const ModelInfo& info, BenchResult& result) {
  if (const auto* tokens = std::get_if<TokenBatch>(&batch)) {
    result.sequences += std::ssize(tokens->sequences);
    result.tokens += count_tokens(*tokens);
  } else {
    result.sequences += std::ssize(std::get<ImageBatch>(batch).images);
    result.tokens += std::ssize(std::get<ImageBatch>(batch).images) * info.max_positions;
    result.length = info.max_positions;
  }
}

/// Steps of a decoder behind the tokens of a batch: which ones it takes does not matter for the time.
class Decoding {
 public:
  Decoding(const Engine& engine, const TokenBatch& prompt, Workspace& workspace)
      : engine_(engine), length_(static_cast<int>(prompt.sequences[0].ids.size())), workspace_(workspace) {
    for (std::size_t i = 0; i < prompt.sequences.size(); ++i) caches_.emplace_back(engine.model());
    for (KvCache& cache : caches_) pointers_.push_back(&cache);
    engine_.decode(prompt, pointers_, workspace_);
  }

  void run(std::int64_t steps) {
    for (KvCache& cache : caches_) cache.truncate(length_);
    TokenBatch next;
    next.sequences.resize(caches_.size());
    for (std::int64_t step = 0; step < steps; ++step) {
      for (Tokens& tokens : next.sequences)
        tokens.ids = {static_cast<std::int32_t>((step * 7919 + 1000) % engine_.model().info().vocab_size)};
      engine_.decode(next, pointers_, workspace_);
    }
  }

 private:
  const Engine& engine_;
  int length_;
  Workspace& workspace_;
  std::vector<KvCache> caches_;
  std::vector<KvCache*> pointers_;
};

/// A pass to what the model is for: its head's logits, of a model without a head embeddings.
void pass(const Engine& engine, const Batch& batch, Workspace& workspace) {
  if (const TokenBatch* texts = std::get_if<TokenBatch>(&batch); texts && engine.model().info().task != TextTask::none)
    engine.logits(*texts, workspace);
  else
    std::visit([&](const auto& each) { answer(engine, each, workspace); }, batch);
}

/// What is timed: all batches once, or a decoder's steps.
class Repetition {
 public:
  Repetition(const Engine& engine, const std::vector<Batch>& batches, const Row& row, bool profile = false)
      : engine_(engine), batches_(batches), row_(row), profile_(profile) {}

  /// Milliseconds; the first ones with threads, buffers and a decoder's prompt.
  double run() {
    const Stopwatch whole;
    if (!workspace_) workspace_.emplace(WorkspaceOptions{.threads = row_.threads, .profile = profile_});
    if (row_.decode == 0) {
      for (const Batch& batch : batches_) pass(engine_, batch, *workspace_);
      return 1e3 * whole.seconds();
    }
    if (!decoding_) {
      decoding_.emplace(engine_, std::get<TokenBatch>(batches_[0]), *workspace_);
      workspace_->take_profile();
    }
    const Stopwatch steps;
    decoding_->run(row_.decode);
    return 1e3 * steps.seconds();
  }

  std::vector<OpTime> take_profile() { return workspace_->take_profile(); }

 private:
  const Engine& engine_;
  const std::vector<Batch>& batches_;
  const Row& row_;
  bool profile_;
  std::optional<Workspace> workspace_ = {};
  std::optional<Decoding> decoding_ = {};
};

std::vector<ProfileLine> profile(const Settings& settings, const Engine& engine, const std::vector<Batch>& batches,
                                 const Row& row) {
  Repetition repetition(engine, batches, row, true);
  repetition.run();
  repetition.take_profile();
  for (std::int64_t i = 0; i < settings.repetitions; ++i) repetition.run();
  return profile_of(repetition.take_profile(),
                    static_cast<double>(settings.repetitions * std::max<std::int64_t>(row.decode, 1)));
}

BenchResult measure(const Settings& settings, const std::vector<std::string>& texts, const Row& row, const Log& log) {
  reset_peak_memory();
  const Stopwatch load;
  const Engine engine(open_model(row.model, log), {.isa = row.isa});
  const double load_ms = 1e3 * load.seconds();
  const ModelInfo& info = engine.model().info();
  if (info.image && settings.length_given) {
    throw UsageError("--length has no effect on --model " + row.model + ", which takes pictures");
  }
  const bool directory = std::filesystem::is_directory(row.model);
  BenchResult result{.model = row.model,
                     .precision = engine.model().is_quantized() ? "int8" : "float32",
                     .size = directory ? weight_bytes(row.model) : std::filesystem::file_size(row.model),
                     .parameters = info.parameters,
                     .isa = std::string(engine.isa()),
                     .threads = row.threads,
                     .batch = row.batch,
                     .length = row.length,
                     .decode = row.decode,
                     .milliseconds = {},
                     .load_ms = load_ms};
  const std::vector<Batch> batches = batches_for(texts, row, engine.model(), log);
  for (const Batch& batch : batches) count(batch, info, result);
  if (row.decode > 0) result.tokens = result.sequences * row.decode;
  Repetition repetition(engine, batches, row);
  result.first_ms = repetition.run();
  for (std::int64_t i = 1; i < settings.warmup; ++i) repetition.run();
  for (std::int64_t i = 0; i < settings.repetitions; ++i) result.milliseconds.push_back(repetition.run());
  result.peak_memory_mb = peak_memory_mb();
  if (settings.profile) result.profile = profile(settings, engine, batches, row);
  return result;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const Settings settings = read_settings(arguments);
  const std::vector<Row> rows = grid_of(settings);
  const std::vector<std::string> texts = lines_of(settings.file);
  std::vector<BenchResult> results;
  {
    Progress progress("bench", log);
    for (const Row& row : rows) {
      progress.update(std::ssize(results), static_cast<double>(results.size()) / static_cast<double>(rows.size()));
      results.push_back(measure(settings, texts, row, log));
    }
  }
  Output output;
  output.write(to_text(results, settings.format));
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kBench = {"bench", "how fast models run, over a grid of shapes and threads", syntax, run};

}  // namespace octavo::tools
