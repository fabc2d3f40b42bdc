#include "base/json_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/lanes.h"

namespace banyan {
namespace {

// What stands for a byte; empty if it stands for itself.
struct Escape {
  char text[7];
  uint8_t size;
};
constexpr size_t kEscapes = 256;
constexpr size_t kLongestEscape = 6;

constexpr std::array<Escape, kEscapes> make_escapes() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<Escape, kEscapes> escapes{};
  for (uint8_t c = 0; c < 0x20; ++c) {
    escapes[c] = {{'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]}, 6};
  }
  auto set = [&escapes](char c, char letter) { escapes[static_cast<uint8_t>(c)] = {{'\\', letter}, 2}; };
  set('"', '"');
  set('\\', '\\');
  set('\b', 'b');
  set('\f', 'f');
  set('\n', 'n');
  set('\r', 'r');
  set('\t', 't');
  return escapes;
}
constexpr std::array<Escape, kEscapes> kEscapeTable = make_escapes();

Lanes::Found find_escapes(Lanes bytes) { return bytes.below(0x20) | bytes.equal('"') | bytes.equal('\\'); }

char* put_escape(char* out, char c) {
  const Escape& escape = kEscapeTable[static_cast<uint8_t>(c)];
  std::memcpy(out, escape.text, sizeof escape.text);
  return out + escape.size;
}

// All lanes are written whatever they hold; those behind a byte that has to be escaped are written again.
char* put_text(char* out, const char* at, const char* end) {
  while (end - at >= static_cast<ptrdiff_t>(Lanes::kCount)) {
    const Lanes::Found found = find_escapes(Lanes(at));
    std::memcpy(out, at, Lanes::kCount);
    const size_t plain = found ? Lanes::first(found) : Lanes::kCount;
    out += plain;
    at += plain;
    if (found) out = put_escape(out, *at++);
  }
  for (; at < end; ++at) {
    if (kEscapeTable[static_cast<uint8_t>(*at)].size) {
      out = put_escape(out, *at);
    } else {
      *out++ = *at;
    }
  }
  return out;
}

}  // namespace

void append_json_string(std::string& json, std::string_view text) {
  constexpr size_t kPart = 256;
  std::array<char, kPart * kLongestEscape + Lanes::kCount> out;
  json.push_back('"');
  while (!text.empty()) {
    const std::string_view part = text.substr(0, kPart);
    json.append(out.data(), put_text(out.data(), part.data(), part.data() + part.size()));
    text.remove_prefix(part.size());
  }
  json.push_back('"');
}

}  // namespace banyan
