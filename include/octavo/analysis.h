// Why does a model quantize well or badly? Outliers, quantization errors and attention of every value of a model.
#pragma once

#include "octavo/engine.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// What a float32 model is compared with.
struct AnalysisOptions {
  /// Compared with the float model value by value. Without it, quantization is simulated in float: every quantizer of
  /// the Quantizable Transformers paper, with min-max ranges of the same data.
  std::optional<Model> quantized = {};
  std::string isa = "";                      ///< of the quantized model, as EngineOptions::isa
  int weight_bits = 8, activation_bits = 8;  ///< of the simulation, 2..16
  bool sensitivity = false;                  ///< also quantize each value alone and see what it does to the embedding
};

/// One value of the graph over all sequences.
struct ValueAnalysis {
  std::string name;
  std::string kind;  ///< "embedding sum", "LayerNorm", "query", "FFN output", ...
  double low = 0.0, high = 0.0;
  double inf_norm = 0.0;     ///< mean over sequences of max |x|, as the paper's code has it
  double kurtosis = 0.0;     ///< mean over sequences of mean((x - m)^4) / (s^4 + 1e-6), s with n - 1: 3 for a Gaussian
  bool in_kurtosis = false;  ///< one of the values over which the paper averages kurtosis
  bool compared = false;     ///< the three below are known
  double sqnr = 0.0;         ///< dB, of all that was quantized up to here
  double cosine = 0.0;       ///< mean over tokens
  double saturated = 0.0;    ///< share of codes at an end of their range
};

/// One attention layer.
struct AttentionAnalysis {
  std::string name;
  std::vector<double> zeros;       ///< per head: share of probabilities that are exactly zero in float32
  std::vector<double> zero_codes;  ///< per head: share of probabilities with code 0 in the quantized model, if any
  double row_sum = 0.0;            ///< mean over rows; 1 for an ordinary softmax
  std::vector<double> sink;        ///< per head: what the sink takes of a row, before clipping; empty: there is none
  bool gated = false;
  double gate = 0.0, gate_low = 0.0, gate_high = 0.0;  ///< scale * activation: mean, 10th and 90th percentile
  double gate_closed = 0.0, gate_open = 0.0;           ///< share of gates below 0.1, and above 0.9
};

/// Probabilities of one head on one sequence, row-major [length][length].
struct AttentionMap {
  std::string name;
  int head = 0, length = 0;
  std::vector<float> probabilities;
};

/// What quantizing one value alone does to the embeddings.
struct Sensitivity {
  std::string name, kind;
  bool weights = false;
  double cosine = 1.0, lowest_cosine = 1.0;
  std::string remedy;  ///< what helps against it
};

/// Everything that was found, values and layers in the order of the graph, up to the last hidden state: heads, whose
/// rows have 16 bits, are not looked at.
struct Analysis {
  std::int64_t sequences = 0, tokens = 0;
  double max_inf_norm = 0.0;                 ///< the largest of the FFN outputs, as the paper reports it
  double kurtosis = 0.0;                     ///< mean over FFN outputs and layer outputs
  double zeros = 0.0;                        ///< share of probabilities that are exactly zero, all layers
  double cosine = 1.0, lowest_cosine = 1.0;  ///< of mean-pooled embeddings, quantized against float32
  std::vector<ValueAnalysis> values;
  std::vector<AttentionAnalysis> attention;
  std::vector<AttentionMap> maps;        ///< of the first sequence
  std::vector<Sensitivity> sensitivity;  ///< worst first
};

/// Runs the float model over `batches`, then the quantized or simulated one, and measures every value of the graph.
/// Throws Error as Engine::run() does, and when `reference` is quantized or `options.quantized` is not of the same
/// graph.
Analysis analyze(const Model& reference, std::span<const TokenBatch> batches, Workspace& workspace,
                 const AnalysisOptions& options = {});

}  // namespace octavo
