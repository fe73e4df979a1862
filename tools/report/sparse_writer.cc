#include "report/sparse_writer.h"

#include "cli/numbers.h"

#include <string>

namespace octavo::tools {
namespace {

std::string to_text(const std::vector<SparseValue>& embedding) {
  std::string text;
  for (const SparseValue& each : embedding) {
    if (!text.empty()) text += ' ';
    text += std::to_string(each.id) + ":";
    append_number(text, each.value);
  }
  return text;
}

std::string to_json(const std::vector<SparseValue>& embedding) {
  std::string text;
  for (const SparseValue& each : embedding) {
    text += (text.empty() ? "{\"id\":" : ",{\"id\":") + std::to_string(each.id) + ",\"value\":";
    append_number(text, each.value);
    text += '}';
  }
  return "[" + text + "]";
}

}  // namespace

void SparseWriter::write(const std::vector<std::size_t>& tokens,
                         const std::vector<std::vector<SparseValue>>& embeddings) {
  for (std::size_t i = 0; i < embeddings.size(); ++i, ++index_) {
    output_.write(json_ ? "{\"index\":" + std::to_string(index_) + ",\"tokens\":" + std::to_string(tokens[i]) +
                              ",\"embedding\":" + to_json(embeddings[i]) + "}\n"
                        : to_text(embeddings[i]) + "\n");
  }
}

}  // namespace octavo::tools
