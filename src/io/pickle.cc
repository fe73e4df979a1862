// The stack machine of Python's pickle module, without what calls, imports or looks up anything.
#include "io/pickle.h"

#include "octavo/error.h"

#include <cstring>
#include <iterator>
#include <map>
#include <optional>

namespace octavo {
namespace {

using Kind = PickleValue::Kind;
using Items = std::vector<const PickleValue*>;

constexpr std::size_t kMostValues = 1 << 20, kLongestStorageName = 64;

struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr StorageClass kStorages[] = {
    {"torch FloatStorage", DType::f32}, {"torch HalfStorage", DType::f16}, {"torch BFloat16Storage", DType::bf16},
    {"torch LongStorage", DType::s64},  {"torch IntStorage", DType::s32},  {"torch ShortStorage", DType::s16},
    {"torch CharStorage", DType::s8},   {"torch ByteStorage", DType::u8},  {"torch BoolStorage", DType::boolean}};

// What may be called: each is done here, by hand.
constexpr std::string_view kOrderedDict = "collections OrderedDict", kTensor = "torch._utils _rebuild_tensor_v2",
                           kOldTensor = "torch._utils _rebuild_tensor", kParameter = "torch._utils _rebuild_parameter";

std::optional<DType> dtype_of_storage(std::string_view name) {
  for (const StorageClass& storage : kStorages) {
    if (storage.name == name) return storage.dtype;
  }
  return {};
}

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  Pickle run();

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file_ + ": its pickle " + what + " at byte " + std::to_string(at_ - 1) +
                ", expected a dictionary of tensors, and nothing else is read.");
  }

  // Bytes
  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) fail("ends too early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == bytes_.npos) fail("ends too early");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }
  /// Little-endian, of up to 8 bytes; with a sign where it has so many or `has_sign`.
  std::int64_t integer(std::size_t count, bool has_sign = false) {
    const std::string_view bytes = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    if (has_sign && count > 0 && count < 8 && (bytes[count - 1] & 0x80)) value |= ~std::uint64_t{0} << (8 * count);
    return static_cast<std::int64_t>(value);
  }
  std::size_t length(std::size_t count) { return static_cast<std::size_t>(integer(count)); }

  // Values
  PickleValue& make(Kind kind) {
    if (pickle_.values.size() == kMostValues) fail("makes over a million values");
    return pickle_.values.emplace_back(PickleValue{.kind = kind});
  }
  PickleValue& push(Kind kind) {
    PickleValue& value = make(kind);
    put_on_stack(&value);
    return value;
  }
  void put_on_stack(PickleValue* value) {
    if (stack_.size() == kMostValues) fail("holds over a million values");
    stack_.push_back(value);
  }
  void push_text(std::string_view text, Kind kind = Kind::text) { push(kind).text = text; }
  void push_number(std::int64_t number, Kind kind = Kind::number) { push(kind).number = number; }
  PickleValue* pop() {
    if (stack_.empty() || stack_.back()->kind == Kind::mark) fail("takes a value that is not there");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top(Kind kind) {
    if (stack_.empty() || stack_.back()->kind != kind) fail("adds to something else than a list or a dictionary");
    return *stack_.back();
  }
  /// The last `count` values, in order.
  Items pop_items(std::size_t count) {
    Items items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }
  /// Those behind the last mark, which goes, too.
  Items pop_to_mark() {
    std::size_t first = stack_.size();
    while (first > 0 && stack_[first - 1]->kind != Kind::mark) --first;
    if (first == 0) fail("takes values without a mark");
    Items items(stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
    stack_.resize(first - 1);
    return items;
  }
  void push_sequence(Items items) { push(Kind::sequence).items = std::move(items); }
  void add_to(Kind kind, const Items& items) {
    PickleValue& to = top(kind);
    if (kind == Kind::dictionary && items.size() % 2 != 0) fail("has a key without a value");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void remember(std::size_t index) {
    if (stack_.empty() || stack_.back()->kind == Kind::mark) fail("remembers a value that is not there");
    if (memo_.size() == kMostValues) fail("remembers over a million values");
    memo_[index] = stack_.back();
  }
  void recall(std::size_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail("recalls a value that is not there");
    put_on_stack(found->second);
  }

  bool step();
  bool push_simple(unsigned char opcode);
  bool put_together(unsigned char opcode);
  void name_global(std::string_view module, std::string_view name);
  void find_storage();
  void call();
  void rebuild_tensor(const Items& arguments);
  std::vector<std::int64_t> sizes(const PickleValue& value) const;

  const std::string_view bytes_;
  const std::string& file_;
  std::size_t at_ = 0;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::map<std::size_t, PickleValue*> memo_;
};

Pickle Machine::run() {
  while (step()) {
  }
  pickle_.result = pop();
  pickle_.bytes = at_;
  return std::move(pickle_);
}

/// Values that stand in the pickle as they are.
bool Machine::push_simple(unsigned char opcode) {
  switch (opcode) {
    case 'N':
      push(Kind::none);
      return true;
    case 0x88:
    case 0x89:
      push_number(opcode == 0x88, Kind::boolean);
      return true;
    case 'K':
      push_number(integer(1));
      return true;
    case 'M':
      push_number(integer(2));
      return true;
    case 'J':
      push_number(integer(4, true));
      return true;
    case 0x8a: {  // of any length
      const std::size_t count = length(1);
      if (count <= 8)
        push_number(integer(count, true));
      else
        push_text(take(count));
      return true;
    }
    case 'X':
    case 'T':
      push_text(take(length(4)));
      return true;
    case 0x8c:
    case 'U':
      push_text(take(length(1)));
      return true;
    case 'c': {
      const std::string_view module = line();
      name_global(module, line());
      return true;
    }
    default:
      return false;
  }
}

/// Sequences, dictionaries, and the memo.
bool Machine::put_together(unsigned char opcode) {
  switch (opcode) {
    case '(':
      push(Kind::mark);
      return true;
    case ')':
    case ']':
      push(Kind::sequence);
      return true;
    case '}':
      push(Kind::dictionary);
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push_sequence(pop_items(opcode - 0x84u));
      return true;
    case 't':
      push_sequence(pop_to_mark());
      return true;
    case 'a':
      add_to(Kind::sequence, pop_items(1));
      return true;
    case 'e':
      add_to(Kind::sequence, pop_to_mark());
      return true;
    case 's':
      add_to(Kind::dictionary, pop_items(2));
      return true;
    case 'u':
      add_to(Kind::dictionary, pop_to_mark());
      return true;
    case 'q':
    case 'r':
      remember(length(opcode == 'q' ? 1 : 4));
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'h':
    case 'j':
      recall(length(opcode == 'h' ? 1 : 4));
      return true;
    default:
      return false;
  }
}

/// False at the end.
bool Machine::step() {
  const auto opcode = static_cast<unsigned char>(take(1)[0]);
  if (push_simple(opcode) || put_together(opcode)) return true;
  switch (opcode) {
    case '.':
      return false;
    case 0x80:  // protocol
      take(1);
      return true;
    case 0x95:  // frame
      take(8);
      return true;
    case 0x93: {
      const Items names = pop_items(2);
      if (names[0]->kind != Kind::text || names[1]->kind != Kind::text)
        fail("names a class by something else than text");
      name_global(names[0]->text, names[1]->text);
      return true;
    }
    case 'Q':
      find_storage();
      return true;
    case 'R':
      call();
      return true;
    case 'b':  // attributes of a dictionary, such as the versions of its modules
      pop();
      top(Kind::dictionary);
      return true;
    default:
      fail("has the opcode " + std::to_string(opcode));
  }
}

void Machine::name_global(std::string_view module, std::string_view name) {
  const std::string global = std::string(module) + " " + std::string(name);
  const bool known = global == kOrderedDict || global == kTensor || global == kOldTensor || global == kParameter ||
                     dtype_of_storage(global);
  if (!known) fail("names " + std::string(module) + "." + std::string(name));
  push_text(global, Kind::global);
}

/// ("storage", its class, its name, a device, its elements), which may end in None.
void Machine::find_storage() {
  const PickleValue& id = *pop();
  const Items& parts = id.items;
  const bool fits =
      id.kind == Kind::sequence && (parts.size() == 5 || (parts.size() == 6 && parts[5]->kind == Kind::none)) &&
      parts[0]->kind == Kind::text && parts[0]->text == "storage" && parts[1]->kind == Kind::global &&
      dtype_of_storage(parts[1]->text) && parts[2]->kind == Kind::text &&
      parts[2]->text.size() <= kLongestStorageName && parts[4]->kind == Kind::number && parts[4]->number >= 0;
  if (!fits) fail("refers to something else than a storage of numbers");
  PickleValue& storage = push(Kind::storage);
  storage.dtype = *dtype_of_storage(parts[1]->text);
  storage.text = parts[2]->text;
  storage.number = parts[4]->number;
}

void Machine::call() {
  const Items both = pop_items(2);
  const PickleValue &function = *both[0], &arguments = *both[1];
  if (function.kind != Kind::global || arguments.kind != Kind::sequence) fail("calls something else than a class");
  if (function.text == kOrderedDict) {
    if (!arguments.items.empty()) fail("makes an OrderedDict of something");
    push(Kind::dictionary);
  } else if (function.text == kTensor || function.text == kOldTensor) {
    rebuild_tensor(arguments.items);
  } else if (function.text == kParameter) {
    if (arguments.items.empty() || arguments.items[0]->kind != Kind::tensor) fail("makes a parameter of no tensor");
    PickleValue& copy = push(Kind::tensor);
    const PickleValue& tensor = *arguments.items[0];
    copy = tensor;
  } else {
    fail("calls " + function.text);
  }
}

/// (storage, first element, sizes, strides, and what training needs)
void Machine::rebuild_tensor(const Items& arguments) {
  const bool fits = arguments.size() >= 4 && arguments[0]->kind == Kind::storage &&
                    arguments[1]->kind == Kind::number && arguments[1]->number >= 0;
  if (!fits) fail("makes a tensor of something else than a storage");
  std::vector<std::int64_t> shape = sizes(*arguments[2]), strides = sizes(*arguments[3]);
  if (shape.size() != strides.size()) fail("has a tensor with other sizes than strides");
  PickleValue& tensor = push(Kind::tensor);
  tensor.items = {arguments[0]};
  tensor.number = arguments[1]->number;
  tensor.shape = std::move(shape);
  tensor.strides = std::move(strides);
}

std::vector<std::int64_t> Machine::sizes(const PickleValue& value) const {
  if (value.kind != Kind::sequence || value.items.size() > 8) fail("has a tensor without sizes, or with over 8");
  std::vector<std::int64_t> result;
  for (const PickleValue* item : value.items) {
    if (item->kind != Kind::number || item->number < 0) fail("has a tensor whose sizes are no numbers");
    result.push_back(item->number);
  }
  return result;
}

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& file) { return Machine(bytes, file).run(); }

}  // namespace octavo
