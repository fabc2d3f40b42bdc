// The options of one handler, made by its own table; the loader and everything below handlers/ do not know
// the type.
#pragma once

#include <memory>
#include <string>

#include "base/check.h"

namespace banyan::config {

class AnySection;

// A const value of some type T, with the table (Section<T>) that made it. Cheap to copy; values are shared.
class Options {
 public:
  Options() = default;
  // `value` is a T that belongs to `section`, a Section<T> that lives as long as the program.
  Options(const AnySection& section, std::shared_ptr<const void> value)
      : section_(&section), value_(std::move(value)) {}

  // REQUIRES: T is the type of the section that made the value.
  template <class T>
  const T& as() const {
    CHECK(value_ && holds(type_tag<T>()));
    return *static_cast<const T*>(value_.get());
  }
  const AnySection* section() const { return section_; }
  const void* get() const { return value_.get(); }
  // Equal by value if of the same section.
  bool operator==(const Options& other) const;

  // An address that is the same for the same type and differs for others.
  template <class T>
  static const void* type_tag() {
    static const char tag = 0;
    return &tag;
  }

 private:
  bool holds(const void* tag) const;

  const AnySection* section_ = nullptr;
  std::shared_ptr<const void> value_;
};

}  // namespace banyan::config
