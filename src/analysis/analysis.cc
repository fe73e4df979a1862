#include "octavo/analysis.h"

#include "analysis/analysis_compare.h"
#include "analysis/analysis_sites.h"
#include "analysis/analysis_statistics.h"
#include "base/finite.h"
#include "calibration/simulated.h"
#include "float/float_executor.h"
#include "graph/names.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"

#include "octavo/error.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

namespace octavo {
namespace {

constexpr int kMapHeads = 4;  // attention maps of a layer
constexpr std::size_t kSensitivityBatches = 2;

/// Zeros, row sums and gates of one attention layer.
struct AttentionMeter {
  std::vector<double> zeros, counts;  // per head
  std::vector<double> zero_codes;     // per head
  double mass = 0.0, rows = 0.0;
  std::vector<float> gates;
  std::vector<double> sinks;  // per head: sums over queries
  double queries = 0.0;

  /// Probabilities of the keys that each query sees.
  void add(std::span<const float> probabilities, const AttentionFacts& op, int length) {
    zeros.resize(static_cast<std::size_t>(op.heads));
    counts.resize(static_cast<std::size_t>(op.heads));
    for_rows(probabilities, op, length, [&](std::size_t head, std::span<const float> row) {
      zeros[head] += static_cast<double>(std::ranges::count(row, 0.0f));
      for (const float p : row) mass += double{p};
      counts[head] += static_cast<double>(row.size());
      ++rows;
    });
  }

  /// What sinks take, [queries][heads].
  void add_sinks(std::span<const float> shares, int heads) {
    sinks.resize(static_cast<std::size_t>(heads));
    for (std::size_t i = 0; i < shares.size(); ++i) sinks[i % sinks.size()] += double{shares[i]};
    queries += static_cast<double>(shares.size() / sinks.size());
  }

  void add_codes(std::span<const std::uint8_t> codes, const AttentionFacts& op, int length) {
    zero_codes.resize(static_cast<std::size_t>(op.heads));
    for_rows(codes, op, length, [&](std::size_t head, std::span<const std::uint8_t> row) {
      zero_codes[head] += static_cast<double>(std::ranges::count(row, 0));
    });
  }

  /// Calls `visit(head, row)` with what each query sees of [heads][length][length].
  template <typename T, typename Visit>
  static void for_rows(std::span<const T> values, const AttentionFacts& op, int length, const Visit& visit) {
    const auto size = static_cast<std::size_t>(length);
    for (std::size_t i = 0; i < static_cast<std::size_t>(op.heads) * size; ++i) {
      const std::size_t visible = op.mask == AttentionMask::causal ? i % size + 1 : size;
      visit(i / size, values.subspan(i * size, visible));
    }
  }

  AttentionAnalysis result(const std::string& name) {
    AttentionAnalysis found;
    found.name = name;
    for (std::size_t h = 0; h < zeros.size(); ++h) found.zeros.push_back(zeros[h] / counts[h]);
    for (const double sum : sinks) found.sink.push_back(sum / queries);
    for (std::size_t h = 0; h < zero_codes.size(); ++h) found.zero_codes.push_back(zero_codes[h] / counts[h]);
    found.row_sum = mass / std::max(rows, 1.0);
    found.gated = !gates.empty();
    for (const float gate : gates) found.gate += double{gate} / static_cast<double>(gates.size());
    const auto share = [&](auto within) {
      return static_cast<double>(std::ranges::count_if(gates, within)) /
             std::max(1.0, static_cast<double>(gates.size()));
    };
    found.gate_closed = share([](float gate) { return gate < 0.1f; });
    found.gate_open = share([](float gate) { return gate > 0.9f; });
    found.gate_low = quantile(gates, 0.1);
    found.gate_high = quantile(gates, 0.9);
    return found;
  }
};

class Analyzer {
 public:
  Analyzer(const Model& model, std::span<const TokenBatch> batches, Workspace& workspace,
           const AnalysisOptions& options)
      : options_(options),
        data_(shared_data_of(model)),
        executor_(data_),
        workspace_(data_of(workspace)),
        sites_(activation_sites(data_->graph)) {
    for (const TokenBatch& batch : batches) batches_.push_back(make_ragged(batch, data_->info));
  }

  Analysis run() {
    for (const RaggedBatch& batch : batches_) measure(batch);
    compare();
    if (options_.sensitivity) sweep();
    return finish();
  }

