// Python's pickles as far as torch.save needs them to say what tensors there are. Nothing is executed or imported: a
// class or an opcode that does not build dictionaries of tensors is an Error.
#pragma once

#include "octavo/tensor.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

/// What a pickle builds. Others are pointed to, so that nothing recurses, however deep they nest.
struct PickleValue {
  enum class Kind {
    mark,        ///< of the stack, never a result
    none,        ///< None
    boolean,     ///< in `number`
    number,      ///< an integer
    text,        ///< a string
    sequence,    ///< a tuple or a list: `items`
    dictionary,  ///< `items`, keys and values in turn
    global,      ///< a class or a function, "torch FloatStorage" in `text`
    storage,     ///< numbers of type `dtype`, `number` of them, called `text`
    tensor       ///< items[0] is its storage, from element `number` on; `shape` and `strides` in elements
  };
  Kind kind = Kind::none;
  DType dtype = DType::f32;
  std::int64_t number = 0;
  std::string text = {};
  std::vector<const PickleValue*> items = {};
  std::vector<std::int64_t> shape = {}, strides = {};
};

/// A pickle and what it made.
struct Pickle {
  std::deque<PickleValue> values = {};  ///< all there are
  const PickleValue* result = nullptr;
  std::size_t bytes = 0;  ///< that it has: another may follow
};

/// Reads the pickle at the beginning of `bytes`. Throws Error naming the file, and the opcode or the class that is not
/// for tensors; also when it is cut, damaged, or makes over a million values.
Pickle read_pickle(std::string_view bytes, const std::string& file);

}  // namespace octavo
