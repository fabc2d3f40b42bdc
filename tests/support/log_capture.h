// Keeps what is logged while it lives, instead of writing it.
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"

namespace banyan::support {

class LogCapture {
 public:
  LogCapture() {
    log::set_sink([](void* self, std::string_view line) { static_cast<LogCapture*>(self)->text_ += line; },
                  this);
  }
  ~LogCapture() { log::set_sink(nullptr, nullptr); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // All lines since the beginning.
  const std::string& text() const { return text_; }
  bool has(std::string_view words) const { return text_.find(words) != std::string::npos; }

 private:
  std::string text_;
};

}  // namespace banyan::support
