#include "base/utf8.h"

#include <cstddef>
#include <cstring>

namespace banyan {
namespace {

constexpr ptrdiff_t kRun = 64;

// Of kRun bytes; compilers make vector instructions of it.
bool all_ascii(const char* bytes) {
  unsigned char all = 0;
  for (ptrdiff_t i = 0; i < kRun; ++i) all = static_cast<unsigned char>(all | bytes[i]);
  return all < 0x80;
}

// The first byte that is not ASCII: eight at a time, and by runs where there are many.
const char* skip_ascii(const char* at, const char* end) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    if (word & kHighBits) break;
    while (end - at >= 8 + kRun && all_ascii(at + 8)) at += kRun;
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
