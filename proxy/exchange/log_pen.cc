#include "exchange/log_pen.h"

#include <algorithm>

namespace banyan::exchange {
namespace {

constexpr uint64_t each(unsigned char byte) { return byte * uint64_t{0x0101010101010101}; }
constexpr uint64_t kHighBits = each(0x80);

// Not zero if one of eight bytes is zero (a well-known trick; bytes behind a zero may be called zero, too).
constexpr uint64_t any_zero(uint64_t word) { return (word - each(1)) & ~word & kHighBits; }

bool needs_escape(unsigned char byte) { return byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\'; }

// The same of eight bytes at once.
bool any_needs_escape(const char* eight) {
  uint64_t word;
  std::memcpy(&word, eight, sizeof word);
  const uint64_t beyond = word | (word + each(1));       // 0x7f and more
  const uint64_t control = (word - each(0x20)) & ~word;  // less than 0x20
  const uint64_t quotes = any_zero(word ^ each('"')) | any_zero(word ^ each('\\'));
  return ((beyond | control | quotes) & kHighBits) != 0;
}

// How many bytes at the beginning can stand as they are.
size_t plain_size(std::string_view text) {
  size_t size = 0;
  while (size + 8 <= text.size() && !any_needs_escape(text.data() + size)) size += 8;
  // The last eight, some of them once more, tell of the rest.
  if (size + 8 > text.size() && text.size() >= 8 && !any_needs_escape(text.data() + text.size() - 8)) {
    return text.size();
  }
  while (size < text.size() && !needs_escape(static_cast<unsigned char>(text[size]))) ++size;
  return size;
}

}  // namespace

void LogPen::put(std::string_view text) {
  if (text.size() > kRoom) {
    flush();
    out_.append(text);
    return;
  }
  make_room(text.size());
  std::memcpy(at_, text.data(), text.size());
  at_ += text.size();
}

void LogPen::seconds(Duration value) {
  constexpr uint64_t kMicrosInSecond = 1'000'000;
  constexpr int kPlaces = 6;
  const auto nanos = static_cast<uint64_t>(std::max(value, Duration::zero()).count());
  const uint64_t micros = (nanos + 500) / 1000;
  number(micros / kMicrosInSecond);
  make_room(kPlaces + 1);
  *at_++ = '.';
  uint64_t rest = micros % kMicrosInSecond;
  for (int i = kPlaces - 1; i >= 0; --i, rest /= 10) at_[i] = static_cast<char>('0' + rest % 10);
  at_ += kPlaces;
}

void LogPen::escaped(std::string_view text, Escape how) {
  while (true) {
    const size_t plain = plain_size(text);
    put(text.substr(0, plain));
    if (plain == text.size()) return;
    put_escape(static_cast<unsigned char>(text[plain]), how);
    text.remove_prefix(plain + 1);
  }
}

void LogPen::put_escape(unsigned char byte, Escape how) {
  const bool nginx = how == Escape::nginx;
  const std::string_view digits = nginx ? "0123456789ABCDEF" : "0123456789abcdef";
  make_room(6);
  *at_++ = '\\';
  if (!nginx && (byte == '"' || byte == '\\')) {
    *at_++ = static_cast<char>(byte);
    return;
  }
  put(nginx ? std::string_view("x") : std::string_view("u00"));
  *at_++ = digits[byte >> 4];
  *at_++ = digits[byte & 15];
}

}  // namespace banyan::exchange
