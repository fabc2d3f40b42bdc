// The events of all channels of one event_dispatch handler, with their history: one region of shared memory,
// one order for all workers.
//
//   head       lock, journal, tail of the ring, free lists
//   buckets    hash of a name → first channel
//   channels   name, epoch, last offset, position of the newest event
//   names      what of a name does not fit into its channel, in pieces
//   repeats    Idempotency-Key → event; the last 65,536
//   counts     one column for each worker: its subscribers of each channel; written by that worker alone
//   ring       events one behind the other: channel, epoch, offset, time, position of the channel's previous
//   one
//
// Writers take a lock, the only one in Banyan that processes share; it is held for the copy of one event at
// most. It is a robust mutex: when its owner is killed, the kernel gives it to the next who asks, and that
// one takes back what the owner had begun. For that every word is noted in the journal before it is changed;
// the store that moves the tail of the ring (or empties the journal) makes the change count, all of it at
// once. An owner that is alive but does not run (SIGSTOP) costs others an error, never an endless wait.
//
// Readers take no lock: they copy an event and look afterwards whether the ring has come around meanwhile (a
// sequence lock). Memory that nobody has touched costs nothing, so the region may be much larger than what is
// used of it.
//
// History is common to all channels: an event stays until `ring_bytes` of others came after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "shm/event_id.h"
#include "shm/worker_set.h"

namespace banyan::shm {

// The log keeps it with the event and does not look at it.
enum class EventKind : uint8_t {
  text,      // UTF-8
  json,      // UTF-8, one JSON value
  binary,    // anything
  presence,  // JSON made by the handler itself: somebody came or left
};

struct EventLogShape {
  uint64_t ring_bytes = 32 << 20;      // 64 KiB at least; rounded up to 4 KiB
  uint32_t max_channels = 128 * 1024;  // at least 16; beyond it, idle ones are evicted
  bool operator==(const EventLogShape&) const = default;
};

class EventLog {
 public:
  static constexpr size_t kLongestName = 200;
  static constexpr uint32_t kNoWorker = UINT32_MAX;

  // Of the region; most of it is never touched: a log without events needs about 16 KiB.
  static uint64_t region_size(const EventLogShape& shape);
  // Makes an empty log. Once, by the master, before any process uses the region. REQUIRES: all zero, of
  // region_size().
  static Result<void> format(std::span<std::byte> region, const EventLogShape& shape);

  // What an earlier process in a worker's place had subscribers of when it was killed.
  struct Left {
    uint64_t life = 0;
    std::vector<std::string> channels;
  };

  // One process's view; several in one process (generations of a handler) are fine. `worker`: this worker's
  // number, or kNoWorker for the controller, which cannot join. `life` tells this process from earlier ones
  // in the worker's place (shm::process_life): the first view of a new life empties the worker's column, and
  // `left`, if it is not null, gets what was in it. REQUIRES: format() was called; the region outlives this.
  EventLog(std::span<std::byte> region, uint32_t worker, uint64_t life, Left* left = nullptr);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // The same number for all views of one region, and for no other log.
  uint64_t identity() const;
  // An event may have as many bytes: a sixteenth of the ring.
  size_t longest_event() const;

  // ---- subscribing: this worker's count for a channel. Names: 1 to kLongestName bytes, checked by the
  // caller.

  struct Joined {
    uint32_t channel = 0;   // its number, below max_channels; valid while this worker's count is above 0
    EventId last;           // of the newest event so far
    uint64_t position = 0;  // what next() finds here or behind came after `last`
  };
  // Adds one subscriber, and makes the channel if there is none. Takes the lock. Error 503: too many
  // channels; the lock was not to be had for a second.
  Result<Joined> join(std::string_view name);
  // The same for a channel that this worker has subscribers of already: one store. REQUIRES: count above 0.
  void join_again(uint32_t channel, uint32_t count = 1);
  // One store. REQUIRES: this worker's count is at least `count`.
  void leave(uint32_t channel, uint32_t count = 1);
  // Of this worker.
  uint32_t own_subscribers(uint32_t channel) const;
  // Of all workers. REQUIRES: the number is valid, see Joined.
  uint64_t subscribers(uint32_t channel) const;

