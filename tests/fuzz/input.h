// The fuzzer's bytes as small choices and texts, taken from the front; at the end everything is 0 and empty.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace banyan::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() { return static_cast<uint8_t>(text(1).empty() ? 0 : taken_.front()); }
  uint16_t word() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  std::string_view text(size_t most) {
    taken_ = rest_.substr(0, std::min(most, rest_.size()));
    rest_.remove_prefix(taken_.size());
    return taken_;
  }
  // A text and its length in front of it.
  std::string_view sized_text() { return text(byte()); }
  std::string_view all() { return text(rest_.size()); }

 private:
  std::string_view rest_;
  std::string_view taken_;
};

}  // namespace banyan::fuzz
