#include "shm/event_log/repeats.h"

#include "shm/event_log/time_word.h"
#include "shm/words.h"

namespace banyan::shm {

std::optional<Repeats::Found> Repeats::find(const RepeatKey& key, TimePoint now) const {
  for (uint64_t at = relaxed(bucket(key.hash[0])); at != 0; at = relaxed(entries_[at - 1].link)) {
    const RepeatEntry& entry = entries_[at - 1];
    if (relaxed(entry.hash[0]) != key.hash[0] || relaxed(entry.hash[1]) != key.hash[1]) continue;
    if (to_nanoseconds(now) > relaxed(entry.time) + to_nanoseconds(TimePoint(kKept))) return std::nullopt;
    return Found{{relaxed(entry.epoch), relaxed(entry.offset)},
                 relaxed(entry.fingerprint) == key.fingerprint};
  }
  return std::nullopt;
}

void Repeats::add(const RepeatKey& key, EventId id, TimePoint now) {
  const uint64_t count = relaxed(next_);
  const uint64_t number = count % kEntries;
  if (count >= kEntries) unlink(number);
  RepeatEntry& entry = entries_[number];
  Word& first = bucket(key.hash[0]);
  journal_.set(entry.hash[0], key.hash[0]);
  journal_.set(entry.hash[1], key.hash[1]);
  journal_.set(entry.epoch, id.epoch);
  journal_.set(entry.offset, id.offset);
  journal_.set(entry.fingerprint, key.fingerprint);
  journal_.set(entry.time, to_nanoseconds(now));
  journal_.set(entry.link, relaxed(first));
  journal_.set(first, number + 1);
  journal_.set(next_, count + 1);
}

void Repeats::unlink(uint64_t number) {
  Word* link = &bucket(relaxed(entries_[number].hash[0]));
  while (relaxed(*link) != number + 1) link = &entries_[relaxed(*link) - 1].link;
  journal_.set(*link, relaxed(entries_[number].link));
}

}  // namespace banyan::shm
