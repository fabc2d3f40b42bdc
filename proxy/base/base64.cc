#include "base/base64.h"

#include <cstdint>

namespace banyan {
namespace {

// 0 to 63, or -1. `last` are the two digits in which the alphabets differ.
int value_of(char c, std::string_view last) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == last[0] ? 62 : c == last[1] ? 63 : -1;
}

// Without padding.
std::optional<std::string> read_digits(std::string_view text, std::string_view last) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int six = value_of(c, last);
    if (six < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(six);
    if ((count += 6) < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

}  // namespace

void append_base64(std::string& text, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u; };
  text.reserve(text.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    text.append({kDigits[group >> 18], kDigits[group >> 12 & 63],
                 i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=',
                 i + 2 < bytes.size() ? kDigits[group & 63] : '='});
  }
}

std::optional<std::string> read_base64(std::string_view text) {
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  return read_digits(text, "+/");
}

std::optional<std::string> read_base64url(std::string_view text) { return read_digits(text, "-_"); }

}  // namespace banyan
