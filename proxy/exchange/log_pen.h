// Writes log lines: fixed texts, numbers, and texts of the network with what could forge a line or end a
// quoted string escaped.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace banyan::exchange {

// Collects what it is given and appends it to the string in large parts, the last one when it ends.
class LogPen {
 public:
  // How a control character, a quote, a backslash or a byte beyond ASCII is written.
  enum class Escape {
    nginx,  // "\x0A", as ngx_http_log_module's escape=default
    json,   // "\n" stands as "\u000a"; a byte beyond ASCII, which need not be UTF-8, as the character of that
            // number
  };

  explicit LogPen(std::string& out) : out_(out) {}
  ~LogPen() { flush(); }
  LogPen(const LogPen&) = delete;
  LogPen& operator=(const LogPen&) = delete;

  // As it is. A literal is copied without a loop.
  template <size_t kSize>
  void put(const char (&literal)[kSize]) {
    static_assert(kSize - 1 <= kRoom);
    make_room(kSize - 1);
    std::memcpy(at_, literal, kSize - 1);
    at_ += kSize - 1;
  }
  void put(std::string_view text);

  void number(uint64_t value) {
    make_room(kLongestNumber);
    at_ = std::to_chars(at_, at_ + kLongestNumber, value).ptr;
  }

  // In seconds with six places ("0.001500"); what is below zero is zero.
  void seconds(Duration value);

  void escaped(std::string_view text, Escape how);

 private:
  static constexpr size_t kRoom = 512;
  static constexpr size_t kLongestNumber = 20;

  void make_room(size_t size) {
    if (static_cast<size_t>(buffer_.data() + kRoom - at_) < size) flush();
  }
  void flush() {
    out_.append(buffer_.data(), at_);
    at_ = buffer_.data();
  }
  void put_escape(unsigned char byte, Escape how);

  std::string& out_;
  std::array<char, kRoom> buffer_;
  char* at_ = buffer_.data();
};

}  // namespace banyan::exchange
