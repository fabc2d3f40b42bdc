// An event as members of a JSON object, the same in a line of a batch and in a command of banyan.v1:
//
//   "data":…, "key":"…"     or "data_base64" for a binary event; a string in "data" is a text event of its
//                           characters, other values are JSON events, byte for byte as they stand there
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "shm/event_log.h"

namespace banyan::handlers {

struct EventMembers {
  shm::EventKind kind = shm::EventKind::text;
  std::string data;
  std::string key;  // of repeats; empty: none
};

// The names to look for, which read_event_members() wants in this order.
inline constexpr std::array<JsonMember, 3> kEventMembers = {JsonMember{"key"}, {"data"}, {"data_base64"}};

// Error 400: not one of "data" and "data_base64", members of other types or there twice, a key that is empty
// or longer than kLongestRepeatKey.
Result<EventMembers> read_event_members(std::span<const JsonMember, 3> found);

// The text of a member that must be a string if it is there; empty if it is not. Error 400: it is something
// else, or there twice.
Result<std::string> read_text_member(const JsonMember& found);

struct BatchLine {
  std::string channel;
  EventMembers event;
};
// A line of a batch, {"channel":"x", …}. Error 400: not an object, or as for read_event_members(). The
// channel's name is not looked at; without one it is empty.
Result<BatchLine> parse_batch_line(std::string_view line);

}  // namespace banyan::handlers
