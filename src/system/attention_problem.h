// Problems of the attention kernel: one head of a sequence among wider rows.
#pragma once

#include "system/problem.h"

#include <optional>
#include <span>

namespace octavo::problems {

/// Where a head lies and what is asked of it.
struct AttentionShape {
  int length, head_size;
  int first_query = 0, queries = 1 << 30;  ///< all by default
  bool gated = false;
  int context_row = 0, context_head = 0;
  bool tile_order = false;
  bool fine = false;                                             ///< also fine codes
  enum class Bias { none, distances, pairs } bias = Bias::none;  ///< what is added to scores depends on
  bool sink = false;
  bool element_gated = false;
};

/// One call. q, k, v and gate, zeros at first, end with the last element that may be read; the context holds 0xA5 bytes
/// where the call writes nothing.
class AttentionProblem : public Problem {
 public:
  AttentionProblem(const AttentionShape& shape, const kernels::AttentionConstants& layer);

  std::uint8_t& query(int row, int d) { return q[at(row, d)]; }
  std::int8_t& key(int row, int d) { return k[at(row, d)]; }
  std::int8_t& value(int row, int d) { return v[at(row, d)]; }
  std::int16_t& gate_of(int row) { return gate[elements(row, kGateStride)]; }

  /// Element (query, d) of what the last run wrote.
  int context(int query, int d) const { return element(args.context, query, d); }
  int fine(int query, int d) const { return element(args.fine, query, d); }

  /// The same queries as the first ones behind `past` tokens, past <= first_query.
  void put_behind(int past);

  /// Lets `call` go through all phases of so many splits of the keys, in any order within a phase.
  void use_splits(int splits, Random& random);

  /// Lets `call` multiply probabilities by factors of distances, with constants that go with them.
  void use_factors(Random& random);

 private:
  struct State {
    kernels::AttentionConstants constants;
    kernels::AttentionLevels levels;
    kernels::Attention args;
  };
  static constexpr int kGateStride = 3;
  std::size_t at(int row, int d) const { return elements(row, stride_) + static_cast<std::size_t>(d); }
  int element(const kernels::ByteMatrix& m, int query, int d) const;
  std::shared_ptr<State> state_;
  int stride_;

 public:
  kernels::AttentionConstants& constants;
  kernels::AttentionLevels& levels;  ///< for constants to point to
  kernels::Attention& args;
  Guarded<std::uint8_t>& q;
  Guarded<std::int8_t>&k, &v;
  Guarded<std::int16_t>& gate;
  std::span<std::int32_t> bias = {};          ///< all of the table, zeros at first; empty: none
  std::span<std::int16_t> element_gate = {};  ///< [rows][head_size], zeros at first; empty: none
  std::span<std::int32_t> sink = {};          ///< one score, 0 at first; empty: none
  std::span<std::int16_t> factors = {};       ///< of distances 1 - length to length - 1; empty: none
};

/// What is asked of a random problem. What is left out is chosen at random.
struct AttentionOptions {
  std::optional<int> length = {}, head_size = {};
  std::optional<int> queries = {};  ///< at most these, somewhere
  std::optional<int> splits = {};   ///< of the keys; 0: one call for all
};
AttentionProblem random_attention(const AttentionOptions& options, Random& random);

}  // namespace octavo::problems
