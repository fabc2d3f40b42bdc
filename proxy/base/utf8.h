// UTF-8 (RFC 3629) checked, as it arrives too: in parts of any size, and wrong as soon as no further byte
// could mend it.
#pragma once

#include <cstdint>
#include <string_view>

namespace banyan {

class Utf8Check {
 public:
  // Goes on with the next part of the text. False when the text is not UTF-8, whatever may follow: overlong
  // forms, surrogates and what lies above U+10FFFF included. REQUIRES: no false before reset().
  [[nodiscard]] bool add(std::string_view part);
  // No character is waiting for its rest.
  bool complete() const { return missing_ == 0; }
  void reset() { missing_ = 0; }

 private:
  bool begin(uint8_t lead);

  uint8_t missing_ = 0;               // bytes of the character under way that are still to come
  uint8_t low_ = 0x80, high_ = 0xbf;  // of the next one
};

// True for a whole text of well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace banyan
