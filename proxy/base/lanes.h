// A few bytes of text at once: sixteen with SSE2, eight as a word elsewhere ("SIMD within a register").
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace banyan {

class Lanes {
 public:
#if defined(__SSE2__)
  static constexpr size_t kCount = 16;
#else
  static constexpr size_t kCount = 8;
  static_assert(std::endian::native == std::endian::little, "the first byte must be the lowest lane");
#endif

  // Which lanes a test is true for. With words only the first one is sure to be right: a borrow may mark
  // lanes behind it, never before it.
  using Found = uint64_t;

  // kCount bytes.
  explicit Lanes(const char* text) { std::memcpy(&bytes_, text, sizeof bytes_); }

  // Of fewer than kCount bytes; spaces stand behind them.
  static Lanes padded(std::string_view text) {
    std::array<char, kCount> bytes;
    bytes.fill(' ');
    std::memcpy(bytes.data(), text.data(), text.size());
    return Lanes(bytes.data());
  }

  // The number of the first lane of those. REQUIRES: found != 0.
  static size_t first(Found found) { return static_cast<size_t>(std::countr_zero(found)) / kBits; }

#if defined(__SSE2__)
  Found equal(uint8_t byte) const { return mask(_mm_cmpeq_epi8(bytes_, all(byte))); }
  // Bytes less than `limit`, which is at least 1.
  Found below(uint8_t limit) const {
    return mask(_mm_cmpeq_epi8(_mm_min_epu8(bytes_, all(static_cast<uint8_t>(limit - 1))), bytes_));
  }
  // Bytes from `limit` on.
  Found from(uint8_t limit) const { return mask(_mm_cmpeq_epi8(_mm_max_epu8(bytes_, all(limit)), bytes_)); }

 private:
  static constexpr size_t kBits = 1;
  static __m128i all(uint8_t byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
  static Found mask(__m128i lanes) { return static_cast<unsigned>(_mm_movemask_epi8(lanes)); }
  __m128i bytes_;
#else
  Found equal(uint8_t byte) const { return marked_below(bytes_ ^ all(byte), 1); }
  // Bytes less than `limit`, which is at least 1 and at most 0x80.
  Found below(uint8_t limit) const { return marked_below(bytes_, limit); }
  // Bytes from `limit` on, which is at least 1 and at most 0x80.
  Found from(uint8_t limit) const {
    return (((bytes_ & all(0x7f)) + all(static_cast<uint8_t>(0x80 - limit))) | bytes_) & all(0x80);
  }

 private:
  static constexpr size_t kBits = 8;
  static constexpr uint64_t all(uint8_t byte) { return byte * uint64_t{0x0101010101010101}; }
  static constexpr Found marked_below(uint64_t word, uint8_t limit) {
    return (word - all(limit)) & ~word & all(0x80);
  }
  uint64_t bytes_;
#endif
};

}  // namespace banyan
