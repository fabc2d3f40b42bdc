// Names of fields: a perfect hash over the names a proxy knows, and comparison without case, eight bytes at a
// time.
#include "http/fields.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace banyan::http {
namespace {

constexpr std::string_view kNames[] = {"",
#define BANYAN_FIELD_NAME(identifier, name) name,
                                       BANYAN_KNOWN_FIELDS(BANYAN_FIELD_NAME)
#undef BANYAN_FIELD_NAME
};
constexpr size_t kNameCount = std::size(kNames);
constexpr size_t kLongestName = std::ranges::max_element(kNames, {}, &std::string_view::size)->size();

constexpr size_t kSlots = 256;
using Table = std::array<uint8_t, kSlots>;

// Four places tell all known names apart: length, first, last and fourth last byte.
constexpr uint32_t hash_name(std::string_view name, uint32_t seed) {
  uint32_t size = static_cast<uint32_t>(name.size());
  auto letter = [&](size_t at) { return static_cast<uint32_t>(static_cast<uint8_t>(name[at]) | 0x20u); };
  uint32_t mixed = letter(0) | letter(size - 1) << 8 | letter(size > 4 ? size - 4 : 0) << 16 | size << 24;
  return (mixed * seed) >> 24;
}

constexpr bool fill_table(uint32_t seed, Table& table) {
  table = {};
  for (size_t id = 1; id < kNameCount; ++id) {
    uint8_t& slot = table[hash_name(kNames[id], seed)];
    if (slot) return false;
    slot = static_cast<uint8_t>(id);
  }
  return true;
}

constexpr uint32_t kSeed = [] {
  Table table;
  uint32_t seed = 0x9e3779b1;
  while (!fill_table(seed, table)) seed = seed * 1664525 + 1013904223;
  return seed;
}();

constexpr Table kTable = [] {
  Table table;
  fill_table(kSeed, table);
  return table;
}();

template <class Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// True when two words differ at most in the case of ASCII letters: bit 0x20 of bytes that are letters.
template <class Word>
bool same_letters(Word a, Word b) {
  constexpr Word kOnes = static_cast<Word>(0x0101010101010101);
  Word difference = a ^ b;
  if (difference == 0) return true;
  if (difference & ~(kOnes * 0x20)) return false;
  Word lower = a | kOnes * 0x20;
  Word low_bits = lower & kOnes * 0x7f;
  Word from_a = low_bits + kOnes * (0x80 - 'a');
  Word above_z = low_bits + kOnes * (0x80 - ('z' + 1));
  Word letters = from_a & ~above_z & ~lower & kOnes * 0x80;
  return (difference << 2 & ~letters) == 0;
}

template <class Word>
bool same_letters_at(const char* a, const char* b) {
  return same_letters(load<Word>(a), load<Word>(b));
}

inline bool same_text(const char* a, const char* b, size_t size) {
  if (size >= 8) {
    if (!same_letters_at<uint64_t>(a, b)) return false;
    for (size_t i = 8; i + 8 < size; i += 8) {
      if (!same_letters_at<uint64_t>(a + i, b + i)) return false;
    }
    return same_letters_at<uint64_t>(a + size - 8, b + size - 8);
  }
  if (size >= 4)
    return same_letters_at<uint32_t>(a, b) && same_letters_at<uint32_t>(a + size - 4, b + size - 4);
  for (size_t i = 0; i < size; ++i) {
    if (!same_letters<uint32_t>(static_cast<uint8_t>(a[i]), static_cast<uint8_t>(b[i]))) return false;
  }
  return true;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_text(a.data(), b.data(), a.size());
}

FieldId find_field_id(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return FieldId::other;
  uint8_t id = kTable[hash_name(name, kSeed)];
  std::string_view known = kNames[id];  // the empty one for an empty slot
  bool same = name.size() == known.size() && same_text(name.data(), known.data(), name.size());
  return same ? static_cast<FieldId>(id) : FieldId::other;
}

std::string_view field_name(FieldId id) {
  CHECK(id != FieldId::other);
  return kNames[static_cast<size_t>(id)];
}

size_t Fields::remove(FieldId id) {
  return std::erase_if(list_, [&](const Field& field) { return field.id == id; });
}

size_t Fields::remove(std::string_view name) {
  FieldId id = find_field_id(name);
  if (id != FieldId::other) return remove(id);
  return std::erase_if(list_, [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

const Field* Fields::find(FieldId id) const {
  for (const Field& field : list_) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const Field* Fields::find(std::string_view name) const {
  FieldId id = find_field_id(name);
  if (id != FieldId::other) return find(id);
  for (const Field& field : list_) {
    if (field.id == FieldId::other && equal_ignoring_case(field.name, name)) return &field;
  }
  return nullptr;
}

std::string_view Fields::get(FieldId id) const {
  const Field* field = find(id);
  return field ? field->value : std::string_view();
}

}  // namespace banyan::http
