// What requests to P/* name: a channel, several, or the pages about them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/head.h"
#include "shm/event_id.h"

namespace banyan::handlers {

// Null if the name will do: 1 to 200 bytes of UTF-8 without control characters, and none of our own pages.
// Otherwise what is wrong, static text.
const char* channel_name_problem(std::string_view name);

// What stands behind the prefix of the route.
struct EventPlace {
  enum class Kind { nothing, channel, all_pages, one_page };  // P/  P/NAME  P/_channels  P/_channels/NAME
  Kind kind = Kind::nothing;
  std::string channel;
};
// `mount` is the part of the path that belongs to the route, see Call::mount(). Error 400: percent-encodings
// that are none, a name that will not do.
Result<EventPlace> parse_event_place(std::string_view path, std::string_view mount);

// Where a subscriber wants to go on.
struct Resume {
  bool wanted = false;
  bool from_first = false;            // "first": all that is there
  std::optional<shm::EventId> after;  // null: what it said tells nothing, so there may be a gap
};

struct EventQuery {
  std::vector<std::string> channels;  // "channel", in order, each once, that of the path in front
  std::vector<Resume> since;          // by channel; as many or fewer
  std::optional<Millis> wait;
  std::string access_token;
};
// Reads the query of a subscriber; unknown parameters are none of ours. `channel` is that of the path, or
// empty. Error 400: names and values that will not do, no channel.
Result<EventQuery> parse_event_query(std::string_view query, std::string_view channel);

// The ids of a Last-Event-ID, "epoch:offset" or, of several channels, "epoch:offset,epoch:offset". What is
// none is taken for one of an unknown epoch: an EventSource cannot be told that its id is wrong.
std::vector<Resume> parse_last_event_id(std::string_view text);

}  // namespace banyan::handlers
