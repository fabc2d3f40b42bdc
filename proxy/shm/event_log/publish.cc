// Adding events: a transaction that counts from the moment the ring's tail has moved over the event.
#include "base/check.h"
#include "base/stable_hash.h"
#include "shm/event_log.h"
#include "shm/event_log/layout.h"
#include "shm/words.h"

namespace banyan::shm {
namespace {

RepeatKey make_key(uint64_t seed, std::string_view channel, EventKind kind, std::string_view data,
                   std::string_view key) {
  std::string text(channel);  // names hold no NUL
  text += '\0';
  text += key;
  RepeatKey made;
  made.hash = {stable_hash(text, seed), stable_hash(text, ~seed)};
  made.fingerprint = stable_hash(data, static_cast<uint64_t>(kind));
  return made;
}

}  // namespace

struct EventLog::NewEvent {
  std::string_view channel;
  EventKind kind;
  std::string_view data;
  TimePoint now;
  std::optional<RepeatKey> key;
};

Result<EventLog::Published> EventLog::publish(std::string_view name, EventKind kind, std::string_view data,
                                              std::string_view repeat_key, TimePoint now) {
  CHECK(!name.empty() && name.size() <= kLongestName);
  if (data.size() > longest_event()) return client_error(413, "the event is too long");
  NewEvent event{name, kind, data, now, {}};
  if (!repeat_key.empty()) {
    event.key = make_key(relaxed(parts_->head.channels.seed), name, kind, data, repeat_key);
  }
  for (uint32_t looked_at = 0; looked_at < parts_->channels.max_channels(); looked_at += Channels::kWindow) {
    std::optional<uint32_t> number;
    EventId id;
    {
      Held held(*parts_);
      if (!held) return Held::refused();
      number = parts_->channels.find(name);
      if (const auto known = event.key ? parts_->repeats.find(*event.key, now) : std::nullopt) {
        if (!known->same_bytes)
          return client_error(422, "the key was used before, for an event with other bytes");
        return Published{known->id, true, number ? parts_->columns.listening(*number) : WorkerSet()};
      }
      if (!number && !parts_->channels.make_room()) continue;
      id = add(event, number);
    }
    // Whoever joins from now on knows of the event.
    return Published{id, false, parts_->columns.listening(*number)};
  }
  return no_room();
}

// Null as number: the channel has to be made. REQUIRES: the lock, and room for a channel that has to be made.
EventId EventLog::add(const NewEvent& event, std::optional<uint32_t>& number) {
  parts_->journal.begin();
  if (!number) number = parts_->channels.make(event.channel);
  ChannelRecord& record = parts_->channels.record(*number);
  const EventId id{relaxed(record.epoch), relaxed(record.last) + 1};
  const RecordHead head{.channel = *number,
                        .size = static_cast<uint32_t>(event.data.size()),
                        .kind = static_cast<uint8_t>(event.kind),
                        .epoch = id.epoch,
                        .offset = id.offset,
                        .time = to_nanoseconds(event.now),
                        .previous = relaxed(record.newest)};
  const Ring::Written written = parts_->ring.write(head, event.data);
  parts_->journal.set(record.last, id.offset);
  parts_->journal.set(record.newest, written.position);
  if (event.key) parts_->repeats.add(*event.key, id, event.now);
  parts_->ring.publish(written);
  parts_->journal.commit();
  return id;
}

}  // namespace banyan::shm
