#include "graph/encodings.h"

#include "octavo/error.h"

#include <sstream>

namespace octavo {
namespace {

std::string describe(const Encoding& encoding, const char* type) {
  std::ostringstream out;
  out << type << " scale " << encoding.scale << " zero " << encoding.zero_point;
  return out.str();
}

std::string describe(const Refined& refined) {
  return (refined.fine_bits > 0 ? " + " + std::to_string(refined.fine_bits) + " bits" : "") +
         std::string(refined.coarse ? " + weights" : "");
}

/// One overload per op.
struct OutputEncoding {
  Encoding operator()(const QuantizedEmbedTokens& c) const { return c.sum; }
  Encoding operator()(const QuantizedEmbedPatches& c) const { return c.stream; }
  Encoding operator()(const QuantizedLinear& c) const { return c.table ? c.activated : c.block.encoding; }
  Encoding operator()(const QuantizedLinearAdd& c) const { return c.block.encoding; }
  Encoding operator()(const QuantizedLayerNorm& c) const { return c.stream.encoding; }
  Encoding operator()(const QuantizedSelectRows& c) const { return c.encoding; }
  Encoding operator()(const QuantizedQkv&) const { fail(); }
  Encoding operator()(const QuantizedAttention&) const { fail(); }

  [[noreturn]] static void fail() { throw Error("an output of the graph is made in 8 bits, expected 16 or 32"); }
};

}  // namespace

Encoding output_encoding(const QuantizedOp& constants) { return std::visit(OutputEncoding{}, constants); }

std::string describe_encodings(const QuantizedOp& constants) {
  struct {
    std::string operator()(const QuantizedEmbedTokens& c) {
      return describe(c.sum, c.partial ? "u8" : "s16") + (c.fine_words ? " + words" : "");
    }
    std::string operator()(const QuantizedQkv& c) {
      return "q " + describe(c.query.encoding, "u8") + ", k " + describe(c.key.encoding, "s8") + ", v " +
             describe(c.value.encoding, "s8") +
             (c.gate.empty() ? ""
                             : ", gate " + describe(c.gate[0].encoding, c.gate_output.empty() ? "s16" : "hidden u8"));
    }
    std::string operator()(const QuantizedLinear& c) {
      return (c.bytes ? "input " + describe(c.bytes->encoding, "u8") + ", " : "") +
             describe(c.table ? c.activated : c.block.encoding, "codes") + describe(c.refined);
    }
    std::string operator()(const QuantizedLinearAdd& c) {
      return describe(c.block.encoding, c.eight_bit ? "u8" : "s16");
    }
    std::string operator()(const QuantizedLayerNorm& c) {
      std::string text = c.bytes.exists ? describe(c.bytes.encoding, "u8") + describe(c.refined) : "";
      if (c.stream.exists) text += (text.empty() ? "" : ", ") + describe(c.stream.encoding, "stream s16");
      return text;
    }
    std::string operator()(const QuantizedAttention& c) { return describe(c.context, "u8") + describe(c.refined); }
    std::string operator()(const QuantizedEmbedPatches& c) { return describe(c.stream, "s16"); }
    std::string operator()(const QuantizedSelectRows& c) { return describe(c.encoding, "s16"); }
  } visitor;
  return std::visit(visitor, constants);
}

}  // namespace octavo
