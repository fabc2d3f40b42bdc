#include "config/text_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace banyan::config {
namespace {

constexpr int kDeepest = 32;
// The parser takes time with the square of a line's length.
constexpr size_t kLongestLine = 64 * 1024;

// The end of the string that begins at `at` with `quote`, in TOML's four kinds; the end of the text if it is
// open.
size_t skip_string(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string closing(3, quote);
  const bool multi_line = text.substr(at).starts_with(closing);
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (!multi_line && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else if (multi_line && text.substr(at).starts_with(closing)) {
      at += 3;
      // Up to two quotes may stand before the closing three.
      while (at < text.size() && text[at] == quote) ++at;
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

std::optional<TextFault> find_bad_character(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length == 0) return TextFault{at, fmt::format("is not UTF-8: byte 0x{:02x}", byte)};
    const bool line_break = byte == '\n' || (byte == '\r' && text.substr(at).starts_with("\r\n"));
    if ((byte < 0x20 && byte != '\t' && !line_break) || byte == 0x7f) {
      return TextFault{at, fmt::format("control character 0x{:02x} is not allowed", byte)};
    }
    at += length;
  }
  return std::nullopt;
}

std::optional<TextFault> find_deep_nesting(std::string_view text) {
  int brackets = 0;
  int dots = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = skip_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '[' || c == '{') ++brackets;
    if ((c == ']' || c == '}') && brackets > 0) --brackets;
    if (c == '.') {
      ++dots;
    } else if (c == '=' || c == '\n' || c == ',' || c == '[' || c == '{') {
      dots = 0;
    }
    if (brackets > kDeepest || dots > kDeepest) {
      return TextFault{at, fmt::format("is nested deeper than {} levels", kDeepest)};
    }
    ++at;
  }
  return std::nullopt;
}

std::optional<TextFault> find_long_line(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end - at > kLongestLine) {
      return TextFault{
          at, fmt::format("line is longer than {} KiB; a list may stand on many lines", kLongestLine / 1024)};
    }
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace

size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) >= 0x90;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

std::optional<TextFault> find_text_fault(std::string_view text) {
  if (std::optional<TextFault> fault = find_bad_character(text)) return fault;
  if (std::optional<TextFault> fault = find_deep_nesting(text)) return fault;
  return find_long_line(text);
}

}  // namespace banyan::config