 private:
  void measure(const RaggedBatch& batch) {
    const bool first = result_.tokens == 0;
    result_.sequences += batch.sequences();
    result_.tokens += batch.rows();
    const Observer gates = [&](std::string_view name, std::span<const float> values, int columns) {
      const std::string_view of = name.substr(0, name.rfind('.'));
      const bool sink = name == stage_name(of, Stage::sink);
      if ((!sink && name != stage_name(of, Stage::gate)) || !find_attention(of)) return;
      if (sink) return attention_[std::string(of)].add_sinks(values, columns);
      auto& own = attention_[std::string(of)].gates;
      const float scale = scale_of(of);
      for (const float gate : values) own.push_back(scale * gate);
    };
    const Transform watch = [&](std::string_view name, std::span<float> values) {
      const std::string key(name);
      if (first_not_finite(values) < values.size())
        throw Error(data_->info.name + ": " + key + " is not a number somewhere: it is too large for float32");
      const int heads = heads_of(name);
      std::size_t begin = 0;
      for (int i = 0; i < batch.sequences(); ++i) {
        const auto length = static_cast<std::size_t>(batch.length(i));
        const std::size_t size = heads > 0 ? static_cast<std::size_t>(heads) * length * length
                                           : values.size() / static_cast<std::size_t>(batch.rows()) * length;
        const std::span<const float> own = values.subspan(begin, size);
        outliers_[key].add_sequence(own);
        if (heads > 0 && name.ends_with(".probs")) add_probabilities(key, own, heads, batch.length(i), first && i == 0);
        begin += size;
      }
      if (begin < values.size()) outliers_[key].widen(values.subspan(begin));  // sinks behind the scores
    };
    executor_.run(batch, workspace_, {.observer = gates, .stages = ObserveStages::all, .transform = watch});
  }

  /// Heads of the attention whose scores or probabilities have this name, 0 for any other value.
  int heads_of(std::string_view name) const {
    const std::string_view of = name.substr(0, name.rfind('.'));
    const bool stage = name == stage_name(of, Stage::scores) || name == stage_name(of, Stage::probs);
    const std::optional<AttentionFacts> found = stage ? find_attention(of) : std::nullopt;
    return found ? found->heads : 0;
  }
  std::optional<AttentionFacts> find_attention(std::string_view name) const {
    for (const Node& node : data_->graph.nodes) {
      if (data_->graph.name(node.output) == name) return attention_facts(data_->graph, node);
    }
    return std::nullopt;
  }
  AttentionFacts attention(std::string_view name) const { return find_attention(name).value(); }
  float scale_of(std::string_view name) const { return static_cast<float>(attention(name).gate->scale); }

  void add_probabilities(const std::string& key, std::span<const float> values, int heads, int length, bool map) {
    const std::string name = key.substr(0, key.rfind('.'));
    attention_[name].add(values, attention(name), length);
    const auto size = static_cast<std::size_t>(length) * static_cast<std::size_t>(length);
    for (int h = 0; map && h < std::min(heads, kMapHeads); ++h) {
      const auto own = values.subspan(static_cast<std::size_t>(h) * size, size);
      result_.maps.push_back({.name = name, .head = h, .length = length, .probabilities = {own.begin(), own.end()}});
    }
  }

  Ranges ranges() const {
    Ranges all;
    for (const auto& [name, meter] : outliers_) {
      all[name] = {.low = static_cast<float>(meter.low()), .high = static_cast<float>(meter.high())};
    }
    return all;
  }

  void compare() {
    const auto quantized = options_.quantized
                               ? integer_run(*options_.quantized, data_->graph, options_.isa)
                               : simulated_run(*data_, ranges(), options_.weight_bits, options_.activation_bits);
    for (const RaggedBatch& batch : batches_) {
      std::map<std::string, std::vector<float>, std::less<>> exact;
      const Transform keep = [&](std::string_view name, std::span<float> values) {
        exact[std::string(name)].assign(values.begin(), values.end());
      };
      executor_.run(batch, workspace_, {.transform = keep});
      quantized(
          batch, workspace_,
          [&](std::string_view name, std::span<const float> values, double saturated) {
            const auto found = exact.find(name);
            if (found == exact.end() || found->second.size() != values.size()) return;
            Compared& own = compared_[std::string(name)];
            add_error(own.error, name, batch, found->second, values);
            own.saturated += saturated * batch.rows();
            own.rows += batch.rows();
            if (name == data_->graph.name(data_->graph.hidden())) {
              embeddings_.add(mean_rows(found->second, batch), mean_rows(values, batch), data_->info.hidden_size);
            }
          },
          [&](std::string_view name, std::span<const std::uint8_t> codes) { add_codes(name, codes, batch); });
    }
  }

  void add_codes(std::string_view name, std::span<const std::uint8_t> codes, const RaggedBatch& batch) {
    const AttentionFacts op = attention(name);
    for (int i = 0; i < batch.sequences(); ++i) {
      const auto length = static_cast<std::size_t>(batch.length(i)),
                 size = static_cast<std::size_t>(op.heads) * length * length;
      attention_[std::string(name)].add_codes(codes.first(size), op, batch.length(i));
      codes = codes.subspan(size);
    }
  }

  /// A row is a token's, or for scores and probabilities a query's keys.
  void add_error(ErrorMeter& error, std::string_view name, const RaggedBatch& batch, std::span<const float> exact,
                 std::span<const float> values) const {
    const int heads = heads_of(name);
    if (heads == 0)
      return error.add(exact, values, static_cast<int>(values.size() / static_cast<std::size_t>(batch.rows())));
    std::size_t begin = 0;
    for (int i = 0; i < batch.sequences(); ++i) {
      const auto length = static_cast<std::size_t>(batch.length(i)),
                 size = static_cast<std::size_t>(heads) * length * length;
      error.add(exact.subspan(begin, size), values.subspan(begin, size), batch.length(i));
      begin += size;
    }
  }

