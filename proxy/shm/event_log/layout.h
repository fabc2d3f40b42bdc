// The bytes of an event log's region; see shm/event_log.h for the picture.
#pragma once

#include "shm/event_log.h"
#include "shm/event_log/channels.h"
#include "shm/event_log/columns.h"
#include "shm/event_log/journal.h"
#include "shm/event_log/lock.h"
#include "shm/event_log/repeats.h"
#include "shm/event_log/ring.h"
#include "shm/event_log/time_word.h"

namespace banyan::shm {

struct EventLogHead {
  Word identity;  // 0: not formatted
  Word ring_bytes;
  Word max_channels;
  Word repeats;  // keys ever
  alignas(64) pthread_mutex_t mutex;
  alignas(64) JournalArea journal;
  alignas(64) ChannelsHead channels;
  RingHead ring;
  ColumnArea columns;
};

// Where the parts begin, in bytes.
struct EventLogPlaces {
  uint64_t channels, repeats, counts, ring, end;

  static EventLogPlaces of(uint64_t ring_bytes, uint64_t max_channels) {
    const auto up = [](uint64_t size) { return (size + 4095) / 4096 * 4096; };
    EventLogPlaces places{};
    places.channels = up(sizeof(EventLogHead));
    places.repeats = up(places.channels + Channels::bytes(static_cast<uint32_t>(max_channels)));
    places.counts = up(places.repeats + Repeats::kBytes);
    places.ring = up(places.counts + Columns::bytes(static_cast<uint32_t>(max_channels)));
    places.end = places.ring + ring_bytes;
    return places;
  }
};

// The parts as this process sees them.
struct EventLog::Parts {
  Parts(std::byte* region, EventLogHead& head)
      : Parts(region, head,
              EventLogPlaces::of(head.ring_bytes.load(std::memory_order_relaxed),
                                 head.max_channels.load(std::memory_order_relaxed))) {}
  Parts(std::byte* region, EventLogHead& head, const EventLogPlaces& at)
      : head(head),
        lock(head.mutex),
        journal(region, head.journal, head.ring.tail),
        ring(head.ring, region + at.ring, head.ring_bytes.load(std::memory_order_relaxed)),
        columns(head.columns, region + at.counts, max_channels(head)),
        channels(head.channels, region + at.channels, max_channels(head), journal, columns),
        repeats(head.repeats, region + at.repeats, journal) {}

  static uint32_t max_channels(const EventLogHead& head) {
    return static_cast<uint32_t>(head.max_channels.load(std::memory_order_relaxed));
  }

  EventLogHead& head;
  RobustLock lock;
  Journal journal;
  Ring ring;
  Columns columns;
  Channels channels;
  Repeats repeats;
};

// An event in the ring.
struct EventLog::Found {
  uint64_t position;
  RecordHead head;
};

// The lock, held as long as this lives.
class EventLog::Held {
 public:
  explicit Held(Parts& parts) : parts_(parts), taken_(parts.lock.take()) {
    if (taken_ != RobustLock::Taken::from_dead) return;
    parts_.journal.recover();
    parts_.lock.mended();
  }
  ~Held() {
    if (*this) parts_.lock.release();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  // False: it was not to be had.
  explicit operator bool() const { return taken_ != RobustLock::Taken::no; }
  static Error refused() { return handler_error(503, "a process that holds the event log's lock hangs"); }

 private:
  Parts& parts_;
  RobustLock::Taken taken_;
};

inline Error no_room() { return handler_error(503, "too many channels"); }

}  // namespace banyan::shm
