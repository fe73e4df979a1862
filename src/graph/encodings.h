// What the codes of an op's value are worth.
#pragma once

#include "graph/quantized.h"

#include <string>

namespace octavo {

/// Of the 16- or 32-bit codes that an output of the graph gives. Throws Error for an op whose value is 8 bits alone.
Encoding output_encoding(const QuantizedOp& constants);

/// The encodings of what a node makes, for people: "u8 scale 0.01 zero 128, stream s16 scale ...".
std::string describe_encodings(const QuantizedOp& constants);

}  // namespace octavo
