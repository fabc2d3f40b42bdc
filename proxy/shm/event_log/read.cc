// Reading events, beside writers.
#include <algorithm>

#include "shm/event_log.h"
#include "shm/event_log/layout.h"

namespace banyan::shm {
namespace {

EventLog::Event to_event(uint64_t position, const RecordHead& head, std::string_view data) {
  return {head.channel,
          {head.epoch, head.offset},
          static_cast<EventKind>(head.kind),
          to_time_point(head.time),
          position,
          data};
}

}  // namespace

uint64_t EventLog::end() const { return parts_->ring.tail(); }

EventLog::Next EventLog::next(uint64_t& cursor, Event& event) {
  const Ring& ring = parts_->ring;
  for (uint64_t end = ring.tail(); cursor < end;) {
    RecordHead head;
    bool there = ring.read_head(cursor, head);
    const bool wanted = there && head.kind != Ring::kPadding && own_subscribers(head.channel) > 0;
    if (wanted) {
      if (buffer_.size() < head.size) buffer_.resize(head.size);
      there = ring.read_data(cursor, head, buffer_.data());
    }
    if (!there) {
      cursor = ring.tail();
      return Next::overrun;
    }
    if (wanted) event = to_event(cursor, head, {buffer_.data(), head.size});
    cursor = Ring::after(cursor, head);
    if (wanted) return Next::event;
  }
  return Next::none;
}

// The heads of a channel's events, newest first, behind offset `seen`.
std::vector<EventLog::Found> EventLog::walk(uint64_t newest, uint64_t seen, const History& history,
                                            TimePoint now) const {
  std::vector<Found> found;
  RecordHead head;
  for (uint64_t at = newest; at != 0 && found.size() < history.messages; at = head.previous) {
    if (!parts_->ring.read_head(at, head) || head.offset <= seen) break;
    if (now - to_time_point(head.time) > history.age) break;
    found.push_back({at, head});
  }
  return found;
}

// Oldest first, as they may go at any moment: what went meanwhile is missing at the beginning.
std::vector<EventLog::Event> EventLog::copy(std::span<const Found> newest_first, size_t most_bytes) {
  size_t bytes = 0, count = 0;
  for (auto i = newest_first.rbegin(); i != newest_first.rend(); ++i, ++count) {
    if (count > 0 && bytes + i->head.size > most_bytes) break;
    bytes += i->head.size;
  }
  buffer_.resize(std::max(buffer_.size(), bytes));
  std::vector<Event> events;
  char* to = buffer_.data();
  for (auto i = newest_first.rbegin(); count > 0; ++i, --count) {
    if (!parts_->ring.read_data(i->position, i->head, to)) {
      events.clear();
    } else {
      events.push_back(to_event(i->position, i->head, {to, i->head.size}));
    }
    to += i->head.size;
  }
  return events;
}

Result<EventLog::Replay> EventLog::replay(uint32_t channel, std::optional<EventId> after,
                                          const History& history, size_t most_bytes, TimePoint now) {
  Replay replay;
  uint64_t newest = 0;
  {
    Held held(*parts_);
    if (!held) return Held::refused();
    const ChannelRecord& record = parts_->channels.record(channel);
    replay.last = {record.epoch.load(std::memory_order_relaxed), record.last.load(std::memory_order_relaxed)};
    newest = record.newest.load(std::memory_order_relaxed);
  }
  const bool known = after && after->epoch == replay.last.epoch && after->offset <= replay.last.offset;
  const uint64_t seen = known ? after->offset : 0;
  do {
    const std::vector<Found> found = walk(newest, seen, history, now);
    replay.events = copy(found, most_bytes);
    replay.more = !found.empty() &&
                  (replay.events.empty() || replay.events.back().id.offset < found.front().head.offset);
  } while (replay.more && replay.events.empty());
  replay.first_available = replay.events.empty() ? replay.last.offset + 1 : replay.events.front().id.offset;
  replay.gap = after && (!known || replay.first_available > seen + 1);
  return replay;
}

}  // namespace banyan::shm
