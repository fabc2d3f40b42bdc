// Where an event stands in its channel, as clients know it: "epoch:offset", in `id:` of server-sent events,
// in Last-Event-ID and in `since=`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banyan::shm {

struct EventId {
  // Of the channel: another one when its history and its count were lost (restart, idle channel evicted).
  // 1 to 2^53 - 1, so that it is a number in JSON, too.
  uint64_t epoch = 0;
  // 1 for the channel's first event of the epoch, and so on without holes. 0: before the first.
  uint64_t offset = 0;
  bool operator==(const EventId&) const = default;
};

// "4503599627370497:17".
std::string to_text(EventId id);
// Null for anything else: signs, spaces, numbers of 2^53 and more.
std::optional<EventId> parse_event_id(std::string_view text);

}  // namespace banyan::shm
