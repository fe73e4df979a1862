// Fewer tokens in float32: which patches go, by what the class token reads or by how alike their keys are, and the rows
// that stay.
#include "float/float_run.h"
#include "graph/op_facts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

/// A patch that may be merged, the patch most like it, and the cosine of their keys.
struct Match {
  int from = 0, to = 0;
  float likeness = 0.0f;
};

/// Q, K and V of one sequence.
struct Heads {
  AttentionFacts facts;
  ConstRows rows;

  auto query(int row, int head) const { return rows.row(row).segment(head * facts.head_size, facts.head_size); }
  auto key(int row, int head) const {
    return rows.row(row).segment(first_key() + head * facts.head_size, facts.head_size);
  }
  /// Of all heads side by side.
  auto key(int row) const { return rows.row(row).segment(first_key(), facts.key_value_heads * facts.head_size); }
  int first_key() const { return facts.heads * facts.head_size; }
};

/// Of each row, the sum over heads of its share in what the first row, the class token, reads.
Eigen::ArrayXf shares(const Heads& heads) {
  const Eigen::Index rows = heads.rows.rows();
  const float scale = 1.0f / std::sqrt(static_cast<float>(heads.facts.head_size));
  Eigen::ArrayXf result = Eigen::ArrayXf::Zero(rows), share(rows);
  for (int head = 0; head < heads.facts.heads; ++head) {
    for (int row = 0; row < rows; ++row)
      share[row] = scale * (heads.query(0, head) * heads.key(row, heads.facts.key_value_head(head))).sum();
    share = (share - share.maxCoeff()).exp();
    result += share / share.sum();
  }
  return result;
}

/// Which rows go: those of the smallest shares.
std::vector<bool> least_read(const Heads& heads, int prefix, int removed) {
  const auto rows = static_cast<int>(heads.rows.rows());
  std::vector<bool> gone(static_cast<std::size_t>(rows), false);
  std::vector<int> order(static_cast<std::size_t>(rows - prefix));
  std::iota(order.begin(), order.end(), prefix);
  if (removed < rows - prefix) {
    const Eigen::ArrayXf share = shares(heads);
    std::ranges::sort(order, [&](int a, int b) { return share[a] != share[b] ? share[a] < share[b] : a > b; });
  }
  for (int i = 0; i < removed; ++i) gone[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
  return gone;
}

/// Of every other patch the one between them that is most like it, the most alike first (Bolya et al. 2023, ToMe, 3.2).
std::vector<Match> most_alike(const Heads& heads, int prefix) {
  const int patches = static_cast<int>(heads.rows.rows()) - prefix;
  const auto norm = [&](int patch) { return std::sqrt(std::max(heads.key(prefix + patch).square().sum(), 1e-30f)); };
  std::vector<Match> result;
  for (int from = 0; from < patches; from += 2) {
    Match best{.from = from, .to = -1};
    for (int to = 1; to < patches; to += 2) {
      const float likeness = (heads.key(prefix + from) * heads.key(prefix + to)).sum() / norm(to);
      if (best.to < 0 || likeness > best.likeness) best = {from, to, likeness};
    }
    best.likeness /= norm(from);
    result.push_back(best);
  }
  std::ranges::stable_sort(result, std::ranges::greater(), &Match::likeness);
  return result;
}

}  // namespace

template <>
void FloatExecutor::Run::execute(const ReduceTokens& op, const Node& node) {
  const RaggedBatch& from = batch();
  const int lost = removed + op.removed, prefix = from.prefix;
  RaggedBatch& to = fewer.at(lost);
  const bool merges = op.how == Reduction::merge;
  to.sizes.clear();
  if (merges || !from.sizes.empty()) to.sizes.assign(static_cast<std::size_t>(to.rows()), 1);
  const Eigen::Index columns = model.columns(node.output), wide = model.columns(node.inputs[1]);
  const AttentionFacts facts = heads_of(model.data->graph, node.inputs[1]);
  workspace.pool.run(from.sequences(), [&](int sequence, int) {
    const int first = from.start[static_cast<std::size_t>(sequence)], length = from.length(sequence);
    const Heads heads{facts, ConstRows(at(node.inputs[1]) + first * wide, length, wide)};
    const ConstRows in(at(node.inputs[0]) + first * columns, length, columns);
    const auto size_of = [&](int row) {
      return from.sizes.empty() ? 1 : from.sizes[static_cast<std::size_t>(first + row)];
    };
    std::vector<bool> gone(static_cast<std::size_t>(length), false);
    std::vector<Match> matches;
    if (merges) {
      matches = most_alike(heads, prefix);
      matches.resize(static_cast<std::size_t>(op.removed));
      for (const Match& match : matches) gone[static_cast<std::size_t>(prefix + match.from)] = true;
    } else {
      gone = least_read(heads, prefix, op.removed);
    }
    int row_to = to.start[static_cast<std::size_t>(sequence)];
    for (int row = 0; row < length; ++row) {
      if (gone[static_cast<std::size_t>(row)]) continue;
      Row out(at(node.output) + row_to * columns, columns);
      int tokens = size_of(row);
      out = in.row(row).transpose() * static_cast<float>(tokens);
      for (const Match& match : matches) {
        if (prefix + match.to != row) continue;
        out += in.row(prefix + match.from).transpose() * static_cast<float>(size_of(prefix + match.from));
        tokens += size_of(prefix + match.from);
      }
      out /= static_cast<float>(tokens);
      if (!to.sizes.empty()) to.sizes[static_cast<std::size_t>(row_to)] = tokens;
      ++row_to;
    }
  });
}

}  // namespace octavo
