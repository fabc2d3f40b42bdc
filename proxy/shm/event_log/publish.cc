// Adding events: a transaction that counts from the moment the ring's tail has moved over the event.
#include "base/stable_hash.h"
#include "shm/event_log.h"
#include "shm/event_log/layout.h"

namespace banyan::shm {
namespace {

uint64_t relaxed(const Word& word) { return word.load(std::memory_order_relaxed); }

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

Result<EventLog::Published> EventLog::publish(std::string_view name, EventKind kind, std::string_view data,
                                              std::string_view repeat_key, TimePoint now) {
  CHECK(!name.empty() && name.size() <= kLongestName);
  if (data.size() > longest_event()) return client_error(413, "the event is too long");
  const bool with_key = !repeat_key.empty();
  RepeatKey key;
  if (with_key) key = make_key(relaxed(parts_->head.channels.seed), name, kind, data, repeat_key);
  Published published;
  {
    Held held(*parts_);
    if (!held) return Held::refused();
    if (const auto known = with_key ? parts_->repeats.find(key, now) : std::nullopt) {
      if (!known->same_bytes)
        return client_error(422, "the key was used before, for an event with other bytes");
      published.id = known->id;
      published.repeated = true;
      return published;
    }
    std::optional<uint32_t> number = parts_->channels.find(name);
    if (!number && !parts_->channels.make_room()) return handler_error(503, "too many channels");
    parts_->journal.begin();
    if (!number) number = parts_->channels.make(name);
    ChannelRecord& record = parts_->channels.record(*number);
    published.id = {relaxed(record.epoch), relaxed(record.last) + 1};
    published.channel = *number;
    const RecordHead head{.channel = *number,
                          .size = static_cast<uint32_t>(data.size()),
                          .kind = static_cast<uint8_t>(kind),
                          .epoch = published.id.epoch,
                          .offset = published.id.offset,
                          .time = to_nanoseconds(now),
                          .previous = relaxed(record.newest)};
    const Ring::Written written = parts_->ring.write(head, data);
    parts_->journal.set(record.last, published.id.offset);
    parts_->journal.set(record.newest, written.position);
    if (with_key) parts_->repeats.add(key, published.id, now);
    parts_->ring.publish(written);
    parts_->journal.commit();
  }
  // Whoever joins from now on knows of the event.
  published.wake = parts_->columns.listening(published.channel);
  return published;
}

}  // namespace banyan::shm
