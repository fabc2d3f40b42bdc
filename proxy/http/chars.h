// Classes of bytes in HTTP messages and URIs, as one table, and scans for the first byte outside of a class.
//
// The scans look at 16 bytes at a time where SSE2 is there (every x86-64); they never read at or behind
// `end`.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace banyan::http::chars {

enum Class : uint8_t {
  kToken = 1,        // RFC 9110 section 5.6.2
  kFieldValue = 2,   // RFC 9110 section 5.5: visible, obs-text, space and tab
  kTarget = 4,       // what may stand in a request-target: visible ASCII without '#'
  kRegName = 8,      // RFC 3986 section 3.2.2: reg-name without percent-encodings
  kUnreserved = 16,  // RFC 3986 section 2.3
  kPathChar = 32,    // RFC 3986 section 3.3: pchar without percent-encodings
  kQuotedText = 64,  // RFC 9110 section 5.6.4: qdtext
  kDigit = 128,
};

inline constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  auto add = [&](std::string_view members, int what) {
    for (char c : members) classes[static_cast<uint8_t>(c)] |= static_cast<uint8_t>(what);
  };
  for (int c = 0x21; c < 0x7f; ++c) classes[c] = kFieldValue | kTarget | kQuotedText;
  for (int c = 0x80; c < 0x100; ++c) classes[c] = kFieldValue | kQuotedText;
  add(" \t", kFieldValue | kQuotedText);
  for (char c : {'"', '\\'}) classes[static_cast<uint8_t>(c)] &= static_cast<uint8_t>(~kQuotedText);
  classes['#'] &= static_cast<uint8_t>(~kTarget);
  add("0123456789", kDigit);
  for (std::string_view alphanumeric :
       {"0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
    add(alphanumeric, kToken | kRegName | kUnreserved | kPathChar);
  }
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~", kRegName | kUnreserved | kPathChar);
  add("!$&'()*+,;=", kRegName | kPathChar);
  add(":@", kPathChar);
  return classes;
}();

inline bool is(char c, Class what) { return kClasses[static_cast<uint8_t>(c)] & what; }

// True also for the empty text.
inline bool all(std::string_view text, Class what) {
  for (char c : text) {
    if (!is(c, what)) return false;
  }
  return true;
}

inline bool is_token(std::string_view text) { return !text.empty() && all(text, kToken); }

// 0 to 15, or -1.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Without the blanks around it (OWS, RFC 9110 section 5.6.3).
inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

inline const char* find_not(Class what, const char* at, const char* end) {
  while (at < end && is(*at, what)) ++at;
  return at;
}

// The first byte from `at` that is not of the class, or `end`.
inline const char* find_value_end(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    int bad = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
    if (bad) return at + std::countr_zero(static_cast<unsigned>(bad));
  }
#endif
  return find_not(kFieldValue, at, end);
}

// True only if every byte may stand in a field value; false also for a tab. Texts of any length in few steps:
// eight bytes at a time, the last ones twice.
inline bool is_plain_value(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  auto any_control = [](uint64_t word) {  // no false negatives: a borrow comes only from a byte that is one
    const uint64_t del = word ^ kOnes * 0x7f;
    return (((word - kOnes * 0x20) & ~word) | ((del - kOnes) & ~del)) & kOnes * 0x80;
  };
  auto load = [&text](size_t at, size_t size) {
    uint64_t word = kOnes * ' ';
    std::memcpy(&word, text.data() + at, size);
    return word;
  };
  const size_t size = text.size();
  if (size < 4) {
    for (char c : text) {
      if (!is(c, kFieldValue)) return false;
    }
    return true;
  }
  if (size < 8) return !(any_control(load(0, 4)) | any_control(load(size - 4, 4)));
  uint64_t found = any_control(load(size - 8, 8));
  for (size_t at = 0; at + 8 < size; at += 8) found |= any_control(load(at, 8));
  return !found;
}

inline const char* find_target_end(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i high = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));  // signed: false from 0x80 on, too
    __m128i out =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
    int bad = ~_mm_movemask_epi8(_mm_andnot_si128(out, high)) & 0xffff;
    if (bad) return at + std::countr_zero(static_cast<unsigned>(bad));
  }
#endif
  return find_not(kTarget, at, end);
}

struct TokenEnd {
  const char* at;
  bool plain;  // only letters and '-' were seen; certainly no '_'
};

inline TokenEnd find_token_end(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8('z' - 'a')), letter);
    __m128i dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
    int other = ~_mm_movemask_epi8(_mm_or_si128(letter, dash)) & 0xffff;
    if (!other) continue;
    at += std::countr_zero(static_cast<unsigned>(other));
    if (!is(*at, kToken)) return {at, true};
    break;
  }
#endif
  return {find_not(kToken, at, end), false};
}

}  // namespace banyan::http::chars