  // ---- what there is. Both take the lock for a moment.

  struct Channel {
    std::string name;
    uint32_t number = 0;
    uint64_t subscribers = 0;  // of all workers
    EventId last;
    std::optional<TimePoint> published;  // the newest event, if it is still in the ring
  };
  // Null: no such channel. Error 503 as for join().
  Result<std::optional<Channel>> find(std::string_view name);
  // Up to `most` channels with numbers from `from` on, in the order of numbers, to the end of `found`.
  // Returns where to go on; max_channels at the end.
  Result<uint32_t> list(uint32_t from, size_t most, std::vector<Channel>& found);
  // How many there are. No lock.
  uint32_t channels() const;

  // ---- publishing

  struct Published {
    EventId id;
    bool repeated = false;  // the repeat key was known: nothing was added, `id` is the first one's
    // The workers that have subscribers, this one among them. For a repeat, too: whoever added the event may
    // have been killed before it woke anybody.
    WorkerSet wake;
  };
  // Adds an event. `repeat_key` not empty: a second event of this channel with the same key is not added; the
  // last 65,536 keys of all channels are known for a day. `now`: the monotonic clock. Errors: 413 longer than
  // longest_event(); 422 a known key with other bytes; 503 as for join(). After an error nothing was added.
  Result<Published> publish(std::string_view name, EventKind kind, std::string_view data,
                            std::string_view repeat_key, TimePoint now);

  // ---- reading

  struct Event {
    uint32_t channel = 0;
    EventId id;
    EventKind kind = EventKind::text;
    TimePoint published{};
    uint64_t position = 0;
    std::string_view data;  // in this object; until the next call of next() or replay()
  };
  // The position behind the newest event: where a worker begins.
  uint64_t end() const;
  enum class Next : uint8_t {
    event,
    none,     // `cursor` is at the end
    overrun,  // the ring came around: `cursor` was set to the end, and something between was not seen. Every
              // channel of this worker wants a replay() after what was delivered last.
  };
  // The next event behind `cursor` that belongs to a channel with subscribers in this worker. Others are
  // skipped, without being copied.
  Next next(uint64_t& cursor, Event& event);

  struct History {
    uint32_t messages = 300;  // at most so many, the newest
    Duration age = std::chrono::minutes(5);
  };
  struct Replay {
    std::vector<Event> events;  // oldest first, without holes
    // Events between `after` and the first of these (or `last`, if there are none) cannot be had any more; or
    // `after` is of another epoch, so nobody knows.
    bool gap = false;
    uint64_t first_available = 0;  // offset of the oldest event that can be had; last.offset + 1: none
    bool more = false;             // events behind the last of these were cut off by `most_bytes`
    EventId last;                  // the channel's newest event when this was made
  };
  // Events of a channel after `after` (null: all there are), as far as `history` allows; at most `most_bytes`
  // of data, but at least one event: for the rest ask again, after the last one got. Takes the lock for a
  // moment. Error 503 as for join(). REQUIRES: the number is valid, see Joined.
  Result<Replay> replay(uint32_t channel, std::optional<EventId> after, const History& history,
                        size_t most_bytes, TimePoint now);

 private:
  struct Parts;
  class Held;
  struct Found;
  struct NewEvent;

  EventId add(const NewEvent& event, std::optional<uint32_t>& number);

  Left find_left(uint64_t life) const;
  Channel describe(uint32_t number) const;
  std::vector<Found> walk(uint64_t newest, uint64_t seen, const History& history, TimePoint now) const;
  std::vector<Event> copy(std::span<const Found> newest_first, size_t most_bytes);

  std::unique_ptr<Parts> parts_;
  uint32_t worker_;
  std::vector<char> buffer_;  // of the events given out last
};

}  // namespace banyan::shm
