#include "base/utf8.h"

#include <cstring>

namespace banyan {
namespace {

// The first byte that is not ASCII, eight at a time.
const char* skip_ascii(const char* at, const char* end) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    if (word & kHighBits) break;
  }
  while (at < end && static_cast<uint8_t>(*at) < 0x80) ++at;
  return at;
}

}  // namespace

bool Utf8Check::add(std::string_view part) {
  const char* at = part.data();
  const char* end = at + part.size();
  while (at < end) {
    if (missing_ == 0) {
      at = skip_ascii(at, end);
      if (at < end && !begin(static_cast<uint8_t>(*at++))) return false;
      continue;
    }
    const uint8_t byte = static_cast<uint8_t>(*at++);
    if (byte < low_ || byte > high_) return false;
    low_ = 0x80;
    high_ = 0xbf;
    --missing_;
  }
  return true;
}

// The table of RFC 3629 section 4: the lead says how many bytes follow and narrows the first of them.
bool Utf8Check::begin(uint8_t lead) {
  if (lead < 0xc2 || lead > 0xf4) return false;
  missing_ = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  low_ = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  high_ = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return true;
}

bool is_utf8(std::string_view text) {
  Utf8Check check;
  return check.add(text) && check.complete();
}

}  // namespace banyan
