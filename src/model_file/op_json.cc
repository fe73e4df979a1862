#include "model_file/op_json.h"

namespace octavo {

void describe(Fields& object, std::string_view key, Encoding& encoding, int smallest_zero, int largest_zero) {
  object.section(key, [&](Fields& fields) {
    auto scale = static_cast<double>(encoding.scale);
    fields.number("scale", scale, 1e-30, 1e30);
    encoding.scale = static_cast<float>(scale);
    fields.integer("zero_point", encoding.zero_point, smallest_zero, largest_zero);
  });
}

void describe(Fields& object, std::string_view key, QuantizedBlock& block, int smallest_zero) {
  object.section(key, [&](Fields& fields) {
    fields.text("name", block.name);
    fields.integer("first_column", block.first_column, 0, 1 << 24);
    fields.integer("columns", block.columns, 1, 1 << 24);
    fields.integer("shift", block.shift, 18, 62);
    describe(fields, "encoding", block.encoding, smallest_zero);
  });
}

void describe(Fields& object, std::string_view key, std::optional<QuantizedBytes>& bytes) {
  QuantizedBytes own = bytes.value_or(QuantizedBytes{});
  const bool there = object.section_if(key, bytes.has_value(), [&](Fields& fields) {
    describe(fields, "encoding", own.encoding);
    fields.integer("multiplier", own.multiplier, 0, kInt32Max);
    fields.integer("shift", own.shift, 1, 62);
  });
  if (there) bytes = own;
}

void describe(Fields& object, std::string_view key, QuantizedNormOutput& output, int low, int high) {
  output.exists = object.section_if(key, output.exists, [&](Fields& fields) {
    fields.integer("shift", output.shift, 1, 30);
    fields.integer("low", output.low, low, high);
    fields.integer("high", output.high, low, high);
    describe(fields, "encoding", output.encoding);
    fields.require(output.low <= output.high, "low", "at most high");
  });
  if (!output.exists) object.put_null(key);
}

void describe(Fields& object, Refined& refined) {
  object.section_if("refined", refined.times() > 1, [&](Fields& fields) {
    fields.integer("fine_bits", refined.fine_bits, 0, kFineBits);
    fields.flag("coarse", refined.coarse);
  });
}

}  // namespace octavo