  /// Quantizes one value at a time.
  void sweep() {
    const std::size_t count = std::min(batches_.size(), kSensitivityBatches);
    std::vector<std::vector<float>> exact;
    for (std::size_t i = 0; i < count; ++i) exact.push_back(embed(executor_, batches_[i], {}));
    const auto add = [&](const Site& site, bool weights, const FloatExecutor& executor, const Transform& transform) {
      ErrorMeter error;
      for (std::size_t i = 0; i < count; ++i) {
        error.add(exact[i], embed(executor, batches_[i], transform), data_->info.hidden_size);
      }
      result_.sensitivity.push_back({.name = site.name,
                                     .kind = site.kind,
                                     .weights = weights,
                                     .cosine = error.cosine(),
                                     .lowest_cosine = error.lowest_cosine(),
                                     .remedy = remedy(site.kind)});
    };
    const Ranges all = ranges();
    for (const Site& site : sites_) {
      add(site, false, executor_, [&](std::string_view name, std::span<float> values) {
        if (name == site.name) simulate_activation(values, all.at(site.name), options_.activation_bits);
      });
    }
    for (const Site& site : weight_sites(data_->graph)) {
      const FloatExecutor changed(std::make_shared<const Model::Data>(
          with_simulated_weights(*data_, options_.weight_bits, std::string_view(site.name))));
      add(site, true, changed, {});
    }
    std::ranges::stable_sort(result_.sensitivity, {}, &Sensitivity::cosine);
  }

  std::vector<float> embed(const FloatExecutor& executor, const RaggedBatch& batch, const Transform& transform) {
    const Tensor hidden = executor.run(batch, workspace_, {.transform = transform});
    return mean_rows(hidden.as<float>(), batch);
  }

  Analysis finish() {
    double kurtosis = 0.0, zeros = 0.0, heads = 0.0;
    int in_kurtosis = 0;
    for (const Site& site : sites_) {
      const OutlierMeter& meter = outliers_.at(site.name);
      ValueAnalysis value{.name = site.name,
                          .kind = site.kind,
                          .low = meter.low(),
                          .high = meter.high(),
                          .inf_norm = meter.inf_norm(),
                          .kurtosis = meter.kurtosis(),
                          .in_kurtosis = site.in_kurtosis};
      if (const auto found = compared_.find(site.name); found != compared_.end()) {
        value.compared = true;
        value.sqnr = found->second.error.sqnr();
        value.cosine = found->second.error.cosine();
        value.saturated = found->second.saturated / found->second.rows;
      }
      if (site.kind == kFfnOutput) result_.max_inf_norm = std::max(result_.max_inf_norm, value.inf_norm);
      if (site.in_kurtosis) {
        kurtosis += value.kurtosis;
        ++in_kurtosis;
      }
      result_.values.push_back(std::move(value));
    }
    for (const Node& node : data_->graph.nodes) {
      if (!attention_facts(data_->graph, node)) continue;
      const std::string& name = data_->graph.name(node.output);
      result_.attention.push_back(attention_[name].result(name));
      for (const double share : result_.attention.back().zeros) {
        zeros += share;
        heads += 1.0;
      }
    }
    result_.kurtosis = kurtosis / std::max(in_kurtosis, 1);
    result_.zeros = zeros / std::max(heads, 1.0);
    result_.cosine = embeddings_.cosine();
    result_.lowest_cosine = embeddings_.lowest_cosine();
    return std::move(result_);
  }

  struct Compared {
    ErrorMeter error;
    double saturated = 0.0, rows = 0.0;
  };

  const AnalysisOptions& options_;
  std::shared_ptr<const Model::Data> data_;
  FloatExecutor executor_;
  Workspace::Data& workspace_;
  std::vector<Site> sites_;
  std::vector<RaggedBatch> batches_;
  std::map<std::string, OutlierMeter, std::less<>> outliers_;
  std::map<std::string, AttentionMeter, std::less<>> attention_;
  std::map<std::string, Compared, std::less<>> compared_;
  ErrorMeter embeddings_;
  Analysis result_;
};

void check_options(const Model& reference, std::span<const TokenBatch> batches, const AnalysisOptions& options) {
  if (reference.is_quantized())
    throw Error(reference.info().name + " is quantized; an analysis needs its float32 checkpoint");
  if (reference.info().image)
    throw Error(reference.info().name + " takes images; analyses are there for models of text only");
  if (options.quantized && !options.quantized->is_quantized())
    throw Error(options.quantized->info().name + " is not quantized");
  for (const int bits : {options.weight_bits, options.activation_bits}) {
    if (bits < 2 || bits > 16) throw Error("an analysis simulates " + std::to_string(bits) + " bits, expected 2 to 16");
  }
  if (batches.empty()) throw Error("an analysis needs at least one batch");
}

}  // namespace

Analysis analyze(const Model& reference, std::span<const TokenBatch> batches, Workspace& workspace,
                 const AnalysisOptions& options) {
  check_options(reference, batches, options);
  return Analyzer(reference, batches, workspace, options).run();
}

}  // namespace octavo
