#include "exchange/log_pen.h"

#include <algorithm>

#include "base/lanes.h"

namespace banyan::exchange {
namespace {

Lanes::Found find_escapes(Lanes bytes) {
  return bytes.below(0x20) | bytes.from(0x7f) | bytes.equal('"') | bytes.equal('\\');
}

// How many bytes at the beginning can stand as they are.
size_t plain_size(std::string_view text) {
  size_t size = 0;
  for (; size + Lanes::kCount <= text.size(); size += Lanes::kCount) {
    if (const Lanes::Found found = find_escapes(Lanes(text.data() + size))) return size + Lanes::first(found);
  }
  if (size == text.size()) return size;
  const Lanes::Found found = find_escapes(Lanes::padded(text.substr(size)));
  return found ? size + Lanes::first(found) : text.size();
}

}  // namespace

void LogPen::put(std::string_view text) {
  if (text.empty()) return;  // it may point nowhere
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
