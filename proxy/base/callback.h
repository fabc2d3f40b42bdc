// A method of an object as a value: two words, no allocation. The object must outlive every call.
//
//   timer_(loop, Callback::to<&Connection::on_idle>(this))
#pragma once

#include <utility>

namespace banyan {

template <class... Arguments>
class BasicCallback {
 public:
  BasicCallback() = default;

  template <auto Method, class Object>
  static BasicCallback to(Object* object) {
    BasicCallback callback;
    callback.object_ = object;
    callback.call_ = [](void* self, Arguments... arguments) {
      (static_cast<Object*>(self)->*Method)(std::forward<Arguments>(arguments)...);
    };
    return callback;
  }

  void operator()(Arguments... arguments) const { call_(object_, std::forward<Arguments>(arguments)...); }
  explicit operator bool() const { return call_ != nullptr; }

 private:
  void* object_ = nullptr;
  void (*call_)(void*, Arguments...) = nullptr;
};

using Callback = BasicCallback<>;

}  // namespace banyan
