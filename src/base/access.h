// How the library reaches what an object of a public class holds; users of the library do not.
#pragma once

#include <memory>
#include <utility>

namespace octavo {

/// The friend of Model, Engine, Workspace and KvCache.
struct Access {
  template <typename Object>
  static auto& data(const Object& object) {
    return *object.data_;
  }

  template <typename Object>
  static const auto& shared(const Object& object) {
    return object.data_;
  }

  template <typename Object>
  static Object make(std::shared_ptr<const typename Object::Data> data) {
    return Object(std::move(data));
  }
};

/// What the object holds.
template <typename Object>
auto& data_of(const Object& object) {
  return Access::data(object);
}

/// The same, kept alive by whoever takes it.
template <typename Object>
const auto& shared_data_of(const Object& object) {
  return Access::shared(object);
}

}  // namespace octavo
