#include "shm/event_log/channels.h"

#include <bit>

#include "base/check.h"
#include "base/random.h"
#include "base/stable_hash.h"
#include "shm/words.h"

namespace banyan::shm {
namespace {

constexpr size_t kInRecord = sizeof(ChannelRecord::text), kInPiece = sizeof(NamePiece::text);
constexpr uint64_t kPiecesEach = 4;  // enough for 200 bytes
constexpr uint64_t kEpochs = uint64_t{1} << 53;
// Out of how many idle channels the best is taken.
constexpr uint32_t kCompared = 16;

constexpr uint64_t name_word(uint64_t size, uint64_t piece) { return piece << 16 | size; }
constexpr uint64_t size_of_name(uint64_t word) { return word & 0xffff; }
constexpr uint64_t piece_of_name(uint64_t word) { return word >> 16; }

}  // namespace

uint64_t Channels::bytes(uint32_t max_channels) {
  const uint64_t buckets = std::bit_ceil(max_channels);
  return buckets * 8 + max_channels * (sizeof(ChannelRecord) + kPiecesEach * sizeof(NamePiece));
}

Channels::Channels(ChannelsHead& head, std::byte* places, uint32_t max_channels, Journal& journal,
                   const Columns& columns)
    : head_(head), max_channels_(max_channels), journal_(journal), columns_(columns) {
  records_ = reinterpret_cast<ChannelRecord*>(places);
  pieces_ = reinterpret_cast<NamePiece*>(places += uint64_t{max_channels} * sizeof(ChannelRecord));
  buckets_ = reinterpret_cast<Word*>(places += kPiecesEach * max_channels * sizeof(NamePiece));
}

void Channels::format() {
  Random random;
  head_.seed.store(random.next(), std::memory_order_relaxed);
  head_.epoch.store(1 + random.below(kEpochs - 1), std::memory_order_relaxed);
}

uint64_t Channels::hash(std::string_view name) const { return stable_hash(name, relaxed(head_.seed)); }

Word& Channels::bucket(std::string_view name) const {
  return buckets_[hash(name) & (std::bit_ceil(max_channels_) - 1)];
}

// ---------------------------------------------------------------- names

bool Channels::has_name(const ChannelRecord& record, std::string_view name) const {
  if (size_of_name(relaxed(record.name)) != name.size()) return false;
  char text[kInPiece];
  const auto same = [&](const Word* words, size_t most) {
    const std::string_view part = name.substr(0, most);
    copy_out(words, 0, text, part.size());
    name.remove_prefix(part.size());
    return part == std::string_view(text, part.size());
  };
  if (!same(record.text.data(), kInRecord)) return false;
  for (uint64_t piece = piece_of_name(relaxed(record.name)); piece != 0;) {
    if (!same(pieces_[piece - 1].text.data(), kInPiece)) return false;
    piece = relaxed(pieces_[piece - 1].link);
  }
  return true;
}

std::string Channels::name(uint32_t number) const {
  const uint64_t word = relaxed(records_[number].name);
  std::string name(size_of_name(word), '\0');
  size_t at = 0;
  const auto get = [&](const Word* words, size_t most) {
    const size_t size = std::min(most, name.size() - at);
    copy_out(words, 0, name.data() + at, size);
    at += size;
  };
  get(records_[number].text.data(), kInRecord);
  for (uint64_t piece = piece_of_name(word); piece != 0; piece = relaxed(pieces_[piece - 1].link)) {
    get(pieces_[piece - 1].text.data(), kInPiece);
  }
  return name;
}

// The texts need no journal: until the transaction counts, nothing leads to them.
void Channels::write_name(ChannelRecord& record, std::string_view name) {
  const uint64_t size = name.size();
  const std::string_view head = name.substr(0, kInRecord);
  copy_in(record.text.data(), head.data(), head.size());
  uint64_t first = 0;
  Word* link = nullptr;
  for (name.remove_prefix(head.size()); !name.empty();) {
    const uint64_t number = take(head_.free_piece, head_.pieces_used, &Channels::piece_link);
    CHECK(number < kPiecesEach * max_channels_);
    NamePiece& piece = pieces_[number];
    const std::string_view part = name.substr(0, kInPiece);
    copy_in(piece.text.data(), part.data(), part.size());
    name.remove_prefix(part.size());
    journal_.set(piece.link, 0);
    if (link) {
      journal_.set(*link, number + 1);
    } else {
      first = number + 1;
    }
    link = &piece.link;
  }
  journal_.set(record.name, name_word(size, first));
}

// ---------------------------------------------------------------- finding and making

std::optional<uint32_t> Channels::find(std::string_view name) const {
  for (uint64_t at = relaxed(bucket(name)); at != 0; at = relaxed(records_[at - 1].link)) {
    if (has_name(records_[at - 1], name)) return static_cast<uint32_t>(at - 1);
  }
  return std::nullopt;
}

// The first of a free list, or else one that was never used.
uint64_t Channels::take(Word& free_list, Word& used, Word& (Channels::*link)(uint64_t) const) {
  if (const uint64_t first = relaxed(free_list); first != 0) {
    journal_.set(free_list, relaxed((this->*link)(first - 1)));
    return first - 1;
  }
  const uint64_t number = relaxed(used);
  journal_.set(used, number + 1);
  return number;
}

uint32_t Channels::make(std::string_view name) {
  const uint64_t number = take(head_.free_record, head_.records_used, &Channels::record_link);
  CHECK(number < max_channels_);
  ChannelRecord& record = records_[number];
  const uint64_t made = relaxed(head_.made);
  Word& first = bucket(name);
  write_name(record, name);
  journal_.set(record.epoch, 1 + (relaxed(head_.epoch) + made) % (kEpochs - 1));
  journal_.set(record.last, 0);
  journal_.set(record.newest, 0);
  journal_.set(record.link, relaxed(first));
  journal_.set(first, number + 1);
  journal_.set(head_.made, made + 1);
  journal_.set(head_.count, relaxed(head_.count) + 1);
  return static_cast<uint32_t>(number);
}

// ---------------------------------------------------------------- making room

bool Channels::make_room() {
  if (relaxed(head_.free_record) != 0 || relaxed(head_.records_used) < max_channels_) return true;
  const std::optional<uint32_t> idle = find_idle();
  if (!idle) return false;
  journal_.begin();
  evict(*idle);
  journal_.commit();
  return true;
}

// All records are in use. The hand is no more than a hint, so it needs no journal.
std::optional<uint32_t> Channels::find_idle() {
  std::optional<uint32_t> best;
  uint64_t hand = relaxed(head_.hand);
  const uint32_t most = std::min(kWindow, max_channels_);
  for (uint32_t looked = 0, idle = 0; looked < most && idle < kCompared; ++looked) {
    const auto number = static_cast<uint32_t>(hand++ % max_channels_);
    if (columns_.any(number)) continue;
    ++idle;
    if (!best || relaxed(records_[number].newest) < relaxed(records_[*best].newest)) best = number;
  }
  head_.hand.store(hand, std::memory_order_relaxed);
  return best;
}

void Channels::evict(uint32_t number) {
  ChannelRecord& record = records_[number];
  Word* link = &bucket(name(number));
  while (relaxed(*link) != number + 1) link = &records_[relaxed(*link) - 1].link;
  journal_.set(*link, relaxed(record.link));
  if (const uint64_t first = piece_of_name(relaxed(record.name)); first != 0) {
    uint64_t last = first;
    while (relaxed(pieces_[last - 1].link) != 0) last = relaxed(pieces_[last - 1].link);
    journal_.set(pieces_[last - 1].link, relaxed(head_.free_piece));
    journal_.set(head_.free_piece, first);
  }
  journal_.set(record.epoch, 0);
  journal_.set(record.link, relaxed(head_.free_record));
  journal_.set(head_.free_record, number + uint64_t{1});
  journal_.set(head_.count, relaxed(head_.count) - 1);
}

}  // namespace banyan::shm
