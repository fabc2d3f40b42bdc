// The table of channels: by name, each with its epoch and where its newest event is. All calls REQUIRE the
// log's lock; what changes goes through the journal.
//
//   buckets   hash ─▶ number + 1 of the first channel ─ link ─▶ the next …
//   records   link │ epoch (0: free) │ last offset │ newest position │ size and first piece of the name │ its
//             first 24 bytes
//   pieces    link │ 56 bytes: the rest of a long name
//
// Free records and pieces are linked lists, too; behind `records_used` they were never touched.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shm/event_log/columns.h"
#include "shm/event_log/journal.h"

namespace banyan::shm {

struct ChannelsHead {
  Word seed;   // of the hash, so that nobody can choose names that meet
  Word epoch;  // of the first channel
  Word made;   // channels ever made
  Word count;
  Word free_record, records_used;  // free lists: number + 1
  Word free_piece, pieces_used;
  Word hand;  // where the next search for an idle channel begins
};

struct ChannelRecord {
  Word link;
  Word epoch;
  Word last;
  Word newest;
  Word name;
  std::array<Word, 3> text;
};
struct NamePiece {
  Word link;
  std::array<Word, 7> text;
};
static_assert(sizeof(ChannelRecord) == 64 && sizeof(NamePiece) == 64);

class Channels {
 public:
  Channels(ChannelsHead& head, std::byte* places, uint32_t max_channels, Journal& journal,
           const Columns& columns);
  // Of buckets, records and pieces.
  static uint64_t bytes(uint32_t max_channels);
  void format();

  std::optional<uint32_t> find(std::string_view name) const;
  // Of channels that make_room() looks at, so that the lock is soon free again.
  static constexpr uint32_t kWindow = 1024;
  // Makes room for one more if there is none: evicts a channel without subscribers, of the first few found
  // the one whose newest event is the oldest. False: there was none among the next kWindow; other calls go on
  // behind them. A transaction of its own.
  bool make_room();
  // REQUIRES: a transaction, room, and that there is no channel of that name.
  uint32_t make(std::string_view name);

  ChannelRecord& record(uint32_t number) const { return records_[number]; }
  std::string name(uint32_t number) const;
  // Numbers in use are below it.
  uint32_t end() const { return static_cast<uint32_t>(head_.records_used.load(std::memory_order_relaxed)); }
  uint32_t max_channels() const { return max_channels_; }
  uint64_t hash(std::string_view name) const;

 private:
  Word& bucket(std::string_view name) const;
  bool has_name(const ChannelRecord& record, std::string_view name) const;
  uint64_t take(Word& free_list, Word& used, Word& (Channels::*link)(uint64_t) const);
  Word& record_link(uint64_t number) const { return records_[number].link; }
  Word& piece_link(uint64_t number) const { return pieces_[number].link; }
  void write_name(ChannelRecord& record, std::string_view name);
  std::optional<uint32_t> find_idle();
  void evict(uint32_t number);

  ChannelsHead& head_;
  Word* buckets_;
  ChannelRecord* records_;
  NamePiece* pieces_;
  uint32_t max_channels_;
  Journal& journal_;
  const Columns& columns_;
};

}  // namespace banyan::shm
